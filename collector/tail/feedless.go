package tail

import "time"

// HandedOn notes that a tailer that has no Feed has handed on lines of so many bytes, the last of them of the
// time last. It returns, if that ends breaks that were logged, how many they were and for how long.
func HandedOn(s *State, m *Metrics, lines, bytes int, last int64) (breaks int, after time.Duration) {
	m.read.Add(float64(lines))
	m.bytes.Add(float64(bytes))
	return s.handedOn(lines, last)
}

// Delivered notes that lines of a tailer that has no Feed are delivered.
func Delivered(s *State, lines int) { s.delivered(lines) }
