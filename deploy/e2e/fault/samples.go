package fault

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// Sample is a value of a series that was taken.
type Sample struct {
	Millis int64 // its time
	Value  float64
	At     int64 // when it came, Unix milliseconds
}

// Same reports whether two samples are the same, whenever they came. A staleness marker is
// the same as another.
func (s Sample) Same(o Sample) bool {
	return s.Millis == o.Millis && math.Float64bits(s.Value) == math.Float64bits(o.Value)
}

// Samples is the samples that were taken, by series. The zero value is ready to use.
type Samples struct {
	mu     sync.Mutex
	series map[string][]Sample // by labels, as labels.Labels prints them
	total  int
}

// take keeps the samples of a remote write 1.0.
func (s *Samples) take(body []byte) error {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return fmt.Errorf("write of %d bytes: %w", len(body), err)
	}
	var req prompb.WriteRequest
	if err := req.Unmarshal(raw); err != nil {
		return fmt.Errorf("write of %d bytes: %w", len(body), err)
	}
	now := time.Now().UnixMilli()
	b := labels.NewScratchBuilder(16)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.series == nil {
		s.series = make(map[string][]Sample)
	}
	for _, ts := range req.Timeseries {
		name := ts.ToLabels(&b, nil).String()
		for _, v := range ts.Samples {
			s.series[name] = append(s.series[name], Sample{v.Timestamp, v.Value, now})
			s.total++
		}
	}
	return nil
}

// Taken is how many samples have come, those that came twice counted twice.
func (s *Samples) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Series returns what has come, by labels, in the order in which it came.
func (s *Samples) Series() map[string][]Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return view(s.series)
}
