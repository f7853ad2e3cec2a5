package scrape_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter"
	"lighter/collector/scrape"
)

// wire is a body that arrives in pieces of 64 KiB, a millisecond each. After a number of bytes the rest
// hangs or trickles.
type wire struct {
	request *http.Request
	left    int           // bytes that arrive at full speed
	every   time.Duration // time per byte after those; 0 means no more bytes
	ends    bool          // the body ends where it would hang
	sent    int
}

const lineOfPage = "# a line that nobody needs, as long as sixty-four characters are\n"

var linesOfPage = []byte(strings.Repeat(lineOfPage, 64<<10/len(lineOfPage)+2))

func (w *wire) Read(p []byte) (int, error) {
	n := min(w.left, len(p), 64<<10)
	switch {
	case n > 0:
		time.Sleep(time.Millisecond)
	case w.ends:
		return 0, io.EOF
	case w.every > 0:
		n = 1
		time.Sleep(w.every)
	default:
		<-w.request.Context().Done()
	}
	if err := w.request.Context().Err(); err != nil {
		return 0, err
	}
	w.left -= min(n, w.left)
	copy(p[:n], linesOfPage[w.sent%len(lineOfPage):])
	w.sent += n
	return n, nil
}

// sends responds to each request with a new body.
func sends(body func(*http.Request) io.Reader) site {
	return func(r *http.Request) (*http.Response, error) {
		resp := response(http.StatusOK, text, "")
		resp.Body = io.NopCloser(body(r))
		return resp, nil
	}
}

// pageOf returns a page of one sample with the given size.
func pageOf(size int) site {
	head := []byte("a 1\n")
	return sends(func(r *http.Request) io.Reader {
		rest := size - len(head)
		rest -= rest % len(lineOfPage)
		return io.MultiReader(bytes.NewReader(head), &wire{request: r, left: rest, ends: true})
	})
}

const endless = 1 << 40

// TestASlowTargetDelaysNoOther: whatever some targets send, the others are scraped in time.
func TestASlowTargetDelaysNoOther(t *testing.T) {
	for name, tc := range map[string]struct {
		targets int
		sends   int // bytes, then nothing
		every   time.Duration
	}{
		"one sends 1.2 MiB and stalls":               {1, 1200 << 10, 0},
		"17 send 1.2 MiB and stall":                  {17, 1200 << 10, 0},
		"60 send 1.2 MiB and stall":                  {60, 1200 << 10, 0},
		"17 send 5 MiB and stall":                    {17, 5 << 20, 0},
		"one sends 60 MiB and stalls":                {1, 60 << 20, 0},
		"17 send 3.7 MiB and a byte a millisecond":   {17, 3700 << 10, time.Millisecond},
		"17 send without end":                        {17, endless, 0},
		"200 send a little less than 1 MiB and stop": {200, 1000 << 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buffers := scrape.NewBuffers(scrape.PageMemory)
				var stops []func(error)
				start := func(network site, pairs ...string) *loop {
					l := mustNew(t, target(pairs...), testConfig(), network)
					l.Buffers = buffers
					stops = append(stops, l.run(t))
					return l
				}
				for i := range tc.targets {
					start(sends(func(r *http.Request) io.Reader {
						return &wire{request: r, left: tc.sends, every: tc.every}
					}), "__address__", fmt.Sprintf("hostile-%d:80", i))
				}
				most, watched := int64(0), make(chan struct{})
				go func() {
					defer close(watched)
					for range 40_000 {
						time.Sleep(time.Millisecond)
						most = max(most, buffers.InUse(t))
					}
				}()
				time.Sleep(10 * time.Second) // each of them has been requested by then
				healthy := map[string]*loop{
					"a page of 2 MiB a second":   start(pageOf(2<<20), "__scrape_interval__", "1s"),
					"a page of 20 KiB a second":  start(pageOf(20<<10), "__scrape_interval__", "1s"),
					"a page of 5 MiB in 15 s":    start(pageOf(5<<20), "__scrape_interval__", "15s"),
					"a page of 200 KiB in 200ms": start(pageOf(200<<10), "__scrape_interval__", "200ms"),
				}
				time.Sleep(30 * time.Second)
				for name, l := range healthy {
					up, down := 0, 0
					for _, s := range l.sink.take() {
						switch {
						case !strings.Contains(s.Series, `"up"`):
						case s.Value == "1":
							up++
						default:
							down++
						}
					}
					if down > 0 || up == 0 {
						t.Errorf("%s: up %d times and down %d times: %s", name, up, down, l.log)
					}
				}
				for _, stop := range stops {
					stop(nil)
				}
				if <-watched; most > scrape.PageMemory {
					t.Errorf("all pages together took %d bytes", most)
				}
			})
		})
	}
}

// TestTheLargestPage: a page of the largest allowed size is read if there is no other.
func TestTheLargestPage(t *testing.T) {
	for name, tc := range map[string]struct {
		size int
		want scrape.Status
	}{
		"the limit":     {64 << 20, scrape.Status{Health: scrape.Up, Samples: 1}},
		"above it":      {64<<20 + 65, scrape.Status{Health: scrape.Down, Err: "its page is larger than 67108864 bytes, the limit"}},
		"far above it":  {100 << 20, scrape.Status{Health: scrape.Down, Err: "its page is larger than 67108864 bytes, the limit"}},
		"without limit": {65 << 20, scrape.Status{Health: scrape.Down, Err: "its page is larger than the 64 MiB that all pages share while they are read: give the target fewer series, or serve them on several pages"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				if name == "without limit" {
					cfg.BodyLimit = 0
				}
				head := "a 1\n#"
				odd := (tc.size - len(head) - 1) % len(lineOfPage)
				head += strings.Repeat("x", odd) + "\n"
				page := sends(func(r *http.Request) io.Reader {
					return io.MultiReader(strings.NewReader(head), &wire{request: r, left: tc.size - len(head), ends: true})
				})
				l := mustNew(t, target(), cfg, page)
				stop := l.run(t)
				time.Sleep(40 * time.Second)
				stop(nil)
				if got := l.Status(); got.Health != tc.want.Health || got.Samples != tc.want.Samples || got.Err != tc.want.Err {
					t.Errorf("status %+v, want %+v", got, tc.want)
				}
			})
		})
	}
}

// TestManyLargePages: several well-behaved targets with large pages, more than there is room for, are
// scraped at the same moment. Their sizes are known, so each waits until others are complete.
func TestManyLargePages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buffers := scrape.NewBuffers(scrape.PageMemory)
		together := time.Now().Add(time.Minute)
		var loops []*loop
		var stops []func(error)
		for i := range 20 {
			page := pageOf(5 << 20)
			l := mustNew(t, target("__address__", fmt.Sprintf("api-%d:80", i)), testConfig(), site(func(r *http.Request) (*http.Response, error) {
				if now := time.Now(); now.After(together) {
					time.Sleep(time.Until(now.Truncate(10 * time.Second).Add(7 * time.Second)))
				}
				return page(r)
			}))
			l.Buffers = buffers
			loops = append(loops, l)
			stops = append(stops, l.run(t))
		}
		time.Sleep(3 * time.Minute)
		for _, stop := range stops {
			stop(nil)
		}
		for _, l := range loops {
			if got := l.log.String(); got != "" {
				t.Error(got)
			}
		}
	})
}

// TestAStopIsPrompt: a stop is prompt while a large page is being read.
func TestAStopIsPrompt(t *testing.T) {
	for name, cause := range map[string]error{"the agent stops": nil, "the target is gone": lighter.ErrGone} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buffers := scrape.NewBuffers(scrape.PageMemory)
				stuck := &stuckSink{entered: make(chan struct{}), leave: make(chan struct{})}
				busy := mustNew(t, target("__address__", "busy:80"), testConfig(), pageOf(2<<20), stuck)
				l := mustNew(t, target(), testConfig(), pageOf(2<<20))
				busy.Buffers, l.Buffers = buffers, buffers
				stop := l.run(t)
				time.Sleep(6 * time.Second)
				stopBusy := busy.run(t)
				<-stuck.entered // it has the turn of large pages, and does not give it back
				stopped := make(chan struct{})
				go func() {
					stop(cause)
					close(stopped)
				}()
				select {
				case <-stopped:
				case <-time.After(time.Second):
					t.Error("the loop has not ended after a second")
				}
				close(stuck.leave)
				<-stopped
				stopBusy(nil)
				if cause == nil {
					return
				}
				if got := l.sink.take(); len(got) == 0 || got[len(got)-1].Value != "stale" {
					t.Errorf("no staleness markers in %v", got)
				}
			})
		})
	}
}

// TestAPageThatGivesWaySaysSo: the error says that the target is not, or not solely, at fault.
func TestAPageThatGivesWaySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buffers := scrape.NewBuffers(scrape.PageMemory)
		slow := mustNew(t, target("__address__", "slow:80"), testConfig(), sends(func(r *http.Request) io.Reader {
			return &wire{request: r, left: 63 << 20}
		}))
		slow.Buffers = buffers
		stopSlow := slow.run(t)
		time.Sleep(7 * time.Second) // it has all the room by then
		l := mustNew(t, target("__scrape_interval__", "1s"), testConfig(), pageOf(3<<20))
		l.Buffers = buffers
		stop := l.run(t)
		time.Sleep(2 * time.Second)
		stop(nil)
		stopSlow(nil)
		if got := l.Status(); got.Health != scrape.Up {
			t.Errorf("status %+v", got)
		}
		got := slow.Status().Err
		if !strings.HasPrefix(got, "its page was given up for those of other targets: 66060288 bytes of it had come in ") || !strings.HasSuffix(got, ", and all pages share 64 MiB while they are read") {
			t.Errorf("error %q", got)
		}
		if n := counterOf(t, slow.registry, "lighter_scrapes_total", "no_room"); n != 1 {
			t.Errorf("lighter_scrapes_total{result=\"no_room\"} is %v, want 1", n)
		}
	})
}

// stuckSink blocks Append until it is released.
type stuckSink struct {
	recorder
	entered, leave chan struct{}
}

func (s *stuckSink) Append(context.Context, uint64, []lighter.Block) error {
	close(s.entered)
	<-s.leave
	return nil
}

func counterOf(tb testing.TB, reg *prometheus.Registry, name, result string) float64 {
	tb.Helper()
	all, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.Metric {
			if f.GetName() == name && m.Label[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
