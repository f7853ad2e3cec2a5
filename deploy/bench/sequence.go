package main

// count is what arrived of a numbered sequence.
type count struct {
	Items    int // that arrived, each counted once
	Missing  int // between the first and the last number that arrived
	Repeated int // arrived again
	Late     int // arrived after one with a higher number
	Wrong    int // differ from what was written
}

// sequence follows the numbers of one stream or series. The zero value has seen no number.
type sequence struct {
	last uint32
	seen uint64 // which of the 64 numbers up to last were seen; last is the lowest bit
}

// see counts the next number, which is above 0.
func (s *sequence) see(n uint32, c *count) {
	switch {
	case s.last == 0:
		s.last, s.seen = n, ^uint64(0) // numbers before the first one are not expected
	case n > s.last:
		by := n - s.last
		c.Missing += int(by - 1)
		s.last, s.seen = n, s.seen<<by|1
	default:
		bit := uint64(1) << (s.last - n) // 0 if n is too old to be remembered
		if bit == 0 || s.seen&bit != 0 {
			c.Repeated++
			return
		}
		s.seen |= bit
		c.Missing--
		c.Late++
	}
	c.Items++
}
