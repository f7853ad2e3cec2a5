package dockerlog

import "hash/maphash"

// window is how many lines a repeats remembers: 64 KiB of memory for a log that is written a
// lot, and more lines than come between two looks of the Engine at a file that it rotates.
const window = 4096

// repeats finds the lines that an Engine hands out twice: one that is told late of a log's
// rotation opens the current file again, and reads it from its start (moby 20.10,
// daemon/logger/loggerutils: an event of the rename that was queued). What comes again is the
// last lines, all of them and in their order.
//
// Each stream of a container has one writer, which takes the time for every line, so the times
// of a stream rise. A line that does not is looked for among those remembered. Times alone
// prove nothing: clocks are set back, and coarse ones give lines the same time.
//
// Only whole lines are looked for: the pieces of a long one share its time, and may share their
// bytes. Of a line that is not whole, and that the file begins with, pieces are taken twice.
//
// It belongs to one stream of the Engine; what a later one reads again on purpose is the
// Skipper's.
type repeats struct {
	seed  maphash.Seed
	lines []sight // the newest that were no repeats, in a ring once there are window of them
	total int     // how many of them came
	next  int     // number of the line that follows the last repeat; total where the last line was none
	sides [2]side // by stream
}

// sight is what is remembered of a line.
type sight struct {
	key int64 // time and stream
	sum uint64
}

// side is what is known of a stream's times. All are Unix nanoseconds, 0 before the first line.
type side struct {
	last   int64 // of the last line that was no repeat
	least  int64 // of all of them
	most   int64
	gone   int64 // the greatest of those no longer remembered
	coarse bool  // there were different lines of the same time
	joined bool  // the line of time last came in pieces
}

// verdict is what a line is.
type verdict int

const (
	fresh    verdict = iota // it has not come before
	doubtful                // that cannot be told
	repeated
)

func newRepeats() repeats { return repeats{seed: maphash.MakeSeed()} }

// judge says what the next line of the Engine's stream is; joined says that it came in pieces.
func (r *repeats) judge(at int64, stream int, line []byte, joined bool) verdict {
	s, side := sight{key(at, stream), maphash.Bytes(r.seed, line)}, &r.sides[stream]
	if at > side.most {
		r.add(at, side, s, joined)
		return fresh
	}
	if r.next < r.total && r.lines[r.next%window] == s {
		r.next++
		return repeated
	}
	switch n, sameTime := r.find(s); {
	case n >= 0 && side.tells(at):
		r.next = n + 1
		return repeated
	case n >= 0:
		return doubtful
	case at <= side.last && at <= side.gone && at >= side.least:
		return doubtful // it may have been among those no longer remembered
	case sameTime && !side.coarse && (at != side.last || side.joined):
		side.coarse = at == side.last // or it is the end of a line that the file before has the beginning of
		return doubtful
	case sameTime:
		side.coarse = true
	}
	r.add(at, side, s, joined)
	return fresh
}

// place returns the number of the line before which a line of pieces begins with one of that
// time; it is -1 where that is one which was handed out before, and with which the repeats begin.
func (r *repeats) place(at int64, stream int) int {
	if r.next == r.total && r.has(at, stream) {
		return -1
	}
	return r.next
}

// has reports whether a line of that time has come before.
func (r *repeats) has(at int64, stream int) bool {
	side := &r.sides[stream]
	if at > side.most || !side.tells(at) {
		return false
	}
	_, ok := r.find(sight{key: key(at, stream)})
	return ok
}

// tells reports whether a time is that of one line: the clock is not known to be coarse, and
// does not look as if it counted microseconds.
func (s *side) tells(at int64) bool { return !s.coarse && at%1000 != 0 }

func key(at int64, stream int) int64 { return at<<1 | int64(stream) }

// add remembers a line.
func (r *repeats) add(at int64, s *side, line sight, joined bool) {
	s.last, s.most, s.joined = at, max(s.most, at), joined
	if s.least == 0 || at < s.least {
		s.least = at
	}
	if len(r.lines) < window {
		r.lines = append(r.lines, line)
	} else {
		old := &r.lines[r.total%window]
		from := &r.sides[old.key&1]
		from.gone = max(from.gone, old.key>>1)
		*old = line
	}
	r.total++
	r.next = r.total
}

// find returns the number of a line, -1 if it is not remembered, and whether one of its time
// and stream is.
func (r *repeats) find(s sight) (n int, sameTime bool) {
	for i := range r.lines {
		if r.lines[i].key != s.key {
			continue
		}
		sameTime = true
		if r.lines[i].sum == s.sum {
			oldest := r.total - len(r.lines)
			return oldest + (i-oldest%window+window)%window, true
		}
	}
	return -1, sameTime
}
