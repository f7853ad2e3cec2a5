package e2e

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"

	"lighter/deploy/e2e/fault"
)

// target serves a page of series whose value is the number of the scrape.
type target struct {
	address string

	mu     sync.Mutex
	served []time.Time // when the response to scrape i+1 was written
}

const seriesOfTarget = 50

// target starts a target that the agents can reach. It ends with t.
func (c *chaos) target(t *testing.T) *target {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(c.gateway, "0"))
	must(t, err)
	served := &target{address: l.Addr().String()}
	srv := &http.Server{Handler: served, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }() // ends with Close
	t.Cleanup(func() { srv.Close() })
	return served
}

// ServeHTTP serves one scrape after the other.
func (s *target) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	n := len(s.served) + 1
	var page strings.Builder
	for i := range seriesOfTarget {
		fmt.Fprintf(&page, "scrape_number{series=\"%02d\"} %d\n", i, n)
	}
	_, _ = w.Write([]byte(page.String())) // if the scraper hung up, it is about to be killed
	s.served = append(s.served, time.Now())
}

// scrapes returns the number of scrapes that were served.
func (s *target) scrapes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.served)
}

// waitScraped waits for n more scrapes.
func (s *target) waitScraped(t *testing.T, n int) {
	t.Helper()
	had := s.scrapes()
	eventually(t, 2*time.Minute, func(context.Context) error {
		if have := s.scrapes(); have < had+n {
			return fmt.Errorf("%d scrapes, not %d", have-had, n)
		}
		return nil
	})
}

// everySecond configures an agent to scrape the target once a second and to read no logs.
func everySecond(s *target) agentOptions {
	return agentOptions{include: "nothing", env: []string{
		"LIGHTER_SCRAPE_TARGETS=" + s.address, "LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SCRAPE_TIMEOUT=1s"}}
}

// metricsKill kills the agent while the metrics backend is away. Every completed scrape must arrive
// afterwards.
func (c *chaos) metricsKill(t *testing.T) {
	s := c.target(t)
	v := c.victim(t, "metrics-kill", everySecond(s))
	s.waitScraped(t, 5)
	eventually(t, time.Minute, func(context.Context) error {
		if v.prom.Samples.Taken() == 0 {
			return fmt.Errorf("no sample arrived, of %d scrapes", s.scrapes())
		}
		return nil
	})
	must(t, v.prom.Refuse())
	for range span(c, 5, 3) {
		s.waitScraped(t, 3)
		pass(t, rand.N(2*time.Second))
		v.kill(t)
	}
	s.waitScraped(t, 3)
	must(t, v.prom.Open())
	s.waitScraped(t, 3)
	v.verifySamples(t, s)
}

// metricsAway60 refuses connections to the metrics backend for a minute.
func (c *chaos) metricsAway60(t *testing.T) {
	s := c.target(t)
	v := c.victim(t, "metrics-away60", everySecond(s))
	s.waitScraped(t, 5)
	must(t, v.prom.Refuse())
	pass(t, span(c, 60*time.Second, 8*time.Second))
	must(t, v.prom.Open())
	s.waitScraped(t, 5)
	v.verifySamples(t, s)
}

// verifySamples checks that each series has the number of every scrape, in order of time, and none twice
// except those that were not acknowledged before a death. The last scrape before a death may be missing
// although it was served.
func (v *victim) verifySamples(t *testing.T, s *target) {
	t.Helper()
	scrapes := s.scrapes()
	excuse := make(map[int]bool)
	s.mu.Lock()
	for _, death := range v.deaths {
		n := 0
		for n < len(s.served) && s.served[n].Before(death.ended) {
			n++
		}
		excuse[n] = true
	}
	s.mu.Unlock()
	var o outcome
	var missing []int
	count := func() {
		o, missing = outcome{written: scrapes * seriesOfTarget}, nil
		all := v.prom.Samples.Series()
		found := 0
		for name, samples := range all {
			o.samples(samples, v.deaths)
			if o.disordered+o.changed+o.late > 0 && o.first == "" {
				o.first = name
			}
			if !strings.Contains(name, `__name__="scrape_number"`) {
				continue
			}
			found++
			have := make(map[int]bool, len(samples))
			for _, one := range samples {
				if !value.IsStaleNaN(one.Value) {
					have[int(one.Value)] = true
				}
			}
			for n := 1; n <= scrapes; n++ {
				switch {
				case have[n]:
					o.delivered++
				case excuse[n]:
					o.written--
				default:
					o.lost++
					if !slices.Contains(missing, n) {
						missing = append(missing, n)
					}
				}
			}
		}
		o.lost += (seriesOfTarget - found) * scrapes
	}
	_ = poll(t.Context(), time.Minute, func(context.Context) error {
		if count(); o.lost > 0 {
			return fmt.Errorf("%d samples are missing", o.lost)
		}
		return nil
	})
	v.stop(t)
	count()
	if len(missing) > 0 {
		slices.Sort(missing)
		o.first = fmt.Sprintf("of %d scrapes, these are missing: %v", scrapes, missing)
	}
	v.judge(t, o)
}

// samples counts the samples of a series that arrived again, that arrived after a later sample, and that
// differ from a sample of the same time.
func (o *outcome) samples(samples []fault.Sample, deaths []death) {
	have := make(map[int64]fault.Sample, len(samples))
	latest := int64(math.MinInt64)
	for _, s := range samples {
		before, again := have[s.Millis]
		switch {
		case again && s.Same(before):
			o.twice++
			if !excused(time.UnixMilli(before.At), deaths) {
				o.late++
			}
		case again:
			o.changed++
		case s.Millis < latest:
			o.disordered++
		}
		have[s.Millis] = s
		latest = max(latest, s.Millis)
	}
}
