package scrape_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/scrape"
)

// goOn ends a loop as a change of its settings does. It then runs a new loop with what the old one
// remembered until the new one has scraped times.
func (l *loop) goOn(t *testing.T, stop func(error), cfg scrape.Config, pages site, times int, sinks ...scrape.Sink) {
	t.Helper()
	stop(nil)
	next := mustNew(t, target(), cfg, pages, sinks...)
	next.TakeOver(l.Memory())
	stop = next.run(t)
	time.Sleep(cfg.Interval*time.Duration(times-1) + cfg.Interval*6/10)
	stop(nil)
}

// values returns the values of each series of the samples, by the series' name.
func values(samples []sample) map[string][]string {
	all := map[string][]string{}
	for _, s := range samples {
		name := s.Series[len(`{__name__="`):]
		name = name[:slices.Index([]byte(name), '"')]
		all[name] = append(all[name], s.Value)
	}
	maps.DeleteFunc(all, func(name string, _ []string) bool {
		return name == "scrape_duration_seconds" || name == "scrape_samples_scraped" || name == "scrape_samples_post_metric_relabeling"
	})
	return all
}

// TestHandover: a loop that takes over from another one of the same target marks as stale what the target
// no longer shows, for the sinks that have it, and nothing else.
func TestHandover(t *testing.T) {
	type sinks = map[string]map[string][]string // what each sink gets of each series
	rename := &relabel.Config{Action: relabel.Replace, SourceLabels: model.LabelNames{"__name__"}, Separator: ";", Regex: relabel.MustNewRegexp("a"),
		TargetLabel: "__name__", Replacement: "renamed", NameValidationScheme: model.LegacyValidation}
	for name, tc := range map[string]struct {
		sinks  string // of the second loop; those of the first are a and b
		change func(*scrape.Config)
		page   string
		want   sinks
	}{
		"another interval": {"ab", func(c *scrape.Config) { c.Interval = time.Minute }, "a 3\nb 4\n", sinks{
			"a": {"a": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"0"}},
			"b": {"a": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"0"}}}},
		"a series comes and one goes": {"ab", nil, "a 3\nc 4\n", sinks{
			"a": {"a": {"3"}, "b": {"stale"}, "c": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}},
			"b": {"a": {"3"}, "b": {"stale"}, "c": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}}}},
		"another rule": {"ab", func(c *scrape.Config) { c.MetricRelabel = []*relabel.Config{rename} }, "# TYPE a gauge\na 3\nb 4\n", sinks{
			"a": {"a": {"stale"}, "renamed": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}},
			"b": {"a": {"stale"}, "renamed": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}}}},
		"another sink": {"bc", nil, "a 3\nc 4\n", sinks{
			"b": {"a": {"3"}, "b": {"stale"}, "c": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}},
			"c": {"a": {"3"}, "c": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}}}},
		"another sink and another rule": {"bc", func(c *scrape.Config) { c.MetricRelabel = []*relabel.Config{rename} }, "a 3\nb 4\n", sinks{
			"b": {"a": {"stale"}, "renamed": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}},
			"c": {"renamed": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"1"}}}},
		"another sink of the same name": {"aB", nil, "a 3\n", sinks{
			"a": {"a": {"3"}, "b": {"stale"}, "up": {"1"}, "scrape_series_added": {"0"}},
			"B": {"a": {"3"}, "b": {"stale"}, "up": {"1"}, "scrape_series_added": {"0"}}}},
		"other sinks": {"cd", nil, "a 3\nb 4\n", sinks{
			"c": {"a": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"0"}},
			"d": {"a": {"3"}, "b": {"4"}, "up": {"1"}, "scrape_series_added": {"0"}}}},
		"the same in another order": {"ba", nil, "a 3\n", sinks{
			"a": {"a": {"3"}, "b": {"stale"}, "up": {"1"}, "scrape_series_added": {"0"}},
			"b": {"a": {"3"}, "b": {"stale"}, "up": {"1"}, "scrape_series_added": {"0"}}}},
		"a broken page": {"ac", nil, "broken{", sinks{
			"a": {"a": {"stale"}, "b": {"stale"}, "up": {"0"}, "scrape_series_added": {"0"}},
			"c": {"up": {"0"}, "scrape_series_added": {"0"}}}},
		"no page": {"ac", nil, refused, sinks{
			"a": {"a": {"stale"}, "b": {"stale"}, "up": {"0"}, "scrape_series_added": {"0"}},
			"c": {"up": {"0"}, "scrape_series_added": {"0"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := map[string]*recorder{"a": {}, "b": {name: "b"}, "B": {name: "b"}, "c": {}, "d": {}}
				cfg := testConfig()
				first := mustNew(t, target(), cfg, pages(text, "# TYPE a gauge\na 1\nb 2\n"), all["a"], all["b"])
				stop := first.run(t)
				time.Sleep(time.Minute)
				for _, r := range all {
					r.take()
					r.metadata = nil
				}
				if tc.change != nil {
					tc.change(&cfg)
				}
				var to []scrape.Sink
				for _, name := range tc.sinks {
					to = append(to, all[string(name)])
				}
				first.goOn(t, stop, cfg, pages(text, tc.page), 1, to...)
				got := sinks{}
				for name, r := range all {
					if samples := r.take(); len(samples) > 0 {
						got[name] = values(samples)
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("samples by sink and series (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestHandoverAfterABrokenPage: series continue, for all sinks, when the target shows them again.
func TestHandoverAfterABrokenPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &recorder{}, &recorder{}
		first := mustNew(t, target(), testConfig(), pages(text, "# HELP a What it is.\na 1\nb 2\n"), a)
		stop := first.run(t)
		time.Sleep(time.Minute)
		a.take()
		first.goOn(t, stop, testConfig(), pages(text, "broken{", "# HELP a What it is.\na 3\nc 4\n"), 2, a, b)
		if diff := cmp.Diff(map[string][]string{"a": {"stale", "3"}, "b": {"stale"}, "c": {"4"}, "up": {"0", "1"}, "scrape_series_added": {"0", "1"}}, values(a.take())); diff != "" {
			t.Errorf("the sink that stays (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string][]string{"a": {"3"}, "c": {"4"}, "up": {"0", "1"}, "scrape_series_added": {"0", "1"}}, values(b.take())); diff != "" {
			t.Errorf("the new sink (-want +got):\n%s", diff)
		}
		if len(b.metadata) != 1 || b.metadata[0].Help != "What it is." {
			t.Errorf("the new sink is told %+v", b.metadata)
		}
	})
}

// TestHandoverKeepsTheRhythm: the second loop scrapes when the first one would have, keeps the first one's
// status until then, and does not log a failure again.
func TestHandoverKeepsTheRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		network := site(func(*http.Request) (*http.Response, error) {
			asked = append(asked, time.Now())
			return response(http.StatusNotFound, text, ""), nil
		})
		first := mustNew(t, target(), testConfig(), network)
		stop := first.run(t)
		time.Sleep(65 * time.Second)
		stop(nil)
		next := mustNew(t, target(), testConfig(), network)
		next.TakeOver(first.Memory())
		if diff := cmp.Diff(first.Status().Err, next.Status().Err); diff != "" || next.Status().Health != scrape.Down {
			t.Errorf("status %+v, want %+v", next.Status(), first.Status())
		}
		stop = next.run(t)
		time.Sleep(time.Minute)
		stop(nil)
		for i := 2; i < len(asked); i++ {
			if apart := asked[i].Sub(asked[i-1]); apart != 30*time.Second {
				t.Errorf("scrape %d comes after %s, want 30s", i, apart)
			}
		}
		if len(asked) < 4 || next.log.String() != "" {
			t.Errorf("%d scrapes, log %q", len(asked), next.log)
		}
	})
}

// TestHandoverThenGone: the series that the first loop showed are marked as stale if the target vanishes
// before the second one's first scrape.
func TestHandoverThenGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		first := mustNew(t, target(), testConfig(), pages(text, "a 1\n"), r)
		first.once(t, false)
		r.take()
		next := mustNew(t, target(), testConfig(), pages(text, "a 2\n"), r)
		next.TakeOver(first.Memory())
		next.run(t)(lighter.ErrGone)
		if diff := cmp.Diff(map[string][]string{"a": {"stale"}, "up": {"stale"}, "scrape_series_added": {"stale"}}, values(r.take())); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
	})
}

// TestHandoverOfOtherLabels: a loop does not continue with the series of another target.
func TestHandoverOfOtherLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		first := mustNew(t, target("zone", "1"), testConfig(), pages(text, "a 1\n"), r)
		first.once(t, false)
		r.take()
		first.goOn(t, func(error) {}, testConfig(), pages(text, "b 1\n"), 1, r)
		if diff := cmp.Diff(map[string][]string{"b": {"1"}, "up": {"1"}, "scrape_series_added": {"1"}}, values(r.take())); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
	})
}
