package gate

import (
	"fmt"
	"sync"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// Writes records remote writes of version 1.0. The zero value is ready to use.
type Writes struct {
	mu       sync.Mutex
	samples  map[sample]int // number of acknowledgements
	metadata map[string]string
	statuses map[int]int
	errs     []error
}

type sample struct {
	series string
	millis int64
}

// Record decodes a write and keeps its samples if the backend accepted them.
func (w *Writes) Record(path string, body []byte, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.samples == nil {
		w.samples, w.metadata, w.statuses = make(map[sample]int), make(map[string]string), make(map[int]int)
	}
	w.statuses[status]++
	if err := w.decode(body, status/100 == 2); err != nil {
		w.errs = append(w.errs, fmt.Errorf("write to %s: %w", path, err))
	}
}

func (w *Writes) decode(body []byte, taken bool) error {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return err
	}
	var req prompb.WriteRequest
	if err := req.Unmarshal(raw); err != nil {
		return err
	}
	if !taken {
		return nil
	}
	b := labels.NewScratchBuilder(16)
	for _, s := range req.Timeseries {
		series := s.ToLabels(&b, nil).String()
		for _, v := range s.Samples {
			w.samples[sample{series, v.Timestamp}]++
		}
	}
	for _, m := range req.Metadata {
		w.metadata[m.MetricFamilyName] = m.Type.String() + " " + m.Help
	}
	return nil
}

// Samples returns the number of acknowledged samples, and how many of them were acknowledged repeatedly.
func (w *Writes) Samples() (acknowledged, twice int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.samples {
		acknowledged++
		twice += n - 1
	}
	return acknowledged, twice
}

// Metadata returns the type and help text that were sent for a metric family, or "" if there were none.
func (w *Writes) Metadata(family string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.metadata[family]
}

// Statuses returns the number of responses by status.
func (w *Writes) Statuses() map[int]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[int]int, len(w.statuses))
	for status, n := range w.statuses {
		out[status] = n
	}
	return out
}

// Errors returns the errors of requests.
func (w *Writes) Errors() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errs
}
