package memo

import (
	"cmp"
	"math"
	"slices"
)

// State is the staleness state of one series. Nearly all series of a page are in the same state, which the
// Memo keeps once: the last valid page has shown them once, with its own time. A series gets an Exception
// if it has timestamps, native histograms, exemplars or a start time of its own, or appears on the page
// twice.
type State struct {
	Last     int64     // time of its last sample, Unix milliseconds
	Exemplar *Exemplar // the last one sent, or nil
	Kind     Kind      // of its last sample
	Live     bool      // the sinks have a sample that needs a staleness marker when the series ends

	seen   uint32 // the round that last showed it
	shared bool   // several lines show the series
}

// Never is the time of the last sample of a series that has none.
const Never = math.MinInt64

// Kind is the kind of a series' samples. A staleness marker has the kind of the last sample.
type Kind uint8

// The values of Kind.
const (
	Float Kind = iota
	IntHistogram
	FloatHistogram
)

// Exemplar identifies the last exemplar that was sent.
type Exemplar struct {
	Time  int64
	Value float64
	Hash  uint64 // of its labels
}

// StartKey identifies a metric whose page has a separate series for its start time. 0 is none.
type StartKey uint64

// Exception is a line whose series has a state of its own.
type Exception struct {
	*State
	Start      StartKey // the metric whose start time applies to the series; 0 if the page has none
	TellsStart bool     // the series is the one that has that start time

	line int
}

// ordinary reports whether the series is in the common state after a valid round at that time.
func (e *Exception) ordinary(at int64) bool {
	s := e.State
	return s.Last == at && s.Live && s.Kind == Float && s.Exemplar == nil && !s.shared && e.Start == 0
}

// findException returns the index where the exception of a line is, or would be inserted.
func findException(all []Exception, line int) (i int, found bool) {
	return slices.BinarySearchFunc(all, line, func(e Exception, line int) int { return cmp.Compare(e.line, line) })
}
