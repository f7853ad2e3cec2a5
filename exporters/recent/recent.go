// Package recent keeps the newest log lines and the last sample of each series in memory, for the status
// page of an agent without a backend.
//
// A Store takes batches like a Loki endpoint and blocks like a remote-write endpoint, and releases each at
// once. It keeps a limited number of the newest of both.
package recent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
)

// Limits of what is kept. Only the first maxLine bytes of a line are kept, so that all lines together stay
// below 2 MiB.
const (
	maxLines  = 1000
	maxLine   = 2 << 10
	maxSeries = 5000
)

// Line is a log line of a stream.
type Line struct {
	Time   time.Time
	Labels labels.Labels
	Text   string
}

// Sample is the last sample of a series.
type Sample struct {
	Time   time.Time
	Labels labels.Labels
	Value  float64
}

// Store keeps the newest lines and samples. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	lines   []Line // a ring once it is full
	next    int    // index of the oldest line of a full ring
	samples map[string]Sample
}

// New returns an empty Store.
func New() *Store { return &Store{samples: map[string]Sample{}} }

// Append keeps the newest lines of a batch and releases it.
func (s *Store) Append(_ context.Context, b *lighter.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range b.Entries[max(0, len(b.Entries)-maxLines):] {
		line := Line{time.Unix(0, e.Time).UTC(), b.Streams[e.Stream].Labels, string(e.Line[:min(len(e.Line), maxLine)])}
		if len(s.lines) < maxLines {
			s.lines = append(s.lines, line)
			continue
		}
		s.lines[s.next] = line
		s.next = (s.next + 1) % maxLines
	}
	return nil
}

// Run waits until ctx ends, because there is nothing to deliver.
func (s *Store) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Lines returns the newest lines, in order of arrival.
func (s *Store) Lines() []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Clone(s.lines[s.next:]), s.lines[:s.next]...)
}

// Sink returns the Store as an endpoint for package scrape.
func (s *Store) Sink() Sink { return Sink{s} }

// Sink keeps samples.
type Sink struct{ s *Store }

// AppendLabels appends all labels of a series.
func (Sink) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	one := prompb.TimeSeries{Labels: prompb.FromLabels(l, nil)}
	b, err := one.Marshal()
	if err != nil {
		return dst, false
	}
	return append(dst, b...), true
}

// Append keeps the last sample of each series, and forgets stale series.
func (k Sink) Append(_ context.Context, _ uint64, blocks []lighter.Block) error {
	for _, b := range blocks {
		var req prompb.WriteRequest
		if err := proto.Unmarshal(b.Body, &req); err != nil {
			return fmt.Errorf("decode a block of %d samples: %w", b.Samples, err)
		}
		k.s.keep(req.Timeseries)
	}
	return nil
}

// Metadata does nothing.
func (Sink) Metadata([]lighter.Metadata) {}

func (s *Store) keep(series []prompb.TimeSeries) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := labels.NewScratchBuilder(0)
	for _, one := range series {
		if len(one.Samples) == 0 {
			continue
		}
		last := one.Samples[len(one.Samples)-1]
		l := one.ToLabels(&b, nil)
		key := l.String()
		if value.IsStaleNaN(last.Value) {
			delete(s.samples, key)
			continue
		}
		if _, known := s.samples[key]; known || len(s.samples) < maxSeries {
			s.samples[key] = Sample{time.UnixMilli(last.Timestamp).UTC(), l, last.Value}
		}
	}
}

// Samples returns the last sample of each series, sorted by labels.
func (s *Store) Samples() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Sample, 0, len(s.samples))
	for _, one := range s.samples {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Sample) int { return strings.Compare(a.Labels.String(), b.Labels.String()) })
	return all
}
