// Package position remembers how far each container's log is delivered.
//
// A Store is a journal in the data directory: a line a change, written before the
// acknowledgement counts as handled, rewritten from time to time to what is current. It
// survives kill -9 of the agent, and a journal that was cut short or damaged costs the
// damaged lines only. A Cursor is one container's part of it. Collectors hand on batches
// and move their cursors; exporters acknowledge; nobody else writes.
package position

import "fmt"

// Position is a place in a container's log, after a delivered line.
//
// Time is the greatest time of the lines before the place, and Lines is how many lines
// there are from the first of that time to the place. For a log whose times only grow
// that is the number of lines at that nanosecond. Two streams of a container are written
// side by side, so a time may also be a little behind the line before it: counted like this,
// the place is exact all the same.
//
// Where the clock was set back by more than a second, both count from the first line after
// that, and Peak counts from before it. Together they are exact: by Peak as long as the log
// holds its line, by Time once that is gone, and all that was written before it with it.
type Position struct {
	Time  int64 `json:"t"` // Unix nanoseconds
	Lines int   `json:"n"`
	// Low is the least time of what must be read again, Unix nanoseconds; 0 where it is Time's
	// own second. It is less where a line that began then is not whole yet, or the clock was set back.
	Low  int64 `json:"low,omitempty"`
	Peak Peak  `json:"peak,omitzero"`
}

// Peak is a Position's place as counted from before the clock was set back. It is zero where
// it was not, or where the time has passed it since.
type Peak struct {
	Time  int64 `json:"t"` // the greatest of the log, Unix nanoseconds
	Lines int   `json:"n"` // from the first of that time to the place
}

// maxBackward is how far a line's time may be behind the greatest before it counts as a
// clock that was set back, nanoseconds. It is also how far before a position a log is read
// again: older Engines leave out every line with a time before the asked one, wherever it stands.
const maxBackward = 1e9

// After returns the position after one more line of time t.
func (p Position) After(t int64) Position { return p.after(t, 1) }

// AfterDoubtful is After for a line that may stand before the position: what was counted
// without being there would make a Skipper leave out another line that was never delivered,
// and what was not counted is only delivered twice.
func (p Position) AfterDoubtful(t int64) Position { return p.after(t, 0) }

func (p Position) after(t int64, counts int) Position {
	switch {
	case t > p.Top() && counts == 0:
		return p
	case t > p.Top():
		return Position{Time: t, Lines: 1}
	case t < p.Time-maxBackward:
		if p.Peak == (Peak{}) {
			p.Peak = Peak{p.Time, p.Lines}
		}
		p = p.Reaching(t)
		p.Time, p.Lines = t, 1
		p.Peak.Lines += counts
		return p
	case p.Peak != (Peak{}):
		p.Peak.Lines += counts
	}
	if t > p.Time {
		p.Time, p.Lines = t, 1
	} else {
		p.Lines += counts
	}
	return p
}

// Reaching returns the position with what is read again from it reaching back to time t.
func (p Position) Reaching(t int64) Position {
	if t < p.Time && (p.Low == 0 || t < p.Low) {
		p.Low = t
	}
	return p
}

// Top returns the greatest time of the lines before the position.
func (p Position) Top() int64 { return max(p.Time, p.Peak.Time) }

// WithoutTop returns the position in a log that no longer holds the line of time Top, and so
// nothing that was written before it: all of it comes after the clock was set back, and if no
// line of that time was delivered yet, none is before the position.
func (p Position) WithoutTop() Position {
	if p.Peak == (Peak{}) {
		return Position{}
	}
	p.Peak = Peak{}
	return p
}

// IsZero reports whether nothing is before the position.
func (p Position) IsZero() bool { return p == Position{} }

// Since is the time to ask an Engine for, Unix nanoseconds, so that the line after the
// position is among the answers; those before it are what a Skipper takes out.
func (p Position) Since() int64 {
	low := p.Time
	if p.Low != 0 {
		low = min(low, p.Low)
	}
	return max(low-maxBackward, 0)
}

// Hint is where in a log file a Position is, for who reads files: with it reading goes on at
// an offset. It says nothing that the Position does not say, and where the file is another one
// or the hint is zero the Position alone finds the place.
type Hint struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`          // bytes from the start of the file, after a whole record
	Sum    uint32 `json:"sum"`             // of the bytes before Offset, by which the file is known
	Lines  int    `json:"lines,omitempty"` // how many lines that end after Offset are before the position
}

func (h Hint) valid() bool { return h.Offset > 0 && h.Lines >= 0 }

func (p Position) String() string { return fmt.Sprintf("%d+%d", p.Time, p.Lines) }

// Skipper tells which lines of a log read again from Position.Since are before the
// position. It is made by NewSkipper and used once, in the order of the log.
type Skipper struct {
	from Position
	left int  // lines still to leave out once the position's time has come
	only bool // left counts from the first line, whatever the times
	met  bool // a line of that time has come
	done bool
}

// NewSkipper returns a Skipper for a log read again from p; a zero p skips nothing.
func NewSkipper(p Position) Skipper {
	if p.Peak != (Peak{}) {
		p.Time, p.Lines = p.Peak.Time, p.Peak.Lines
	}
	return Skipper{from: p, left: p.Lines, done: p.IsZero()}
}

// SkipLines returns a Skipper for a log that is read again from n lines before a position.
func SkipLines(n int) Skipper { return Skipper{left: n, met: true, only: true, done: n == 0} }

// Skip reports whether the next line, of time t, is before the position.
//
// Lines before the first of the position's time were written before it. Should that one
// be gone, because the Engine has thrown away what it was in, the first line after its time
// ends the skipping: what follows was never delivered.
func (s *Skipper) Skip(t int64) bool {
	switch {
	case s.done:
		return false
	case s.only:
		s.left--
		s.done = s.left == 0
		return true
	case t > s.from.Time:
		s.done = true
		return false
	case !s.met && t < s.from.Time:
		return true
	}
	s.met = true
	if s.left == 0 {
		s.done = true
		return false
	}
	s.left--
	return true
}

// Lost reports whether lines before the position are known to be gone from the log: a
// later line came without the position's own. It is known only after the first line
// that was not skipped.
func (s *Skipper) Lost() bool { return s.done && !s.met && s.from.Lines > 0 }
