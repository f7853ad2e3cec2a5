package scrape

import "math"

// series is the state of a series that is not in the state of all: one that has times of
// its own, native histograms, exemplars or a start time, or stands on the page twice.
type series struct {
	last     int64         // time of its last sample, Unix milliseconds
	exemplar *exemplarMark // the last one that was sent; nil if none was
	seen     uint32        // the round that last showed it
	kind     kind          // of its last sample
	live     bool          // the sinks have a sample of it that asks for a staleness marker when it ends
	shared   bool          // by several lines
}

const never = math.MinInt64

// special is a line whose series has a state of its own.
type special struct {
	line       int
	series     *series
	start      startKey // the metric whose start time it shares; 0 if none is told
	tellsStart bool     // it is the series that tells that time
}

// ordinary says whether the series is in the state that all others have after a good
// round at that time.
func (s *special) ordinary(at int64) bool {
	one := s.series
	return one.last == at && one.live && one.kind == floatSample && one.exemplar == nil && !one.shared && s.start == 0
}

// mark appends a staleness marker if one is due, once.
func (s *series) mark(encoded [][]byte, at int64, out *blocks) {
	if !s.live {
		return
	}
	s.live = false
	if at <= s.last {
		return // the clock went back: backends would refuse it
	}
	s.last = at
	marker := s.kind.stale(at)
	out.point = marker.append(out.point[:0], 0)
	out.addPoint(encoded, false)
}
