package tail

import "time"

// SecondLen is the length of a timestamp up to its seconds.
const SecondLen = len("2006-01-02T15:04:05")

// Second parses timestamps up to the second. It remembers the last one: most lines of a busy log have the
// same second and cost only a comparison.
type Second struct {
	text [SecondLen]byte
	unix int64 // nanoseconds; 0 before the first
}

// Parse returns the time, in Unix nanoseconds, that b begins with, in UTC. b must have at least SecondLen
// bytes.
func (s *Second) Parse(b []byte) (int64, bool) {
	if s.unix != 0 && string(s.text[:]) == string(b[:SecondLen]) {
		return s.unix, true
	}
	t, err := time.Parse("2006-01-02T15:04:05", string(b[:SecondLen]))
	if err != nil || t.IsZero() {
		return 0, false
	}
	copy(s.text[:], b)
	s.unix = t.UnixNano()
	return s.unix, true
}
