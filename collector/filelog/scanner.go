package filelog

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"lighter/collector/tail"
)

// record is a log record: one line of a json-file log.
type record struct {
	time   int64  // Unix nanoseconds
	stream int    // tail.Stdout or tail.Stderr
	text   []byte // with its newline, unless it is a piece of a longer line
	own    bool   // text has memory of its own; otherwise it points into the scanned line
}

// scanner reads records. It knows the form that Docker writes,
//
//	{"log":"…\n","stream":"stdout","attrs":{"tag":"…"},"time":"2026-01-02T03:04:05.006Z"}
//
// with or without attrs. It reads that form in one pass, in place and without allocating, and leaves
// everything else to encoding/json. A test and a fuzz target check that both give the same result for the
// same bytes.
type scanner struct {
	second tail.Second
	saved  []byte // a copy of the line before it was written to
}

// The parts of Docker's form between its values.
const (
	beforeLog    = `{"log":"`
	beforeStream = `","stream":"`
	afterStdout  = `stdout"`
	afterStderr  = `stderr"`
	beforeAttrs  = `,"attrs":`
	beforeTime   = `,"time":"`
	afterTime    = `"}`
)

// scan returns the record of a line without a newline. It may write to line.
func (s *scanner) scan(line []byte) (record, error) {
	if r, ok := s.docker(line); ok {
		return r, nil
	}
	return slowScan(line)
}

// docker reads line if it has Docker's own form. Otherwise it does not write to line.
func (s *scanner) docker(line []byte) (r record, ok bool) {
	if !hasPrefix(line, beforeLog) {
		return r, false
	}
	i, seen := nextSpecial(line, len(beforeLog))
	end, moved, whole := i, false, false
	switch rest := line[i:]; {
	case hasPrefix(rest, `"`):
		r.text = line[len(beforeLog):i]
	case hasPrefix(rest, `\n"`): // nearly always: the newline replaces the backslash
		r.text, end, whole = line[len(beforeLog):i+1], i+2, true
	default:
		s.saved = append(s.saved[:0], line...)
		moved = true
		var more uint64
		r.text, end, more, ok = unquote(line, i)
		if seen |= more; !ok {
			copy(line, s.saved)
			return r, false
		}
	}
	valid := seen&highs == 0 || utf8.Valid(r.text)
	if !valid || !s.rest(line[end:], &r) {
		if moved {
			copy(line, s.saved)
		}
		return r, false
	}
	if whole {
		r.text[len(r.text)-1] = '\n'
	}
	return r, true
}

// rest reads what follows the text of the log.
func (s *scanner) rest(b []byte, r *record) (ok bool) {
	if !hasPrefix(b, beforeStream) {
		return false
	}
	switch b = b[len(beforeStream):]; {
	case hasPrefix(b, afterStdout):
		r.stream = tail.Stdout
	case hasPrefix(b, afterStderr):
		r.stream = tail.Stderr
	default:
		return false
	}
	b = b[len(afterStdout):] // both have the same length
	if hasPrefix(b, beforeAttrs) {
		if b, ok = skipAttrs(b[len(beforeAttrs):]); !ok {
			return false
		}
	}
	if !hasPrefix(b, beforeTime) {
		return false
	}
	if b = b[len(beforeTime):]; !hasSuffix(b, afterTime) {
		return false
	}
	r.time, ok = s.stamp(b[:len(b)-len(afterTime)])
	return ok
}

// release frees memory that exceeds what most lines need.
func (s *scanner) release() {
	if cap(s.saved) > tail.MinChunk {
		s.saved = nil
	}
}

// stamp reads a time in Docker's format: in UTC, with up to nine fractional digits without trailing zeros.
func (s *scanner) stamp(b []byte) (int64, bool) {
	const shortest = tail.SecondLen + len("Z")
	n := len(b)
	if n < shortest || b[n-1] != 'Z' {
		return 0, false
	}
	nanos := int64(0)
	if n > shortest {
		digits := b[tail.SecondLen : n-1]
		if digits[0] != '.' || len(digits) < 2 || len(digits) > 10 {
			return 0, false
		}
		for _, c := range digits[1:] {
			if c < '0' || c > '9' {
				return 0, false
			}
			nanos = nanos*10 + int64(c-'0')
		}
		nanos *= powers[10-len(digits)]
	}
	second, ok := s.second.Parse(b)
	return second + nanos, ok
}

// powers[n] is the factor that converts a fraction with n missing digits to nanoseconds.
var powers = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// skipAttrs returns what follows the object of strings that b begins with, in Docker's format.
func skipAttrs(b []byte) (rest []byte, ok bool) {
	if hasPrefix(b, `{}`) {
		return b[2:], true
	}
	for next := byte('{'); len(b) > 0 && b[0] == next; next = ',' {
		if b, ok = skipString(b[1:]); !ok || len(b) == 0 || b[0] != ':' {
			return nil, false
		}
		if b, ok = skipString(b[1:]); !ok || len(b) == 0 {
			return nil, false
		}
		if b[0] == '}' {
			return b[1:], true
		}
	}
	return nil, false
}

func skipString(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	end, ok := endOfString(b[1:])
	if !ok {
		return nil, false
	}
	return b[1+end+1:], true
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

func hasSuffix(b []byte, s string) bool { return len(b) >= len(s) && string(b[len(b)-len(s):]) == s }

// The reasons why a line is not a record. They quote nothing of the line, which may hold a secret.
var (
	errNoRecord = errors.New("it is not a JSON object with a log, a stream and a time")
	errStream   = errors.New("its stream is neither stdout nor stderr")
)

// slowScan is scan using encoding/json.
func slowScan(line []byte) (record, error) {
	var v struct {
		Log    string    `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if json.Unmarshal(line, &v) != nil || v.Time.IsZero() {
		return record{}, errNoRecord
	}
	r := record{time: v.Time.UnixNano(), text: []byte(v.Log), own: true}
	switch v.Stream {
	case "stdout":
		r.stream = tail.Stdout
	case "stderr":
		r.stream = tail.Stderr
	default:
		return record{}, errStream
	}
	return r, nil
}

// salvage returns the record at the end of a broken line. After a full disk has cut a write short, or a
// crash has left zeros, the next record follows on the same line. The beginning of a record cannot occur
// inside a record's string.
func (s *scanner) salvage(line []byte) (record, bool) {
	at := bytes.LastIndex(line, []byte(beforeLog))
	if at <= 0 {
		return record{}, false
	}
	r, err := s.scan(line[at:])
	return r, err == nil
}
