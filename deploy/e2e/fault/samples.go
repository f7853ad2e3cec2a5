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

// Sample is a value of a series that was accepted.
type Sample struct {
	Millis int64 // its time
	Value  float64
	At     int64 // time of arrival in Unix milliseconds
}

// Same reports whether two samples are the same, whenever they arrived. All staleness markers are the same.
func (s Sample) Same(o Sample) bool {
	return s.Millis == o.Millis && math.Float64bits(s.Value) == math.Float64bits(o.Value)
}

// Samples contains the accepted samples by series. The zero value is ready to use.
type Samples struct {
	mu     sync.Mutex
	series map[string][]Sample // by labels, as labels.Labels prints them
	total  int
}

// take stores the samples of a request of remote write 1.0.
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

// Taken returns the number of samples that arrived; a sample that arrived twice counts twice.
func (s *Samples) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Series returns the samples by labels, in the order in which they arrived.
func (s *Samples) Series() map[string][]Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return view(s.series)
}
