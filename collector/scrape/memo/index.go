package memo

// index finds a line by a hash. If several lines have the same hash, it finds the first. An index serves
// one page, and its memory is reused.
type index struct {
	slots []slot // the length is a power of two, or 0
	used  int
}

type slot struct {
	hash uint64
	line uint32 // the line's number plus one; 0 means a free slot
}

// reset empties the index and makes room for the given number of lines.
func (x *index) reset(lines int) {
	size := 64
	for size < 2*lines {
		size *= 2
	}
	if cap(x.slots) < size || cap(x.slots) > 16*size {
		x.slots = make([]slot, size)
	} else {
		x.slots = x.slots[:size]
		clear(x.slots)
	}
	x.used = 0
}

// add adds a line unless one with its hash is present.
func (x *index) add(hash uint64, line int) {
	if 2*x.used >= len(x.slots) {
		x.grow()
	}
	if s := x.slot(hash); s.line == 0 {
		*s = slot{hash, uint32(line) + 1}
		x.used++
	}
}

// find returns the line with the hash. ok reports whether there is one.
func (x *index) find(hash uint64) (line int, ok bool) {
	s := x.slot(hash)
	return int(s.line) - 1, s.line != 0
}

func (x *index) slot(hash uint64) *slot {
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		if s := &x.slots[i]; s.line == 0 || s.hash == hash {
			return s
		}
	}
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, max(64, 2*len(old)))
	for _, s := range old {
		if s.line != 0 {
			*x.slot(s.hash) = s
		}
	}
}
