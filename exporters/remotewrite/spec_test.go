package remotewrite_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// TestSpecification and TestSpecification2 have a test for each sentence of the two specifications about
// what a sender MUST or SHOULD do; collector/scrape tests when staleness markers are due. These tests apply
// to both versions.
func TestSpecification(t *testing.T) {
	both := map[string]func(t *testing.T, version int){
		"MUST send HTTP POST, snappy block, with the reserved headers, which users MUST NOT be able to override": func(t *testing.T, version int) {
			cfg := versioned(version)
			cfg.Headers = map[string]lighter.Secret{"user-agent": "x", "Content-Type": "text/plain", "content-encoding": "gzip", "x-prometheus-remote-write-version": "9"}
			s := &spy{}
			e := sent(t, cfg, s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
			want := http.Header{"User-Agent": {"lighter/test"}, "Content-Encoding": {"snappy"}, "Content-Type": {"application/x-protobuf"}, "X-Prometheus-Remote-Write-Version": {"0.1.0"}}
			if version == 2 {
				want.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
				want.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
			}
			for _, r := range s.all() {
				got := http.Header{}
				for name := range want {
					got[name] = r.header[name]
				}
				if diff := cmp.Diff(want, got); diff != "" || r.method != http.MethodPost {
					t.Errorf("%s, headers (-want +got):\n%s", r.method, diff)
				}
			}
			e.checkFull(t, version == 2, 1000)
		},
		"MUST ignore the response body on success": func(t *testing.T, version int) {
			s := &spy{answer: func(_ int, r request) (int, http.Header, string) {
				return 200, http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"4"}}, strings.Repeat("error: out of order sample ", 100_000)
			}}
			e := sent(t, versioned(version), s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
			if st := e.Status(); st.Delivered != 4 || len(s.all()) != 1 {
				t.Errorf("status %+v after %d requests", st, len(s.all()))
			}
		},
		"Labels MUST be sorted, MUST NOT repeat or be empty, SHOULD have legacy names, and be the complete set each time": func(t *testing.T, version int) {
			cfg := versioned(version)
			cfg.ExternalLabels = labels.FromStrings("zone", "eu", "environment", "dev", "job", "other")
			cfg.WriteRelabel = relabelRules(t)
			s := &spy{}
			e := sent(t, cfg, s, func(e *endpoint) {
				for at := range int64(3) {
					e.mustAppend(t, 0, labelled(t, e, at+1, labels.FromStrings("__name__", "a", "job", "api", "pod", "x")))
				}
			})
			e.noViolations(t)
			if got, want := e.one(t, "a"), labels.FromStrings("__name__", "a", "environment", "dev", "instance", "x", "job", "api", "zone", "eu"); !labels.Equal(got.Labels, want) || len(got.Samples) != 3 {
				t.Errorf("%d samples of %s, want 3 of %s", len(got.Samples), got.Labels, want)
			}
		},
		"Samples of a series MUST be sent in time order, and in parallel only those of different series": func(t *testing.T, version int) {
			inFlight, mu := map[string]bool{}, sync.Mutex{}
			e := mustNew(t, versioned(version))
			e.receiver.Respond(func(r *http.Request, body []byte) (int, http.Header, string, bool) {
				var here []string
				mu.Lock()
				for _, target := range targetsOf(t, r, body) {
					if inFlight[target] {
						t.Errorf("samples of %s are in flight twice", target)
					}
					inFlight[target] = true
					here = append(here, target)
				}
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				for _, target := range here {
					delete(inFlight, target)
				}
				return 0, nil, "", false
			})
			stop := e.run(t)
			for at := range int64(20) {
				for target := range uint64(8) {
					e.mustAppend(t, target, block(t, fmt.Sprint("job", target), 10, 1000+at))
				}
				time.Sleep(30 * time.Millisecond)
			}
			stop()
			e.noViolations(t)
			if n := e.receiver.WriteStats().Samples; n != 20*8*10 {
				t.Errorf("%d samples arrived, want %d", n, 20*8*10)
			}
		},
		"MUST retry 5xx, with backoff": func(t *testing.T, version int) {
			testRetry(t, version, &spy{answer: func(n int, _ request) (int, http.Header, string) {
				return []int{500, 502, 503, 504, 599, 0}[min(n, 5)], nil, ""
			}}, 6)
		},
		"MAY retry 429, and use Retry-After": func(t *testing.T, version int) {
			s := &spy{answer: func(n int, _ request) (int, http.Header, string) {
				return []int{429, 0}[min(n, 1)], http.Header{"Retry-After": {"30"}}, ""
			}}
			testRetry(t, version, s, 2)
			if all := s.all(); all[1].at.Sub(all[0].at) < 30*time.Second {
				t.Errorf("tried again after %s, asked was 30s", all[1].at.Sub(all[0].at))
			}
		},
		"MUST NOT retry 2xx": func(t *testing.T, version int) {
			for _, status := range []int{200, 202, 204} {
				s := &spy{answer: func(_ int, r request) (int, http.Header, string) {
					return status, http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"0"}}, ""
				}}
				sent(t, versioned(version), s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
				if n := len(s.all()); n != 1 {
					t.Errorf("%d requests after %d, want 1", n, status)
				}
			}
		},
		"MUST NOT retry 4xx that say that the samples are not accepted": func(t *testing.T, version int) {
			for _, status := range []int{400, 409, 422} {
				s := &spy{answer: func(_ int, r request) (int, http.Header, string) {
					return status, http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"0"}}, "out of order sample"
				}}
				e := sent(t, versioned(version), s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
				if n := len(s.all()); n != 1 || e.Status().Dropped["out_of_order"] != 4 {
					t.Errorf("%d requests after %d, status %+v", n, status, e.Status())
				}
			}
		},
		"Stale markers MUST be sent, as the NaN that they are": func(t *testing.T, version int) {
			e := sent(t, versioned(version), &spy{}, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
			if got := math.Float64bits(e.one(t, "gone").Samples[0].Value); got != 0x7ff0000000000002 {
				t.Errorf("the marker is %x", got)
			}
		},
		"Timestamps MUST be int64 milliseconds, values float64": func(t *testing.T, version int) {
			at := time.Date(2026, 7, 1, 12, 0, 0, 123_000_000, time.UTC).UnixMilli()
			e := sent(t, versioned(version), &spy{}, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, at)) })
			e.checkFull(t, version == 2, at)
		},
	}
	for sentence, test := range both {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprintf("%d.0: %s", version, sentence), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { test(t, version) })
			})
		}
	}
}

// testRetry: all of a full block arrives, after several requests that are the same except for
// Retry-Attempt, with pauses between them.
func testRetry(t *testing.T, version int, s *spy, requests int) {
	t.Helper()
	e := sent(t, versioned(version), s, func(e *endpoint) { e.mustAppend(t, 0, fullBlock(t, 1000)) })
	e.checkFull(t, version == 2, 1000)
	all := s.all()
	if len(all) != requests {
		t.Fatalf("%d requests, want %d", len(all), requests)
	}
	for i, r := range all[1:] {
		if !bytes.Equal(r.body, all[0].body) {
			t.Errorf("attempt %d has another body", i+1)
		}
		if got := r.header.Get("Retry-Attempt"); got != fmt.Sprint(i+1) {
			t.Errorf("attempt %d says %q", i+1, got)
		}
		if pause := r.at.Sub(all[i].at); pause < 200*time.Millisecond {
			t.Errorf("attempt %d comes after %s", i+1, pause)
		}
	}
	if st := e.Status(); st.Delivered != 4 || len(st.Dropped) > 0 {
		t.Errorf("status %+v", st)
	}
}
