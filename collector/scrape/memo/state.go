package memo

import (
	"cmp"
	"math"
	"slices"
)

// State is the staleness state of one series. Nearly all series of a page are in one state, which
// the Memo keeps once: the last good page has shown them once, at its own time. A series gets an
// Exception when it has timestamps, native histograms, exemplars or a start time of its own, or
// stands on the page twice.
type State struct {
	Last     int64     // time of its last sample, Unix milliseconds
	Exemplar *Exemplar // the last one that was sent; nil if none was
	Kind     Kind      // of its last sample
	Live     bool      // the sinks have a sample of it that asks for a staleness marker when it ends

	seen   uint32 // the round that last showed it
	shared bool   // by several lines
}

// Never is the time of the last sample of a series that has none.
const Never = math.MinInt64

// Kind is what the samples of a series are. A staleness marker is of the kind of the last sample.
type Kind uint8

// The values of Kind.
const (
	Float Kind = iota
	IntHistogram
	FloatHistogram
)

// Exemplar identifies an exemplar that was sent.
type Exemplar struct {
	Time  int64
	Value float64
	Hash  uint64 // of its labels
}

// StartKey identifies a metric whose start time a page tells in a series of its own. 0 is none.
type StartKey uint64

// Exception is a line whose series has a state of its own.
type Exception struct {
	*State
	Start      StartKey // the metric whose start time the series shares; 0 if none is told
	TellsStart bool     // it is the series that tells that time

	line int
}

// ordinary reports whether the series is in the state that all others have after a good round at
// that time.
func (e *Exception) ordinary(at int64) bool {
	s := e.State
	return s.Last == at && s.Live && s.Kind == Float && s.Exemplar == nil && !s.shared && e.Start == 0
}

// findException returns where the exception of a line is, or belongs.
func findException(all []Exception, line int) (i int, found bool) {
	return slices.BinarySearchFunc(all, line, func(e Exception, line int) int { return cmp.Compare(e.line, line) })
}
