package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// familySeries is how many series of a page have the same name.
const familySeries = 50

// Series i of a page has the value number+1000·i at the page's numberth scrape, an eighth of
// that where the family is a gauge: so every value changes with each scrape, half of them are
// no integers, and the receiver can tell from a value which scrape it is of.
const (
	gaugeScale  = 8
	seriesScale = 1000
)

// routeLabel is the label whose value ends in the series' number.
const routeLabel = "route"

func isGauge(i int) bool { return i/familySeries%2 == 1 }

// familyOf names the metric that series i is of.
func familyOf(i int) string {
	if isGauge(i) {
		return fmt.Sprintf("bench_queue_%d_seconds", i/familySeries)
	}
	return fmt.Sprintf("bench_requests_%d_total", i/familySeries)
}

// scrapeOf returns which scrape a value of series i is of, 0 if of none.
func scrapeOf(i int, v float64) uint32 {
	if isGauge(i) {
		v *= gaugeScale
	}
	n := v - seriesScale*float64(i)
	if n < 1 || n > 1<<30 || n != float64(uint32(n)) {
		return 0
	}
	return uint32(n)
}

// page is what does not change between scrapes: the text before each value.
type page []string

func newPage(series int) page {
	p := make(page, series)
	for i := range p {
		var b strings.Builder
		if i%familySeries == 0 {
			kind := "counter"
			if isGauge(i) {
				kind = "gauge"
			}
			fmt.Fprintf(&b, "# HELP %s One of the families of a measured page.\n# TYPE %s %s\n", familyOf(i), familyOf(i), kind)
		}
		fmt.Fprintf(&b, `%s{method="GET",%s="/api/v1/orders/%d",status="200",zone="eu-central-1a"} `, familyOf(i), routeLabel, i)
		p[i] = b.String()
	}
	return p
}

// append appends the page as the nth scrape gets it.
func (p page) append(dst []byte, n int) []byte {
	for i, prefix := range p {
		dst = append(dst, prefix...)
		if v := n + seriesScale*i; isGauge(i) {
			dst = strconv.AppendFloat(dst, float64(v)/gaugeScale, 'f', -1, 64)
		} else {
			dst = strconv.AppendInt(dst, int64(v), 10)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// scrapesPath tells how many scrapes each target has had.
const scrapesPath = "/scrapes"

// pages serves a page to scrapers of many targets, which are told apart by their addresses.
type pages struct {
	page page

	mu      sync.Mutex
	scrapes map[string]int // by target
	free    [][]byte
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/metrics":
	case scrapesPath:
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = json.NewEncoder(w).Encode(p.scrapes) // who asks sees by the JSON whether it is whole
		return
	default:
		http.NotFound(w, r)
		return
	}
	p.mu.Lock()
	p.scrapes[r.Host]++
	n := p.scrapes[r.Host]
	var buf []byte
	if last := len(p.free) - 1; last >= 0 {
		buf, p.free = p.free[last], p.free[:last]
	}
	p.mu.Unlock()
	buf = p.page.append(buf[:0], n)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(buf)))
	_, _ = w.Write(buf) // who hung up is missing a scrape, and the receiver says so
	p.mu.Lock()
	p.free = append(p.free, buf)
	p.mu.Unlock()
}

// runPages serves targets on loopback until stdin ends. It says their addresses, as JSON.
func runPages(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("pages", flag.ContinueOnError)
	targets := f.Int("targets", 1, "how many")
	series := f.Int("series", 1000, "of each")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := &pages{page: newPage(*series), scrapes: map[string]int{}}
	srv := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	var addrs []string
	failed := make(chan error, *targets)
	for range *targets {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return errors.Join(err, srv.Close())
		}
		addrs = append(addrs, l.Addr().String())
		go func() { failed <- srv.Serve(l) }() // ends with Close
	}
	if err := json.NewEncoder(stdout).Encode(addrs); err != nil {
		return errors.Join(err, srv.Close())
	}
	return errors.Join(untilEnd(ctx, stdin, failed), srv.Close())
}

// untilEnd waits until ctx ends, the starter closes stdin or dies, or serving fails.
func untilEnd(ctx context.Context, stdin io.Reader, failed <-chan error) error {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		close(ended)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	case err := <-failed:
		return err
	}
	return nil
}
