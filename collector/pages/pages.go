// Package pages serves pages of metrics that the process itself produces, such as its own, to a scrape
// loop, as targets serve theirs, but without a socket.
//
// Pages is the transport of the loop's HTTP client. The name of a page is the host of its address:
// http://lighter/metrics is the page that was added as "lighter", whatever the path. A page is produced on
// request and written while it is read, so that a large one is never in memory completely.
package pages

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Pages responds to requests for the pages that were added to it. It is safe for concurrent use.
type Pages struct {
	mu     sync.RWMutex
	byName map[string]http.Handler
}

// New returns Pages without a page.
func New() *Pages { return &Pages{byName: map[string]http.Handler{}} }

// Add adds the page of a gatherer, or replaces the page with that name. The gatherer must be safe for
// concurrent use.
func (p *Pages) Add(name string, g prometheus.Gatherer) { p.add(name, g, true) }

// AddText is Add for a page that is not served as OpenMetrics, which would add _total to the names of
// counters without it.
func (p *Pages) AddText(name string, g prometheus.Gatherer) { p.add(name, g, false) }

func (p *Pages) add(name string, g prometheus.Gatherer, openMetrics bool) {
	handler := promhttp.HandlerFor(g, promhttp.HandlerOpts{EnableOpenMetrics: openMetrics, DisableCompression: true})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byName[name] = handler
}

// Remove removes a page. A request in progress is completed.
func (p *Pages) Remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byName, name)
}

// RoundTrip performs a request. It returns when the page begins, or when the request's context ends. In the
// latter case it does not wait for the gatherer.
func (p *Pages) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close() // as RoundTripper requires
	}
	name := req.URL.Hostname()
	p.mu.RLock()
	handler := p.byName[name]
	p.mu.RUnlock()
	if handler == nil {
		return nil, fmt.Errorf("the agent has no page that is called %q", name)
	}
	ctx := req.Context()
	body, w := newWriter()
	go func() {
		handler.ServeHTTP(w, req)
		w.WriteHeader(http.StatusOK) // for an empty page
		_ = w.pipe.Close()
	}()
	select {
	case <-w.begun:
	case <-ctx.Done():
		_ = body.CloseWithError(ctx.Err())
		return nil, ctx.Err()
	}
	stop := context.AfterFunc(ctx, func() { _ = w.pipe.CloseWithError(ctx.Err()) })
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		Body:          &reader{body, stop},
		ContentLength: -1,
		Request:       req,
	}, nil
}

// writer is the http.ResponseWriter of a page. The goroutine that produces the page writes to it. Once
// begun is closed, status and sent do not change.
type writer struct {
	pipe   *io.PipeWriter
	header http.Header
	sent   http.Header
	status int
	begun  chan struct{}
}

func newWriter() (*io.PipeReader, *writer) {
	r, w := io.Pipe()
	return r, &writer{pipe: w, header: http.Header{}, begun: make(chan struct{})}
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	}
}

func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// reader is the body of a page. Closing it stops the writer.
type reader struct {
	*io.PipeReader
	stop func() bool // stops watching the request's context
}

func (r *reader) Close() error {
	r.stop()
	return r.PipeReader.Close()
}
