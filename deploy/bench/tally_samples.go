package main

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter/exporters/receiver"
)

// sampleReport is what arrived of the pages.
type sampleReport struct {
	count
	Stale   int // staleness markers, which do not count as items
	Targets map[string]targetReport
}

// targetReport is the report of one page.
type targetReport struct {
	Series int
	First  uint32 // the latest of the series' first scrapes
	Last   uint32 // the earliest of the series' last scrapes
}

// sampleTally follows the series of the bench's pages and ignores those of the agents and of their
// scrapes.
type sampleTally struct {
	mu      sync.Mutex
	targets map[string]*pageTally // by instance
	names   []string              // of families, as far as they were needed
	sum     count
	stale   int
	errs    []string
}

// maxSeries is more than the number of series of a page.
const maxSeries = 1 << 20

// pageTally has the series of a page by their numbers.
type pageTally struct {
	series []sequence
	first  []uint32
}

func newSampleTally() *sampleTally { return &sampleTally{targets: map[string]*pageTally{}} }

// take reads a request of remote write 1.0.
func (t *sampleTally) take(h http.Header, body []byte) error {
	var req *prompb.WriteRequest
	err := fmt.Errorf("got a request of %s in %s, want remote write 1.0 in snappy", h.Get("Content-Type"), h.Get("Content-Encoding"))
	if h.Get("Content-Encoding") == "snappy" && !strings.Contains(h.Get("Content-Type"), "v2") {
		req, err = receiver.DecodeWrite(body)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.errs = append(t.errs, err.Error())
		return err
	}
	for i := range req.Timeseries {
		t.see(&req.Timeseries[i])
	}
	return nil
}

func (t *sampleTally) see(ts *prompb.TimeSeries) {
	var name, route, instance string
	for _, l := range ts.Labels {
		switch l.Name {
		case "__name__":
			name = l.Value
		case routeLabel:
			route = l.Value
		case "instance":
			instance = l.Value
		}
	}
	if !strings.HasPrefix(name, "bench_") {
		return
	}
	i, err := strconv.Atoi(route[strings.LastIndexByte(route, '/')+1:])
	if err != nil || i < 0 || i > maxSeries || name != t.family(i) {
		t.sum.Wrong += len(ts.Samples)
		return
	}
	p := t.targets[instance]
	if p == nil {
		p = &pageTally{}
		t.targets[instance] = p
	}
	for len(p.series) <= i {
		p.series, p.first = append(p.series, sequence{}), append(p.first, 0)
	}
	for _, s := range ts.Samples {
		if value.IsStaleNaN(s.Value) {
			t.stale++
			continue
		}
		n := scrapeOf(i, s.Value)
		if n == 0 {
			t.sum.Wrong++
			continue
		}
		if p.first[i] == 0 {
			p.first[i] = n
		}
		p.series[i].see(n, &t.sum)
	}
}

// family is familyOf, but remembers the names.
func (t *sampleTally) family(i int) string {
	for len(t.names) <= i/familySeries {
		t.names = append(t.names, familyOf(len(t.names)*familySeries))
	}
	return t.names[i/familySeries]
}

func (t *sampleTally) report() sampleReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := sampleReport{count: t.sum, Stale: t.stale, Targets: map[string]targetReport{}}
	for instance, p := range t.targets {
		one := targetReport{Last: math.MaxUint32}
		for i, s := range p.series {
			if s.last != 0 {
				one.Series++
				one.First, one.Last = max(one.First, p.first[i]), min(one.Last, s.last)
			}
		}
		r.Targets[instance] = one
	}
	return r
}

func (t *sampleTally) refused() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.errs...)
}
