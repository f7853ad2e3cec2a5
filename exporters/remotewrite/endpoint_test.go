package remotewrite_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
)

func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Tenant = "team-a"
		cfg.Headers = map[string]lighter.Secret{ // the protocol's own cannot be overridden
			"user-agent": "other", "Content-Type": "text/plain", "content-encoding": "gzip", "x-prometheus-remote-write-version": "2.0.0", "X-Extra": "yes"}
		e := mustNew(t, cfg)
		var tenant, extra, agent atomic.Value
		e.receiver.Respond(func(r *http.Request, _ []byte) (int, http.Header, string, bool) {
			tenant.Store(r.Header.Get("X-Scope-OrgID"))
			extra.Store(r.Header.Get("X-Extra"))
			agent.Store(r.Header.Get("User-Agent"))
			return 0, nil, "", false
		})
		stop := e.run(t)
		b := block(t, "api", 10, 1000)
		e.mustAppend(t, 7, b)
		clear(b.Body) // it is the caller's again
		time.Sleep(2 * time.Second)
		e.noViolations(t)
		if n := e.receiver.WriteStats().Samples; n != 10 {
			t.Errorf("%d samples arrived, want 10", n)
		}
		if tenant.Load() != "team-a" || extra.Load() != "yes" || agent.Load() != "lighter/test" {
			t.Errorf("tenant %v, extra %v, user agent %v", tenant.Load(), extra.Load(), agent.Load())
		}
		if st := e.Status(); st.Delivered != 10 || st.Waiting.Items != 0 || st.Waiting.Bytes != 0 || !st.Up || st.Name != "cloud" {
			t.Errorf("status %+v", st)
		}
		stop()
		late := block(t, "api", 1, 2000)
		if err := e.Append(context.Background(), 0, []lighter.Block{late}); err == nil || errors.Is(err, remotewrite.ErrClosed) {
			t.Errorf("Append of a block that is not packed: %v, want an error that says so", err)
		}
		late.Body = e.AppendPacked(nil, late)
		if err := e.Append(context.Background(), 0, []lighter.Block{late}); !errors.Is(err, remotewrite.ErrClosed) {
			t.Errorf("Append after the end: %v, want ErrClosed", err)
		}
	})
}

// TestOrder: whatever the backend does, the samples of a target arrive in order and once, and so do those
// of the other shards.
func TestOrder(t *testing.T) {
	for name, respond := range map[string]func() receiver.Respond{
		"works": func() receiver.Respond { return nil },
		"fails every second time": func() receiver.Respond {
			var n atomic.Int64
			return func(*http.Request, []byte) (int, http.Header, string, bool) {
				return http.StatusServiceUnavailable, nil, "try later", n.Add(1)%2 == 1
			}
		},
		"cuts connections": func() receiver.Respond {
			var n atomic.Int64
			return func(*http.Request, []byte) (int, http.Header, string, bool) {
				if n.Add(1)%3 == 0 {
					panic(http.ErrAbortHandler)
				}
				return 0, nil, "", false
			}
		},
		"slow": func() receiver.Respond {
			return func(*http.Request, []byte) (int, http.Header, string, bool) {
				time.Sleep(3 * time.Second)
				return 0, nil, "", false
			}
		},
		"asks to wait": func() receiver.Respond {
			var n atomic.Int64
			return func(*http.Request, []byte) (int, http.Header, string, bool) {
				return http.StatusTooManyRequests, http.Header{"Retry-After": {"20"}}, "slow down", n.Add(1) == 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := mustNew(t, testConfig())
				e.receiver.Respond(respond())
				stop := e.run(t)
				const rounds, targets = 20, 6
				var want []int64
				for round := range int64(rounds) {
					for target := range uint64(targets) {
						e.mustAppend(t, target, block(t, fmt.Sprint("job", target), 50, 1000+round))
					}
					want = append(want, 1000+round)
					time.Sleep(500 * time.Millisecond)
				}
				time.Sleep(10 * time.Minute)
				stop()
				e.noViolations(t)
				for target := range targets {
					if diff := cmp.Diff(want, e.times(fmt.Sprint("job", target))); diff != "" {
						t.Errorf("target %d (-want +got):\n%s", target, diff)
					}
				}
				if st := e.Status(); st.Delivered != rounds*targets*50 || len(st.Dropped) > 0 || st.Waiting.Bytes != 0 {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

func TestRequestsAreFilled(t *testing.T) {
	for name, tc := range map[string]struct {
		perSend int
		blocks  []int
		want    []int // samples of the requests
		within  time.Duration
	}{
		"small blocks go together, after a moment":    {2000, []int{10, 10, 10}, []int{30}, 50 * time.Millisecond},
		"a full request goes at once":                 {100, []int{50, 50}, []int{100}, 0},
		"no request is over the limit":                {100, []int{60, 60, 60}, []int{60, 60, 60}, time.Second},
		"a block over the limit is cut":               {100, []int{250}, []int{100, 100, 50}, time.Second},
		"a block over the limit is cut, to the point": {1, []int{3}, []int{1, 1, 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.SamplesPerSend = tc.perSend
				e := mustNew(t, cfg)
				var mu sync.Mutex
				var got []int
				sent := func() []int {
					mu.Lock()
					defer mu.Unlock()
					return slices.Clone(got)
				}
				e.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
					req, err := receiver.DecodeWrite(body)
					if err != nil {
						t.Error(err)
						return 0, nil, "", false
					}
					mu.Lock()
					defer mu.Unlock()
					got = append(got, len(req.Timeseries))
					return 0, nil, "", false
				})
				stop := e.run(t)
				defer stop()
				synctest.Wait()
				start := time.Now()
				var blocks []lighter.Block
				for i, n := range tc.blocks {
					blocks = append(blocks, block(t, "api", n, int64(1000+i)))
				}
				e.mustAppend(t, 0, blocks...)
				synctest.Wait()
				for len(sent()) < len(tc.want) && time.Since(start) < time.Minute {
					time.Sleep(10 * time.Millisecond)
					synctest.Wait()
				}
				if diff := cmp.Diff(tc.want, sent()); diff != "" {
					t.Errorf("samples of the requests (-want +got):\n%s", diff)
				}
				if took := time.Since(start); took != tc.within {
					t.Errorf("sent after %s, want %s", took, tc.within)
				}
				e.noViolations(t)
			})
		})
	}
}

func TestFullBufferDropsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.BufferBytes = 20_000
		cfg.SamplesPerSend = 100
		e := mustNew(t, cfg)
		e.receiver.Respond(always(http.StatusServiceUnavailable, "down"))
		stop := e.run(t)
		const rounds = 500
		for round := range int64(rounds) {
			e.mustAppend(t, uint64(round%2), block(t, fmt.Sprint("job", round%2), 100, 1000+round))
			if b := e.Status().Waiting.Bytes; b > cfg.BufferBytes {
				t.Fatalf("%d bytes wait, over the limit of %d", b, cfg.BufferBytes)
			}
			time.Sleep(10 * time.Millisecond)
		}
		e.receiver.Respond(nil)
		time.Sleep(time.Minute)
		e.noViolations(t)
		st := e.Status()
		lost := st.Dropped["buffer_full"]
		if lost == 0 || st.Delivered+lost != rounds*100 || st.Waiting.Items != 0 {
			t.Errorf("status %+v: sent and lost must be %d together", st, rounds*100)
		}
		for job := range int64(2) {
			times := e.times(fmt.Sprint("job", job))
			if last := times[len(times)-1]; last != 1000+rounds-2+job {
				t.Errorf("job %d: the last sample is of %d: the newest must stay", job, last)
			}
		}
		if got := e.dropped(t, "buffer_full"); got != lost {
			t.Errorf("%d dropped, want %d", got, lost)
		}
		if n := strings.Count(e.log.String(), "the buffer is full"); n != 1 {
			t.Errorf("the full buffer is logged %d times, want once", n)
		}
		stop()
	})
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct{ answer, reason string }{
		"Prometheus, order":    {"out of order sample", "out_of_order"},
		"Prometheus, twice":    {"duplicate sample for timestamp", "duplicate"},
		"Prometheus, old":      {"out of bounds", "too_old"},
		"Mimir, order":         {"the sample has been rejected because another sample with a more recent timestamp has already been ingested and out-of-order samples are not allowed (err-mimir-sample-out-of-order)", "out_of_order"},
		"Mimir, twice":         {"(err-mimir-sample-duplicate-timestamp)", "duplicate"},
		"Mimir, old":           {"the sample has been rejected because its timestamp is too old (err-mimir-sample-timestamp-too-old)", "too_old"},
		"Mimir, ahead":         {"received a sample whose timestamp is too far in the future (err-mimir-too-far-in-future)", "too_new"},
		"Mimir, series":        {"per-user series limit of 10000 exceeded (err-mimir-max-series-per-user)", "limit"},
		"Mimir, labels":        {"received a series with an invalid label: 'a.b'", "labels"},
		"anything else":        {"no", "other"},
		"the status' name":     {"Bad Request\n", "other"},
		"bytes, and much text": {strings.Repeat("\x00\xff", 10_000), "other"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := mustNew(t, testConfig())
				e.receiver.Respond(always(http.StatusBadRequest, tc.answer))
				stop := e.run(t)
				e.mustAppend(t, 0, block(t, "api", 10, 1000))
				time.Sleep(2 * time.Second)
				e.receiver.Respond(nil)
				e.mustAppend(t, 0, block(t, "api", 10, 2000))
				time.Sleep(2 * time.Second)
				stop()
				if got := e.dropped(t, tc.reason); got != 10 {
					t.Errorf("%v samples are dropped as %s, want 10", got, tc.reason)
				}
				if diff := cmp.Diff([]int64{2000}, e.times("api")); diff != "" {
					t.Errorf("what came after the refusal (-want +got):\n%s", diff)
				}
				if st := e.Status(); st.Delivered != 10 || st.Dropped[tc.reason] != 10 {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

// TestTooLarge: a 413 halves a request until it is accepted, in order. A single small sample cannot be too
// large, and waits.
// large, and waits.
func TestTooLarge(t *testing.T) {
	for name, tc := range map[string]struct{ most, taken int }{
		"seven at a time": {7, 100}, "one at a time": {1, 100}, "none": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := mustNew(t, testConfig())
				e.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
					req, err := receiver.DecodeWrite(body)
					if err != nil {
						t.Error(err)
					}
					return http.StatusRequestEntityTooLarge, nil, "too large", len(req.Timeseries) > tc.most
				})
				stop := e.run(t)
				for round := range int64(10) {
					e.mustAppend(t, 0, block(t, "api", 10, 1000+round))
				}
				time.Sleep(time.Minute)
				if st := e.Status(); st.Delivered != int64(tc.taken) || st.Waiting.Items != 100-tc.taken || len(st.Dropped) != 0 {
					t.Errorf("status %+v, want %d samples delivered and the others to wait", st, tc.taken)
				}
				if err := e.Err(); (err == nil) != (tc.taken == 100) || err != nil && !strings.Contains(err.Error(), "client_max_body_size") {
					t.Errorf("ready: %v, want it to say what to do about what waits", err)
				}
				stop()
				e.noViolations(t)
				if got := e.receiver.WriteStats().Samples; got != tc.taken {
					t.Errorf("%d samples arrived, want %d", got, tc.taken)
				}
			})
		})
	}
}

func TestEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		respond receiver.Respond
		sent    int64
		took    time.Duration
	}{
		"what waits is sent at once": {nil, 1000, 0},
		"a backend that is away":     {always(http.StatusBadGateway, "away"), 0, 5 * time.Second},
		"a black hole": {func(r *http.Request, _ []byte) (int, http.Header, string, bool) {
			<-r.Context().Done()
			return 0, nil, "", true
		}, 0, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := mustNew(t, testConfig())
				e.receiver.Respond(tc.respond)
				stop := e.run(t)
				for round := range int64(100) {
					e.mustAppend(t, uint64(round%8), block(t, fmt.Sprint("job", round%8), 10, 1000+round))
				}
				start := time.Now()
				stop()
				if took := time.Since(start); took != tc.took {
					t.Errorf("the end took %s, want %s", took, tc.took)
				}
				e.noViolations(t)
				if st := e.Status(); st.Delivered != tc.sent || st.Dropped["shutdown"] != 1000-tc.sent || st.Waiting.Items != 0 {
					t.Errorf("status %+v, want %d sent and the others lost", st, tc.sent)
				}
				if got := e.dropped(t, "shutdown"); got != 1000-tc.sent {
					t.Errorf("%d counted as dropped, want %d", got, 1000-tc.sent)
				}
			})
		})
	}
}

func TestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.MetadataInterval = 10 * time.Second
		e := mustNew(t, cfg)
		var families []int
		e.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			req, err := receiver.DecodeWrite(body)
			if err != nil {
				t.Error(err)
			}
			families = append(families, len(req.Metadata))
			return 0, nil, "", false
		})
		var all []lighter.Metadata
		for i := range 1100 {
			all = append(all, lighter.Metadata{Family: fmt.Sprintf("family_%d", i), Type: "counter", Help: "what it is", Unit: "seconds"})
		}
		e.Metadata(all)
		stop := e.run(t)
		time.Sleep(15 * time.Second)
		e.Metadata([]lighter.Metadata{{Family: "family_7", Type: "gauge", Help: "else"}})
		time.Sleep(10 * time.Second)
		stop()
		if diff := cmp.Diff([]int{500, 500, 100, 500, 500, 100}, families); diff != "" {
			t.Errorf("families of the requests (-want +got):\n%s", diff)
		}
		for family, want := range map[string]lighter.Metadata{
			"family_7": {Family: "family_7", Type: "gauge", Help: "else"}, "family_8": all[8]} {
			if got, _ := e.receiver.Metadata(family); got != want {
				t.Errorf("metadata %+v, want %+v", got, want)
			}
		}
		e.noViolations(t)
		if st := e.Status(); st.Delivered != 0 || !st.Up {
			t.Errorf("status %+v: metadata is no sample", st)
		}
	})
}

// TestMetadataIsNotKept: metadata that could not be sent within an interval is dropped when the next is
// due, and samples are not delayed.
func TestMetadataIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.MetadataInterval = 10 * time.Second
		e := mustNew(t, cfg)
		var sent atomic.Int64
		e.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			req, err := receiver.DecodeWrite(body)
			if err != nil {
				t.Error(err)
			}
			if len(req.Metadata) > 0 {
				sent.Add(1)
			}
			return http.StatusServiceUnavailable, nil, "", len(req.Metadata) > 0
		})
		stop := e.run(t)
		e.Metadata([]lighter.Metadata{{Family: "a", Type: "counter"}})
		time.Sleep(time.Minute)
		e.receiver.Respond(nil)
		e.mustAppend(t, 0, block(t, "api", 1, 1000))
		time.Sleep(5 * time.Second)
		if e.receiver.WriteStats().Samples != 1 || sent.Load() == 0 {
			t.Errorf("%d samples arrived beside %d refused requests of metadata", e.receiver.WriteStats().Samples, sent.Load())
		}
		stop()
	})
}

func TestNoMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.SendMetadata = false
		e := mustNew(t, cfg)
		e.Metadata([]lighter.Metadata{{Family: "a"}})
		stop := e.run(t)
		time.Sleep(10 * time.Minute)
		stop()
		if n := e.receiver.Requests(); n != 0 {
			t.Errorf("%d requests, want none", n)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	o := mustNew(t, testConfig()).options
	o.Client = nil
	for name, change := range map[string]func(*remotewrite.Config){
		"no shards":         func(c *remotewrite.Config) { c.Shards = 0 },
		"nothing per send":  func(c *remotewrite.Config) { c.SamplesPerSend = 0 },
		"no buffer":         func(c *remotewrite.Config) { c.BufferBytes = 0 },
		"two kinds of auth": func(c *remotewrite.Config) { c.HTTP.BearerToken, c.HTTP.BearerTokenFile = "a", "b" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			change(&cfg)
			if _, err := remotewrite.New(cfg, o); err == nil || !strings.HasPrefix(err.Error(), "remote write cloud: ") {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestStatusHidesSecrets(t *testing.T) {
	cfg := testConfig()
	cfg.URL = "https://user:hidden@backend/push?token=hidden"
	e := mustNew(t, cfg)
	if got := e.Status().URL; got != "https://backend/push" {
		t.Errorf("URL %s", got)
	}
}

func TestMetricsLint(t *testing.T) {
	e := mustNew(t, testConfig())
	if problems, err := testutil.GatherAndLint(e.registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}
