// Package position remembers how far each log is delivered on each path.
//
// A Store is a journal in the data directory: a line a change, written before the
// acknowledgement counts as handled, rewritten from time to time to what is current. It
// survives kill -9 of the agent, and a journal that was cut short or damaged costs the
// damaged lines only. A Cursor is one log's part of it. Collectors hand on batches
// and move their cursors; exporters acknowledge; nobody else writes.
package position

import "fmt"

// Position is a point in a container's log, after a delivered line.
//
// Time is the greatest time of the lines before it, and Lines is how many lines there are from the
// first of that time to the position. For a log whose times only grow that is the number of lines at
// that nanosecond. Two streams of a container are written side by side, so a time may also be a little
// behind the line before it, and a clock may be set back: counted like this, the position is exact all
// the same, as long as the log holds the line of that time. For example, after the lines of
// 10:00, 10:01, 09:30 and 09:31 the position is 10:01 and three lines, and Low is 09:30.
type Position struct {
	Time  int64 `json:"t"` // Unix nanoseconds
	Lines int   `json:"n"`
	// Low is the time of the oldest line that must be read again, Unix nanoseconds. 0 means that no such
	// line is more than maxBackward before Time. It is set if a line that began earlier is not whole yet, or
	// if the clock was set back.
	Low int64 `json:"low,omitempty"`
	// Unended are, by stream, the messages of Time's last line that is delivered although it has no
	// newline, because the container's run ended with it. Lines does not count that line. It is kept for
	// logs whose times are whole seconds: the next run may begin within the same second, and its first line
	// would be taken for the rest of this one.
	Unended [2]Unended `json:"unended,omitzero"`
	// Cursor is the position in a log that does not find it again by times, such as the journal, in that log's
	// own words. Time is then only that of the last line, and Lines is 1 once there is one.
	Cursor string `json:"cursor,omitempty"`
}

// Unended are messages without a newline in a container's log.
type Unended struct {
	After    int32 `json:"after"` // how many messages with a newline are before them, of the same time and stream
	Messages int32 `json:"n"`     // how many they are
}

// maxBackward is how far a line's time may be behind the greatest before it counts as a
// clock that was set back, nanoseconds. It is also how far before a position a log is read
// again: older Engines leave out every line with a time before the asked one, wherever it stands.
const maxBackward = 1e9

// After returns the position after one more line of time t.
func (p Position) After(t int64) Position {
	switch {
	case t > p.Time:
		return Position{Time: t, Lines: 1}
	case t < p.Time-maxBackward:
		p = p.Reaching(t)
	}
	p.Lines++
	return p
}

// AfterUnended returns the position after a line of time t without a newline that is made of messages of a
// stream.
func (p Position) AfterUnended(t int64, stream int, messages Unended) Position {
	if t > p.Time {
		p = Position{Time: t}
	}
	p.Unended[stream] = messages
	return p
}

// Reaching returns the position with what is read again from it reaching back to time t.
func (p Position) Reaching(t int64) Position {
	if t < p.Time && (p.Low == 0 || t < p.Low) {
		p.Low = t
	}
	return p
}

// Unordered reports whether lines that come after the first of Time may have much lesser times,
// because the clock was set back. A Skipper is right only as long as the log holds the line of Time:
// once that is gone, a line of a lesser time may be before the position or after it.
func (p Position) Unordered() bool { return p.Low != 0 && p.Low < p.Time-maxBackward }

// IsZero reports whether the position is the beginning of the log.
func (p Position) IsZero() bool { return p == Position{} }

// HasLines reports whether a line is before the position. Otherwise Time is that of the first line to read.
func (p Position) HasLines() bool { return p.Lines > 0 || p.Unended != [2]Unended{} }

// Since is the time to ask an Engine for, Unix nanoseconds, so that the line after the
// position is among the answers; those before it are what a Skipper takes out.
func (p Position) Since() int64 {
	low := p.Time
	if p.Low != 0 {
		low = min(low, p.Low)
	}
	return max(low-maxBackward, 0)
}

// Bookmark helps to find a Position again in a log file: with it reading goes on at an offset. It says
// nothing that the Position does not say. Where the file is another one, or the bookmark is zero, the
// Position alone tells where to go on.
type Bookmark struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`          // bytes from the start of the file, after a whole record
	Sum    uint32 `json:"sum"`             // of the bytes before Offset, by which the file is known
	Lines  int    `json:"lines,omitempty"` // how many lines that end after Offset are before the position
}

func (b Bookmark) valid() bool { return b.Offset > 0 && b.Lines >= 0 }

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
	return Skipper{from: p, left: p.Lines, done: p.IsZero()}
}

// SkipLines returns a Skipper for a log that is read again from n lines before a position.
func SkipLines(n int) Skipper { return Skipper{left: n, met: true, only: true, done: n == 0} }

// Skip reports whether the next line, of time t, is before the position.
//
// Lines before the first of the position's time were written before it. Should that one
// be gone, because the Engine has thrown away what it was in, the first line after its time
// ends the skipping: what follows was never delivered.
func (s *Skipper) Skip(t int64) bool { return !s.done && s.skip(t) }

func (s *Skipper) skip(t int64) bool {
	switch {
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
