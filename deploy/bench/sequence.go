package main

// count says what came of something that is numbered.
type count struct {
	Items    int // that came, each once
	Missing  int // of the numbers between the first and the last that came
	Repeated int // came again
	Late     int // came after one with a higher number
	Wrong    int // are not what was written
}

// sequence follows the numbers of one stream or series. The zero value has seen none.
type sequence struct {
	last uint32
	seen uint64 // of the 64 numbers up to last, that one in the lowest bit
}

// see takes the next number, which is above 0.
func (s *sequence) see(n uint32, c *count) {
	switch {
	case s.last == 0:
		s.last, s.seen = n, ^uint64(0) // what was before the first is not asked for
	case n > s.last:
		by := n - s.last
		c.Missing += int(by - 1)
		s.last, s.seen = n, s.seen<<by|1
	default:
		bit := uint64(1) << (s.last - n) // 0 for one that is older than is remembered
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
