package dockerlog

import (
	"bytes"
	"errors"
	"time"

	"lighter/collector/tail"
)

// stampLen is the length of the timestamp before each message: always RFC 3339 in UTC with nine digits of
// the second (moby, daemon/logger: timestamps are padded).
const stampLen = len("2006-01-02T15:04:05.000000000Z")

var errNoTimestamp = errors.New("a message does not begin with a timestamp")

// stamps parses timestamps. Most have the same second as the one before; then only the nine digits after
// the point are parsed.
type stamps struct{ second tail.Second }

// cut returns the time, in Unix nanoseconds, that b begins with, and what follows it and the space after
// it.
func (s *stamps) cut(b []byte) (int64, []byte, error) {
	if len(b) > stampLen && b[stampLen] == ' ' && b[stampLen-1] == 'Z' && b[tail.SecondLen] == '.' {
		if nanos, ok := nineDigits(b[tail.SecondLen+1:]); ok {
			if second, ok := s.second.Parse(b); ok {
				return second + nanos, b[stampLen+1:], nil
			}
		}
	}
	return slowCut(b)
}

func nineDigits(b []byte) (n int64, ok bool) {
	for _, c := range b[:9] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// slowCut is cut for any RFC 3339 time, such as Podman's whole seconds.
func slowCut(b []byte) (int64, []byte, error) {
	i := bytes.IndexByte(b[:min(len(b), 64)], ' ')
	if i < 0 {
		return 0, nil, errNoTimestamp
	}
	t, err := time.Parse(time.RFC3339Nano, string(b[:i]))
	if err != nil {
		return 0, nil, errNoTimestamp
	}
	return t.UnixNano(), b[i+1:], nil
}
