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

// At the page's nth scrape, series i has the value n+1000·i, or an eighth of that if its family is a
// gauge. So every value changes with each scrape, half of the values are not integers, and the receiver can
// determine from a value to which scrape it belongs.
const (
	gaugeScale  = 8
	seriesScale = 1000
)

// routeLabel is the label whose value ends in the series' number.
const routeLabel = "route"

func isGauge(i int) bool { return i/familySeries%2 == 1 }

// familyOf returns the name of the metric to which series i belongs.
func familyOf(i int) string {
	if isGauge(i) {
		return fmt.Sprintf("bench_queue_%d_seconds", i/familySeries)
	}
	return fmt.Sprintf("bench_requests_%d_total", i/familySeries)
}

// scrapeOf returns the number of the scrape to which a value of series i belongs, or 0 if it belongs to none.
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

// page is the part of a page that does not change between scrapes: the text before each value.
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

// append appends the page of the nth scrape.
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

// scrapesPath returns the number of scrapes of each target.
const scrapesPath = "/scrapes"

// pages serves a page for many targets, which differ by their addresses.
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
		_ = json.NewEncoder(w).Encode(p.scrapes) // if the write fails, the client's JSON is incomplete
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
	_, _ = w.Write(buf) // if the client hangs up, the receiver reports a missing scrape
	p.mu.Lock()
	p.free = append(p.free, buf)
	p.mu.Unlock()
}

// runPages serves targets on loopback until stdin ends. It prints their addresses as JSON.
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

// untilEnd waits until ctx ends, the parent process closes stdin or exits, or serving fails.
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
