package file

import (
	"encoding/json"
	"slices"

	"lighter/collector/position"
)

// trail lists the files that were read at a path, and the times of their lines. It begins with the file of
// the acknowledged position and ends with the newest file. It is stored with the position.
type trail []visit

// visit is a file that was or is being read. A file that was truncated begins another visit.
type visit struct {
	Device    uint64   `json:"dev,omitempty"` // zero if unknown
	Inode     uint64   `json:"inode"`
	Head      uint32   `json:"head,omitempty"` // checksum of the first HeadBytes bytes of the file on disk
	HeadBytes int64    `json:"head_bytes,omitempty"`
	Anchors   []anchor `json:"anchors"` // by offset; there is always at least one
	Until     int64    `json:"until"`   // lines that end at this offset or before have their final times, from the anchors
}

// anchor is an offset and a time in Unix nanoseconds. Up to the next anchor, a line that ends n bytes after
// the offset has the time of the anchor plus n nanoseconds.
type anchor [2]int64

func (a anchor) offset() int64         { return a[0] }
func (a anchor) at(offset int64) int64 { return a[1] + offset - a[0] }

const (
	// maxAnchors is how many anchors a trail has at most. All are written each time the position moves.
	maxAnchors = 128
	// maxVisits is how many files may wait for their acknowledgement before the first one is forgotten.
	maxVisits = 64
	// anchorBytes is how many bytes one anchor covers. A flood needs an anchor for each such amount; other
	// logs need one for each read.
	anchorBytes = 1 << 20
)

// is reports whether a file has the device and inode of the visit.
func (v *visit) is(l look) bool {
	return l.inode == v.Inode && (v.Device == 0 || l.device == v.Device)
}

// begin is the offset at which reading the file began.
func (v *visit) begin() int64 { return v.Anchors[0].offset() }

// time returns the time of a line that ends at an offset, which is after begin. It is final
// if the offset is not after Until.
func (v *visit) time(end int64) int64 {
	i := len(v.Anchors) - 1
	for i > 0 && v.Anchors[i].offset() >= end {
		i--
	}
	return v.Anchors[i].at(end)
}

// last returns the latest time that a line of the visit may have had.
func (v *visit) last() int64 { return v.time(max(v.Until, v.begin())) }

// find returns the visit, and the offset in it, up to which lines with times not after at were read.
func (t trail) find(at int64) (i int, offset int64) {
	for i = len(t) - 1; i > 0 && t[i].Anchors[0][1] >= at; i-- {
	}
	v := &t[i]
	for n := len(v.Anchors) - 1; n >= 0; n-- {
		if a := v.Anchors[n]; a[1] < at {
			return i, a.offset() + at - a[1]
		}
	}
	return i, v.begin()
}

// prune removes what is before the position, and returns how many visits it has removed.
func (t *trail) prune(acked position.Position) (visits int) {
	if acked.IsZero() {
		return 0
	}
	visits, offset := t.find(acked.Time)
	*t = slices.Delete(*t, 0, visits)
	v := &(*t)[0]
	keep := len(v.Anchors) - 1
	for keep > 0 && v.Anchors[keep].offset() > offset {
		keep--
	}
	v.Anchors = slices.Delete(v.Anchors, 0, keep)
	return visits
}

// anchors returns the number of anchors of the trail.
func (t trail) anchors() (n int) {
	for i := range t {
		n += len(t[i].Anchors)
	}
	return n
}

// note returns the trail in the form in which it is stored.
func (t trail) note() []byte {
	b, err := json.Marshal(t)
	if err != nil { // impossible: the trail has only integers
		return nil
	}
	return b
}

// parseTrail returns the trail of a note. It is empty if the note is not valid.
func parseTrail(note []byte) trail {
	var t trail
	if len(note) == 0 || json.Unmarshal(note, &t) != nil {
		return nil
	}
	for i := range t {
		v := &t[i]
		if len(v.Anchors) == 0 || v.HeadBytes < 0 || v.HeadBytes > headBytes {
			return nil
		}
		for n, a := range v.Anchors {
			if a[0] < 0 || a[1] < 0 || n > 0 && a[0] < v.Anchors[n-1][0] {
				return nil
			}
		}
	}
	return t
}
