package remotewrite_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/exporters/receiver"
)

// TestSpecification2 tests what 2.0 adds to 1.0.
func TestSpecification2(t *testing.T) {
	for sentence, test := range map[string]func(t *testing.T){
		"Symbols MUST start with the empty string and be deduplicated": func(t *testing.T) {
			s := &spy{}
			e := sent(t, versioned(2), s, func(e *endpoint) { e.mustAppend(t, 0, block(t, "api", 100, 1)) })
			e.noViolations(t) // the receiver looks for repeats
			if got := s.all()[0].symbols; got[0] != "" || len(got) != 1+5+100 {
				t.Errorf("%d symbols, the first %q; want the empty one, 5 of names and shared values, and 100 values", len(got), got[0])
			}
		},
		"labels_refs MUST be pairs, sorted; a TimeSeries MUST have samples or histograms and not both; exemplars MUST have value and time": func(t *testing.T) {
			s := &spy{}
			e := sent(t, versioned(2), s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
			e.checkFull(t, true, 1000) // the receiver looks for the rest
			req, err := receiver.DecodeWriteV2(s.all()[0].body)
			if err != nil || len(req.Timeseries) != 4 {
				t.Fatalf("err = %v, %d series", err, len(req.Timeseries))
			}
			for _, ts := range req.Timeseries {
				if len(ts.LabelsRefs)%2 != 0 || (len(ts.Samples) == 0) == (len(ts.Histograms) == 0) {
					t.Errorf("series %+v", ts)
				}
			}
		},
		"SHOULD send metadata with the series": func(t *testing.T) {
			s := &spy{}
			e := sent(t, versioned(2), s, func(e *endpoint) {
				e.Metadata([]lighter.Metadata{{Family: "http_requests", Type: "counter", Help: "what was asked"}, {Family: "latency", Type: "histogram", Unit: "seconds"}})
				e.mustAppend(t, 0, fullBlock(t, 1000))
				time.Sleep(30 * time.Second)
				e.Metadata([]lighter.Metadata{{Family: "latency", Type: "histogram", Help: "now it has one", Unit: "seconds"}})
				e.mustAppend(t, 0, fullBlock(t, 2000))
			})
			e.checkFull(t, true, 1000)
			for metric, want := range map[string]lighter.Metadata{
				"http_requests_total": {Family: "http_requests_total", Type: "counter", Help: "what was asked"},
				"latency":             {Family: "latency", Type: "histogram", Help: "now it has one", Unit: "seconds"},
			} {
				if got, _ := e.receiver.Metadata(metric); got != want {
					t.Errorf("metadata %+v, want %+v", got, want)
				}
			}
			if _, ok := e.receiver.Metadata("size"); ok {
				t.Error("there is metadata of a series of which nothing is known")
			}
			if n := len(s.all()); n != 2 {
				t.Errorf("%d requests, want 2: metadata has none of its own", n)
			}
		},
		"start_timestamp SHOULD be sent for counters and histograms; 0 is unset": func(t *testing.T) {
			e := sent(t, versioned(2), &spy{}, func(e *endpoint) {
				e.mustAppend(t, 0, fullBlock(t, 1000))
				e.mustAppend(t, 0, block(t, "api", 1, 1000))
			})
			e.checkFull(t, true, 1000)
			if got := e.one(t, "metric").Samples; len(got) != 1 || got[0].Start != 0 {
				t.Errorf("samples without a start timestamp: %+v", got)
			}
		},
		"A 2xx without any Written header SHOULD be treated as 415": func(t *testing.T) {
			testFallback(t, func(_ int, r request) (int, http.Header, string) {
				if r.version() == "2.0.0" {
					return 204, nil, "" // a receiver of 1.0 that found nothing in it
				}
				return 0, nil, ""
			})
		},
		"On 415 MAY send 1.0: the Content-Type and the version change, and the choice is remembered": func(t *testing.T) {
			testFallback(t, func(_ int, r request) (int, http.Header, string) {
				if r.version() == "2.0.0" {
					return 415, nil, "unsupported media type"
				}
				return 0, nil, ""
			})
		},
		"SHOULD expect 400 for that from receivers of 1.x": func(t *testing.T) {
			testFallback(t, func(_ int, r request) (int, http.Header, string) {
				if r.version() == "2.0.0" {
					return 400, nil, "protobuf: wrong wire type"
				}
				return 0, nil, ""
			})
		},
		"A receiver that has shown to know 2.0 is sent 2.0 also after a 400": func(t *testing.T) {
			s := &spy{answer: func(n int, r request) (int, http.Header, string) {
				return []int{0, 400, 0}[min(n, 2)], nil, "what is this?"
			}}
			e := sent(t, versioned(2), s, func(e *endpoint) {
				for at := range int64(3) {
					e.mustAppend(t, 0, fullBlock(t, 1000+at))
					time.Sleep(10 * time.Second)
				}
			})
			if st := e.Status(); st.Version != 2 || st.Delivered != 8 || st.Dropped["other"] != 4 || len(s.all()) != 3 {
				t.Errorf("status %+v after %d requests", st, len(s.all()))
			}
		},
		"Partial writes with 4xx MUST NOT be sent again, and what was not written is lost": func(t *testing.T) {
			s := &spy{answer: func(int, request) (int, http.Header, string) {
				return 400, http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"1"}, "X-Prometheus-Remote-Write-Histograms-Written": {"2"}, "X-Prometheus-Remote-Write-Exemplars-Written": {"1"}}, "out of order"
			}}
			e := sent(t, versioned(2), s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
			if st := e.Status(); len(s.all()) != 1 || st.Delivered != 3 || st.Dropped["out_of_order"] != 1 {
				t.Errorf("status %+v after %d requests", st, len(s.all()))
			}
			for kind, want := range map[string]float64{"samples": 1, "histograms": 2, "exemplars": 1} {
				if got := e.counter(t, "lighter_endpoint_written_total", "kind", kind); got != want {
					t.Errorf("%v %s count as written, want %v", got, kind, want)
				}
			}
		},
		"A 2xx that has written nothing is no success": func(t *testing.T) {
			s := &spy{answer: func(int, request) (int, http.Header, string) {
				return 204, http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"0"}, "X-Prometheus-Remote-Write-Histograms-Written": {"0"}}, ""
			}}
			sent(t, versioned(2), s, func(e *endpoint) {
				for at := range int64(7) {
					e.mustAppend(t, 0, fullBlock(t, 1000+at))
					time.Sleep(11 * time.Second)
				}
				if st := e.Status(); len(s.all()) != 7 || st.Version != 2 || st.Delivered != 0 || st.Dropped["not_written"] != 28 || st.Up {
					t.Errorf("status %+v after %d requests", st, len(s.all()))
				}
				if err := e.Err(); err == nil || !strings.Contains(err.Error(), "stored nothing") {
					t.Errorf("ready after a minute: %v", err)
				}
			})
		},
		"A web page in the receiver's place says nothing of what it knows": func(t *testing.T) {
			s := &spy{answer: func(n int, _ request) (int, http.Header, string) {
				return []int{200, 400, 0}[min(n, 2)], http.Header{"Content-Type": {"text/html"}}, "<html>"
			}}
			e := sent(t, versioned(2), s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
			if st := e.Status(); st.Version != 2 || st.Delivered != 4 || len(s.all()) != 3 {
				t.Errorf("status %+v after %d requests", st, len(s.all()))
			}
		},
		"Partial writes with 5xx and 429 are sent again whole": func(t *testing.T) {
			for _, status := range []int{500, 429} {
				s := &spy{answer: func(n int, _ request) (int, http.Header, string) {
					return []int{status, 0}[min(n, 1)], http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"1"}}, ""
				}}
				testRetry(t, 2, s, 2)
			}
		},
		"413 is split, each part with the symbols it needs": func(t *testing.T) {
			s := &spy{answer: func(_ int, r request) (int, http.Header, string) {
				if r.series > 7 {
					return 413, nil, "too large"
				}
				return 0, nil, ""
			}}
			e := sent(t, versioned(2), s, func(e *endpoint) { e.mustAppend(t, 0, block(t, "api", 100, 1)) })
			e.noViolations(t)
			if n := e.receiver.WriteStats().Samples; n != 100 {
				t.Errorf("%d samples arrived, want 100", n)
			}
			for _, r := range s.all() {
				if want := 1 + 5 + r.series; len(r.symbols) != want {
					t.Errorf("%d symbols for %d series, want %d", len(r.symbols), r.series, want)
				}
			}
		},
	} {
		t.Run("2.0: "+sentence, func(t *testing.T) { synctest.Test(t, test) })
	}
}

// testFallback: what a response shows to be unsupported is sent as 1.0, once, and so is everything that
// waits or follows.
func testFallback(t *testing.T, answer func(int, request) (int, http.Header, string)) {
	t.Helper()
	s := &spy{answer: answer}
	cfg := versioned(2)
	cfg.MetadataInterval = 10 * time.Second
	e := mustNew(t, cfg)
	for shard := range uint64(4) { // they wait before that is known
		e.mustAppend(t, shard, block(t, fmt.Sprint("job", shard), 3, 1000))
	}
	e.Metadata([]lighter.Metadata{{Family: "metric", Type: "gauge", Help: "h"}})
	e.receiver.Respond(s.respond)
	stop := e.run(t)
	time.Sleep(5 * time.Second)
	e.mustAppend(t, 0, fullBlock(t, 2000))
	time.Sleep(20 * time.Second)
	stop()
	e.checkFull(t, false, 2000)
	if n := e.receiver.WriteStats().Samples; n != 4*3+4 {
		t.Errorf("%d samples arrived, want %d", n, 4*3+4)
	}
	asV1 := false
	for i, r := range s.all() {
		if r.version() == "2.0.0" {
			if asV1 && i > 7 {
				t.Errorf("request %d is 2.0: the choice was not remembered", i)
			}
			continue
		}
		asV1 = true
		if got := r.header.Get("Content-Type"); r.version() != "0.1.0" || got != "application/x-protobuf" {
			t.Errorf("request %d has version %s and type %s", i, r.version(), got)
		}
	}
	if st := e.Status(); st.Version != 1 || st.Delivered != 16 || len(st.Dropped) > 0 || !st.Up {
		t.Errorf("status %+v", st)
	}
	if _, told := e.receiver.Metadata("metric"); !told {
		t.Error("metadata is not sent as 1.0 has it")
	}
	if n := strings.Count(e.log.String(), "remote write 1.0 is sent from now on"); n != 1 {
		t.Errorf("it is logged %d times, want once", n)
	}
}

// TestFallbackIsConcurrent: shards that detect it at the same time send nothing twice.
func TestFallbackIsConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, versioned(2))
		e.receiver.Respond(func(r *http.Request, _ []byte) (int, http.Header, string, bool) {
			time.Sleep(time.Second)
			return 415, nil, "", r.Header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0"
		})
		stop := e.run(t)
		for shard := range uint64(4) {
			e.mustAppend(t, shard, block(t, fmt.Sprint("job", shard), 2000, 1000))
		}
		time.Sleep(time.Minute)
		stop()
		e.noViolations(t)
		if n := e.receiver.WriteStats().Samples; n != 8000 {
			t.Errorf("%d samples arrived, want 8000", n)
		}
	})
}
