package tail

import "time"

// HandedOn records that a tailer without a Feed has handed on lines of bytes bytes in total; last is the
// time of the last one. If that ends failures that were logged, HandedOn returns their number and duration.
func HandedOn(s *State, m *Metrics, lines, bytes int, last int64) (breaks int, after time.Duration) {
	m.read.Add(float64(lines))
	m.bytes.Add(float64(bytes))
	return s.handedOn(lines, last)
}

// Delivered records that lines of a tailer without a Feed are delivered.
func Delivered(s *State, lines int) { s.delivered(lines) }
