package scrape_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter/collector/scrape"
)

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target("__param_token", "hidden"), testConfig(), pages(text, "a 1\nb 2\n", refused))
		check := func(want scrape.Status) {
			t.Helper()
			got := l.Status()
			if (want.Health == scrape.Unknown) != got.LastScrape.IsZero() {
				t.Errorf("last scrape at %v", got.LastScrape)
			}
			if diff := cmp.Diff("http://api:3000/metrics", got.URL); diff != "" {
				t.Error(diff)
			}
			if got.Health != want.Health || got.Samples != want.Samples || got.Err != want.Err {
				t.Errorf("status %+v, want %+v", got, want)
			}
		}
		check(scrape.Status{Health: scrape.Unknown})
		stop := l.run(t)
		time.Sleep(5 * time.Second)
		check(scrape.Status{Health: scrape.Up, Samples: 2})
		time.Sleep(30 * time.Second)
		check(scrape.Status{Health: scrape.Down, Err: "connection refused"})
		stop(nil)
	})
}

func TestFailuresAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text, refused, refused, "a{ 1", "b{ 2", refused, "a 1\n", "a 1\n"))
		stop := l.run(t)
		time.Sleep(4 * time.Minute)
		stop(nil)
		var got []string
		for line := range strings.Lines(l.log.String()) {
			_, msg, _ := strings.Cut(line, "msg=")
			got = append(got, strings.TrimSpace(msg))
		}
		want := []string{
			`"scrape failed" target=http://api:3000/metrics job=api error="connection refused"`,
			`"scrape failed" target=http://api:3000/metrics job=api error="its page is broken: expected label name, got \"1\" (\"INVALID\") while parsing: \"a{ 1\""`,
			`"scrape failed" target=http://api:3000/metrics job=api error="connection refused"`,
			`"target works again" target=http://api:3000/metrics after=2m30s failures=5`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text, "a 1\na 2\nb 3 4102444800000\n", refused))
		stop := l.run(t)
		time.Sleep(40 * time.Second)
		stop(nil)
		const want = `
# HELP lighter_samples_rejected_total Samples that were scraped and not handed on: duplicate (the page has the series twice, the first counts), out_of_order (a time before the series' last), too_far_ahead (a time more than ten minutes ahead), not_taken (an endpoint that is closed).
# TYPE lighter_samples_rejected_total counter
lighter_samples_rejected_total{reason="duplicate"} 1
lighter_samples_rejected_total{reason="not_taken"} 0
lighter_samples_rejected_total{reason="out_of_order"} 0
lighter_samples_rejected_total{reason="too_far_ahead"} 1
# HELP lighter_samples_scraped_total Samples on the pages of targets, before metric relabelling, of scrapes that count.
# TYPE lighter_samples_scraped_total counter
lighter_samples_scraped_total 3
`
		if err := testutil.GatherAndCompare(l.registry, strings.NewReader(want), "lighter_samples_rejected_total", "lighter_samples_scraped_total"); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(l.registry); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
	})
}
