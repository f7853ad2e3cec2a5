package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// said counts the written lines and the requests that they represent.
type said struct {
	mu       sync.Mutex
	count    count
	requests map[request]int
	buckets  [len(bounds) + 1]int
	sum      float64
}

// count is the response of /count.
type count struct {
	Lines  int  `json:"lines"`
	Stdout int  `json:"stdout"`
	Stderr int  `json:"stderr"`
	Empty  int  `json:"empty"`
	Last   int  `json:"last"` // number of the last line
	Done   bool `json:"done"` // no more lines will be written
	// Requests is the value of http_requests_total.
	Requests []requests `json:"requests"`
}

type request struct{ method, status string }

type requests struct {
	Method     string `json:"method"`
	StatusCode string `json:"status_code"`
	Count      int    `json:"count"`
}

// bounds are the histogram's buckets, in seconds.
var bounds = [...]float64{0.01, 0.05, 0.1, 0.5, 1}

func newSaid() *said {
	return &said{requests: map[request]int{
		{"GET", "200"}: 0, {"GET", "500"}: 0, {"POST", "200"}: 0, {"POST", "500"}: 0,
	}}
}

// add counts one written line as one served request.
func (s *said) add(l line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Lines++
	s.count.Last = l.seq
	if l.stderr {
		s.count.Stderr++
	} else {
		s.count.Stdout++
	}
	if l.empty {
		s.count.Empty++
	}
	r := request{"GET", "200"}
	if l.seq%4 == 0 {
		r.method = "POST"
	}
	if l.level == "error" {
		r.status = "500"
	}
	s.requests[r]++
	took := float64(l.seq%200) / 100
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	s.buckets[i]++
	s.sum += took
}

func (s *said) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Done = true
}

// snapshot returns the current count.
func (s *said) snapshot() count {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.count
	for _, r := range sorted(s.requests) {
		c.Requests = append(c.Requests, requests{r.method, r.status, s.requests[r]})
	}
	return c
}

// handler serves /metrics and /count.
func handler(s *said, series int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, s.metrics(series)) // the scraper may have hung up
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(s.snapshot()); err != nil {
			fmt.Fprintln(w, err)
		}
	})
	return mux
}
