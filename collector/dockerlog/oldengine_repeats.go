package dockerlog

import (
	"hash/maphash"
	"time"

	"lighter/collector/tail"
)

// window is how many lines a repeats remembers. They take 64 KiB of memory for a busy log, and are more
// than the Engine writes before it checks a file that it rotates again.
const window = 4096

// repeats finds the lines that an Engine returns twice. An Engine that is notified late of a log's rotation
// opens the current file again, and reads it from its start (moby 20.10, daemon/logger/loggerutils: the
// event of the rename was queued). So the last lines are repeated, all of them and in order.
//
// Each stream of a container has one writer, which takes the time for every line, so the times of a stream
// increase. A line whose time does not increase is searched for among the remembered lines. Times alone
// prove nothing: clocks are set back, and coarse clocks give several lines the same time.
//
// Only complete lines are searched for: the pieces of a long line share its time, and may have the same
// bytes. If the current file begins with an incomplete line, its pieces are taken twice.
//
// A repeats belongs to one stream of the Engine. The Skipper skips what a later stream reads again on
// purpose.
type repeats struct {
	seed  maphash.Seed
	lines []seenLine     // the newest lines that were no repeats; a ring once there are window lines
	total int            // number of lines that were no repeats; they are numbered from 0
	next  int            // number of the line after the last repeated one; total if the last line was no repeat
	times [2]streamTimes // by stream

	// The incomplete line of each stream.
	open  [2]int64 // its time, or 0
	began [2]int   // the result of firstPiece when it began
}

// seenLine is a remembered line.
type seenLine struct {
	key int64 // time and stream
	sum uint64
}

// streamTimes summarizes the times of a stream. All are Unix nanoseconds, and 0 before the first line.
type streamTimes struct {
	last   int64 // of the last line that was no repeat
	least  int64 // smallest of all lines
	most   int64 // greatest of all lines
	gone   int64 // greatest of the lines that are no longer remembered
	fine   bool  // a line had a time with a fraction of a microsecond
	coarse bool  // different lines had the same time
	joined bool  // the last line came in pieces
}

// newness reports whether a line has come before.
type newness int

const (
	fresh          newness = iota // it has not come before
	doubtful                      // unknown
	repeated                      // it has come before
	partOfRepeated                // the Engine began to repeat in the middle of the line, which comes again whole
)

func newRepeats() *repeats { return &repeats{seed: maphash.MakeSeed()} }

// judge reports whether the next line of the Engine's stream has come before. If it has, and the other
// stream has an incomplete line that will be repeated, too, judge drops the latter from lines.
//
// An Engine whose times are whole seconds (Podman) does not repeat lines, and such times would prove
// nothing.
func (r *repeats) judge(l *tail.Line, lines *tail.Lines) newness {
	r.notePieces(lines)
	switch {
	case l.EndedBy != 0 && r.has(l.EndedBy, l.Stream):
		return partOfRepeated
	case l.Time%int64(time.Second) == 0:
		return fresh
	case l.EndedBy != 0 && l.EndedBy < l.Time:
		return doubtful // the Engine may repeat lines that are no longer remembered
	}
	v := r.judgeWhole(l.Time, l.Stream, l.Text, l.Joined)
	if other := 1 - l.Stream; v == repeated && r.open[other] != 0 && r.began[other] >= r.next {
		lines.Forget(other)
		r.open[other] = 0
	}
	return v
}

// notePieces records which lines have begun since the last line was judged.
func (r *repeats) notePieces(lines *tail.Lines) {
	for stream := range r.open {
		before := r.open[stream]
		r.open[stream] = lines.Open(stream)
		if now := r.open[stream]; now != 0 && now != before {
			r.began[stream] = r.firstPiece(now, stream)
		}
	}
}

// judgeWhole is judge for a complete line. joined reports whether it came in pieces.
func (r *repeats) judgeWhole(at int64, stream int, line []byte, joined bool) newness {
	seen, times := seenLine{key(at, stream), maphash.Bytes(r.seed, line)}, &r.times[stream]
	if at > times.most {
		r.add(at, times, seen, joined)
		return fresh
	}
	if r.next < r.total && r.lines[r.next%window] == seen {
		r.next++
		return repeated
	}
	switch n, sameTime := r.find(seen); {
	case n >= 0 && times.tells():
		r.next = n + 1
		return repeated
	case n >= 0:
		return doubtful
	case at <= times.last && at <= times.gone && at >= times.least:
		return doubtful // it may be one of those no longer remembered
	case sameTime && !times.coarse && (at != times.last || times.joined):
		times.coarse = at == times.last // or it is the end of a line that begins in the previous file
		return doubtful
	case sameTime:
		times.coarse = true
	}
	r.add(at, times, seen, joined)
	return fresh
}

// firstPiece returns the number that a line in pieces will get when it is complete, or -1 if its first
// piece is itself the first repeat.
func (r *repeats) firstPiece(at int64, stream int) int {
	if r.next == r.total && r.has(at, stream) {
		return -1
	}
	return r.next
}

// has reports whether a line with this time has come before.
func (r *repeats) has(at int64, stream int) bool {
	times := &r.times[stream]
	if at > times.most || !times.tells() {
		return false
	}
	_, ok := r.find(seenLine{key: key(at, stream)})
	return ok
}

// tells reports whether each time belongs to one line only: the clock is not known to be coarse, and is
// finer than microseconds.
func (s *streamTimes) tells() bool { return !s.coarse && s.fine }

func key(at int64, stream int) int64 { return at<<1 | int64(stream) }

// add remembers a line.
func (r *repeats) add(at int64, s *streamTimes, line seenLine, joined bool) {
	s.last, s.most, s.joined = at, max(s.most, at), joined
	s.fine = s.fine || at%1000 != 0
	if s.least == 0 || at < s.least {
		s.least = at
	}
	if len(r.lines) < window {
		r.lines = append(r.lines, line)
	} else {
		old := &r.lines[r.total%window]
		from := &r.times[old.key&1]
		from.gone = max(from.gone, old.key>>1)
		*old = line
	}
	r.total++
	r.next = r.total
}

// find returns the number of a line, or -1 if it is not remembered. It also reports whether a line with the
// same time and stream is remembered.
func (r *repeats) find(s seenLine) (n int, sameTime bool) {
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
