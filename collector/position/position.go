// Package position remembers how far each log has been delivered on each path.
//
// A Store is a journal in the data directory. Each change is a line that is written before the
// acknowledgement counts as handled, and the journal is rewritten from time to time with current records
// only. It survives kill -9 of the agent, and a truncated or damaged journal loses only the damaged lines.
// A Cursor is the part that belongs to one log. Collectors hand on batches and move their cursors,
// exporters acknowledge, and nobody else writes.
package position

import "fmt"

// Position is a point in a container's log, after a delivered line.
//
// Time is the greatest time of the lines before the position, and Lines is the number of lines from the
// first with that time to the position. For a log whose times only grow, that is the number of lines at
// that nanosecond. Two streams of a container are written concurrently, so a line's time may be slightly
// less than that of the line before it, and a clock may be set back. Counted like this, the position is
// exact nevertheless, as long as the log contains the line with that time. For example, after lines at
// 10:00, 10:01, 09:30 and 09:31, the position is 10:01 and three lines, and Low is 09:30.
type Position struct {
	Time  int64 `json:"t"` // Unix nanoseconds
	Lines int   `json:"n"`
	// Low is the time of the oldest line that must be read again, in Unix nanoseconds. 0 means that no such
	// line is more than maxBackward before Time. It is set if a line that began earlier is still
	// incomplete, or if the clock was set back.
	Low int64 `json:"low,omitempty"`
	// Unended describes, by stream, the messages of Time's last line if that line was delivered without a
	// newline, because the container's run ended with it. Lines does not count that line. It is needed for
	// logs whose times are whole seconds: the next run may begin within the same second, and its first line
	// would be taken for the rest of this one.
	Unended [2]Unended `json:"unended,omitzero"`
	// Cursor is the position in a log that is not searched by times, such as the journal, in that log's own
	// format. Time is then only the time of the last line, and Lines is 1 once there is one.
	Cursor string `json:"cursor,omitempty"`
}

// Unended are messages without a newline in a container's log.
type Unended struct {
	After    int32 `json:"after"` // number of messages with a newline before them that have the same time and stream
	Messages int32 `json:"n"`     // number of these messages
}

// maxBackward is how many nanoseconds a line's time may be less than the greatest before the clock is
// considered set back. It is also how far before a position a log is read again: older Engines leave out
// every line with a time before the requested one, wherever it is.
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

// AfterUnended returns the position after a line of time t without a newline that consists of messages of a
// stream.
func (p Position) AfterUnended(t int64, stream int, messages Unended) Position {
	if t > p.Time {
		p = Position{Time: t}
	}
	p.Unended[stream] = messages
	return p
}

// Reaching returns the position, extended so that reading again begins no later than at time t.
func (p Position) Reaching(t int64) Position {
	if t < p.Time && (p.Low == 0 || t < p.Low) {
		p.Low = t
	}
	return p
}

// Unordered reports whether lines after the first one with Time may have much earlier times, because the
// clock was set back. A Skipper is right only as long as the log contains the line with Time: once that is
// gone, a line with an earlier time may be before the position or after it.
func (p Position) Unordered() bool { return p.Low != 0 && p.Low < p.Time-maxBackward }

// IsZero reports whether the position is the beginning of the log.
func (p Position) IsZero() bool { return p == Position{} }

// HasLines reports whether a line is before the position. Otherwise Time is the time of the first line to
// read.
func (p Position) HasLines() bool { return p.Lines > 0 || p.Unended != [2]Unended{} }

// Since is the time, in Unix nanoseconds, from which to request a log so that the response includes the
// line after the position. A Skipper skips the lines before the position.
func (p Position) Since() int64 {
	low := p.Time
	if p.Low != 0 {
		low = min(low, p.Low)
	}
	return max(low-maxBackward, 0)
}

// Bookmark helps to find a Position again in a log file, because reading can continue at an offset. It adds
// no information to the Position. If the file is a different one, or the bookmark is zero, the Position
// alone determines where to continue.
type Bookmark struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`          // bytes from the start of the file, after a complete record
	Sum    uint32 `json:"sum"`             // hash of the bytes before Offset, which identifies the file
	Lines  int    `json:"lines,omitempty"` // number of lines before the position that end after Offset
}

func (b Bookmark) valid() bool { return b.Offset > 0 && b.Lines >= 0 }

func (p Position) String() string { return fmt.Sprintf("%d+%d", p.Time, p.Lines) }

// Skipper identifies the lines before the position in a log that is read again from Position.Since.
// NewSkipper makes one; it is used once, in the order of the log.
type Skipper struct {
	from Position
	left int  // lines still to skip once the position's time has come
	only bool // count left from the first line, whatever the times
	met  bool // a line with that time has come
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
// Lines before the first one with the position's time were written before it. If that one is gone, because
// the Engine has deleted the file with it, the first line after its time ends the skipping: what follows
// was never delivered.
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

// Lost reports whether lines before the position are known to have disappeared from the log: a later line
// came without the position's own. It is known only after the first line that was not skipped.
func (s *Skipper) Lost() bool { return s.done && !s.met && s.from.Lines > 0 }
