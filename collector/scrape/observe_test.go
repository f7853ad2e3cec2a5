package scrape_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"lighter/collector/scrape"
)

// observed is an Observation without its labels, with the names as text.
type observed struct {
	Instance      string
	Interval      time.Duration
	Series, Added int
	Failed        bool
	Names         string
}

// observe runs a loop on a fake clock for the given number of scrapes, and returns what it reported.
func observe(t *testing.T, l *loop, scrapes int) (all []observed) {
	t.Helper()
	l.Observe = func(o scrape.Observation) {
		var names []string
		o.Names(func(name []byte) { names = append(names, string(name)) })
		all = append(all, observed{o.Labels.Get("instance"), o.Interval, o.Series, o.Added, o.Failed, strings.Join(names, " ")})
	}
	stop := l.run(t)
	time.Sleep(time.Duration(scrapes)*30*time.Second - time.Second)
	stop(nil)
	return all
}

// Each scrape reports how many series have a sample, including up and the like, and how many are new.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text,
			"a{x=\"1\"} 1\na{x=\"2\"} 1\nb 2\n",
			"a{x=\"1\"} 1\na{x=\"2\"} 1\nb 2\n",
			refused,
			"c{x=\"1\"} 1\na{x=\"2\"} 1\n",
			"broken{",
		))
		want := []observed{
			{"api:3000", 30 * time.Second, 8, 3, false, "a a b"},
			{"api:3000", 30 * time.Second, 8, 0, false, "a a b"},
			{"api:3000", 30 * time.Second, 5, 0, true, "a a b"},
			{"api:3000", 30 * time.Second, 7, 1, false, "c a"},
			{"api:3000", 30 * time.Second, 5, 0, true, "c a"},
		}
		if diff := cmp.Diff(want, observe(t, l, len(want))); diff != "" {
			t.Errorf("observations (-want +got):\n%s", diff)
		}
	})
}

func TestObserveProtobuf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "a_total"}, []string{"x"})
		c.WithLabelValues("1").Inc()
		c.WithLabelValues("2").Inc()
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "b"})
		reg.MustRegister(c, g)
		cfg := testConfig()
		cfg.NativeHistograms = true
		want := []observed{{"api:3000", 30 * time.Second, 8, 3, false, "a_total a_total b"}}
		if diff := cmp.Diff(want, observe(t, mustNew(t, target(), cfg, instrumented(reg)), 1)); diff != "" {
			t.Errorf("observations (-want +got):\n%s", diff)
		}
	})
}
