package demo

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/exporters/receiver"
)

// series is a series of the simulated API. Its value at scrape number n is n times step.
type series struct {
	comment            string // the line of the page before the series
	name, label, value string
	step               int
}

// pageSeries are the series of the page. The value of the first one is the number of the scrape, by
// which compare finds the samples of a scrape among those that arrived.
var pageSeries = []series{
	{"# TYPE shop_scrapes_total counter\n", "shop_scrapes_total", "", "", 1},
	{"# TYPE shop_orders_total counter\n", "shop_orders_total", "", "", 33},
	{"# TYPE http_requests_total counter\n", "http_requests_total", "status", "200", 97},
	{"", "http_requests_total", "status", "404", 2},
	{"", "http_requests_total", "status", "500", 1},
	{"# TYPE http_request_duration_seconds histogram\n", "http_request_duration_seconds_bucket", "le", "0.01", 40},
	{"", "http_request_duration_seconds_bucket", "le", "0.1", 90},
	{"", "http_request_duration_seconds_bucket", "le", "2.5", 99},
	{"", "http_request_duration_seconds_bucket", "le", "+Inf", 100},
	{"", "http_request_duration_seconds_sum", "", "", 7},
	{"", "http_request_duration_seconds_count", "", "", 100},
}

// String returns the series in the format of a page.
func (s series) String() string {
	if s.label == "" {
		return s.name
	}
	return fmt.Sprintf("%s{%s=%q}", s.name, s.label, s.value)
}

// samples returns the samples of the series that have arrived.
func (s series) samples(arrived *receiver.Server, container string) []receiver.Sample {
	matchers := []*labels.Matcher{matcher(model.MetricNameLabel, s.name), matcher("container", container)}
	if s.label != "" {
		matchers = append(matchers, matcher(s.label, s.value))
	}
	var all []receiver.Sample
	for _, found := range arrived.Series(matchers...) {
		all = append(all, found.Samples...)
	}
	return all
}

// page is the /metrics of the simulated API. It counts its scrapes.
type page struct {
	mu      sync.Mutex
	scrapes int
	counted int  // number of scrapes before close
	closed  bool // whether further scrapes are served without being counted
}

// ServeHTTP implements http.Handler.
func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	p.scrapes++
	n := p.scrapes
	if !p.closed {
		p.counted = n
	}
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, s := range pageSeries {
		fmt.Fprintf(w, "%s%s %d\n", s.comment, s, n*s.step)
	}
}

// close ends the counting. The samples of later scrapes need not arrive.
func (p *page) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

// count returns the number of scrapes before close.
func (p *page) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counted
}

// compare counts how many samples all counted scrapes have produced, and how many of them have arrived
// with the right values.
func (p *page) compare(arrived *receiver.Server, container string) Count {
	n := p.count()
	c := Count{Name: "samples", Produced: n * len(pageSeries)}
	scrapeAt := map[int64]int{} // number of a scrape by its time
	for _, s := range pageSeries[0].samples(arrived, container) {
		if number := int(s.Value); !s.Stale() && number <= n {
			scrapeAt[s.Time] = number
		}
	}
	for _, one := range pageSeries {
		for _, s := range one.samples(arrived, container) {
			if number, ok := scrapeAt[s.Time]; ok && s.Value == float64(number*one.step) {
				c.Delivered++
			}
		}
	}
	return c
}
