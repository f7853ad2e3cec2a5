package budget_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/exporters/budget"
)

func TestSeries(t *testing.T) {
	s := simulate(at("2026-12-10 12:00"), daily, budget.Options{Series: 1000})
	scrape := func(sc budget.Scrape) { s.ObserveScrape(sc) }
	check := func(what string, active, points, used int) {
		t.Helper()
		got := s.Status().Series
		if got.Active != active || got.DataPoints != points || got.Used != used {
			t.Errorf("%s: active %d, data points %d, used %d; want %d, %d, %d", what, got.Active, got.DataPoints, got.Used, active, points, used)
		}
	}
	pass := func(d time.Duration) { s.clock.now = s.clock.now.Add(d) }
	check("nothing", 0, 0, 0)
	scrape(budget.Scrape{Target: "api", Interval: 30 * time.Second, Series: 100, Added: 100})
	check("every 30 seconds counts twice", 100, 200, 200)
	scrape(budget.Scrape{Target: "db", Interval: time.Minute, Series: 50, Added: 50})
	check("once a minute is included", 150, 250, 250)
	scrape(budget.Scrape{Target: "slow", Interval: 5 * time.Minute, Series: 500, Added: 500})
	check("a series of a slow scrape counts as one", 650, 350, 650)
	want := []budget.Target{{Name: "slow", Active: 500, DataPoints: 100}, {Name: "api", Active: 100, DataPoints: 200}, {Name: "db", Active: 50, DataPoints: 50}}
	if diff := cmp.Diff(want, s.Status().Series.Targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}

	pass(time.Minute)
	scrape(budget.Scrape{Target: "api", Interval: 30 * time.Second, Series: 80, Added: 10})
	check("30 series of before are still active", 660, 310, 660)
	pass(time.Minute)
	scrape(budget.Scrape{Target: "db", Interval: time.Minute, Series: 5, Failed: true})
	check("a target that is down", 660, 265, 660)
	for range 19 {
		pass(time.Minute)
		scrape(budget.Scrape{Target: "api", Interval: 30 * time.Second, Series: 80})
		scrape(budget.Scrape{Target: "db", Interval: time.Minute, Series: 5, Failed: true})
	}
	check("20 minutes later", 80+5, 160+5, 165)
	pass(30 * time.Minute)
	check("all gone", 0, 0, 0)
}

// Series are counted by metric now and then, for all targets together and for each.
func TestSeriesByMetric(t *testing.T) {
	s := simulate(at("2026-12-10 12:00"), daily, budget.Options{})
	asked := 0
	scrape := func(target string, names ...string) {
		s.ObserveScrape(budget.Scrape{Target: target, Interval: time.Minute, Series: len(names), Names: func(f func([]byte)) {
			asked++
			for _, n := range names {
				f([]byte(n))
			}
		}})
	}
	scrape("api", "a", "b", "b", "a", "a", "c")
	scrape("db", "b", "d", "d", "d")
	scrape("api", "z")
	scrape("empty")
	got := s.Status().Series
	if diff := cmp.Diff([]budget.Metric{{Name: "a", Series: 3}, {Name: "b", Series: 3}, {Name: "d", Series: 3}, {Name: "c", Series: 1}}, got.Metrics); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]budget.Metric{{Name: "d", Series: 3}, {Name: "b", Series: 1}}, got.Targets[1].Metrics); got.Targets[1].Name != "db" || diff != "" {
		t.Errorf("metrics of %s (-want +got):\n%s", got.Targets[1].Name, diff)
	}
	if asked != 3 {
		t.Errorf("asked for names %d times, want once a target", asked)
	}
	s.clock.now = s.clock.now.Add(10 * time.Minute)
	scrape("api", "z")
	if got := s.Status().Series.Metrics; len(got) != 3 || got[2] != (budget.Metric{Name: "z", Series: 1}) {
		t.Errorf("metrics = %v after ten minutes", got)
	}
}

// When containers are replaced, their series and those of the new ones are both active for 20 minutes,
// which causes no warning; half an hour above the level does.
func TestSeriesWarning(t *testing.T) {
	s := simulate(at("2026-12-10 12:00"), daily, budget.Options{Series: 1000})
	minutes := func(n int, targets ...string) {
		for range n {
			for _, target := range targets {
				s.ObserveScrape(budget.Scrape{Target: target, Interval: time.Minute, Series: 600})
			}
			s.clock.now = s.clock.now.Add(time.Minute)
			s.Tick()
		}
	}
	minutes(30, "api:1")
	minutes(40, "api:2")
	if s.log.Len() > 0 {
		t.Errorf("warned of a container that was replaced: %s", s.log)
	}
	minutes(29, "api:2", "worker:1")
	if s.log.Len() > 0 {
		t.Errorf("warned too early: %s", s.log)
	}
	minutes(300, "api:2", "worker:1")
	if got := s.log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "the series are at 120 % of their budget") || !strings.Contains(got, `most="api:2 600, worker:1 600"`) {
		t.Errorf("log = %q, want one warning", got)
	}
}
