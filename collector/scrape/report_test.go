package scrape_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/scrape"
)

// labelling is a sink that adds an external label, as an endpoint does.
type labelling struct{ *recorder }

func (s labelling) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	return s.recorder.AppendLabels(dst, labels.NewBuilder(l).Set("environment", "prod").Labels())
}

// TestAPageShowsWhatTheReportDoes: whatever a page says of the series about its scrape, each is sent once
// per scrape with the report's value, and the staleness markers are the report's.
func TestAPageShowsWhatTheReportDoes(t *testing.T) {
	const own = `instance="api:3000", job="api"`
	const others = "scrape_duration_seconds 5\nscrape_samples_scraped 5\nscrape_samples_post_metric_relabeling 5\nscrape_series_added 5\n"
	up := func(v string) sample { return sample{Series: `{__name__="up", ` + own + `}`, Value: v} }
	const interval = 30 * time.Second
	for name, tc := range map[string]struct {
		contentType string
		pages       []string
		config      func(*scrape.Config)
		external    bool
		scraped     string   // samples of the first page, all of them kept
		want        []sample // samples named up, of each page and then of the target's end
	}{
		"as the target's own": {pages: []string{"up 5\n" + others, "up 6\n"}, scraped: "5", want: []sample{up("1"), up("1"), up("stale")}},
		"it vanishes":         {pages: []string{"up 5\na 1\n", "a 1\n", "up 6\n"}, scraped: "2", want: []sample{up("1"), up("1"), up("1"), up("stale")}},
		"and the target":      {pages: []string{"up 5\n", refused, "up 5\n"}, scraped: "1", want: []sample{up("1"), up("0"), up("1"), up("stale")}},
		"a page breaks":       {pages: []string{"up 5\n", "up 5\nbroken{"}, scraped: "1", want: []sample{up("1"), up("0"), up("stale")}},
		"twice":               {pages: []string{"up 5\nup 6\n", "up 7\na 1\n"}, scraped: "2", want: []sample{up("1"), up("1"), up("stale")}},
		"at times of its own": {pages: []string{"up 5 946684801000\n", "up 5 946684802000\n"}, scraped: "1", want: []sample{up("1"), up("1"), up("stale")}},
		"OpenMetrics": {
			contentType: "application/openmetrics-text; version=1.0.0",
			pages:       []string{"# TYPE up gauge\nup 5\n# EOF\n", "# EOF\n"}, scraped: "1", want: []sample{up("1"), up("1"), up("stale")},
		},
		"for another job": {
			pages: []string{"up{job=\"x\"} 5\n", "a 1\n"}, scraped: "1",
			want: []sample{{Series: `{__name__="up", exported_job="x", ` + own + `}`, Value: "5"}, up("1"), {Series: `{__name__="up", exported_job="x", ` + own + `}`, Value: "stale"}, up("1"), up("stale")},
		},
		"for another job, honoured": {
			config: func(c *scrape.Config) { c.HonorLabels = true },
			pages:  []string{"up{job=\"x\"} 5\n"}, scraped: "1",
			want: []sample{{Series: `{__name__="up", instance="api:3000", job="x"}`, Value: "5"}, up("1"), {Series: `{__name__="up", instance="api:3000", job="x"}`, Value: "stale"}, up("stale")},
		},
		"for this job, honoured": {
			config: func(c *scrape.Config) { c.HonorLabels = true },
			pages:  []string{"up{job=\"api\",instance=\"api:3000\"} 5\n", "a 1\n"}, scraped: "1", want: []sample{up("1"), up("1"), up("stale")},
		},
		"by metric relabelling": {
			config: func(c *scrape.Config) {
				c.MetricRelabel = rules(t, relabel.Config{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("alive"), TargetLabel: "__name__", Replacement: "up"})
			},
			pages: []string{"alive 5\n", "a 1\n"}, scraped: "1", want: []sample{up("1"), up("1"), up("stale")},
		},
		"by metric relabelling away": {
			config: func(c *scrape.Config) {
				c.MetricRelabel = rules(t, relabel.Config{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("up"), TargetLabel: "__name__", Replacement: "alive"})
			},
			pages: []string{"up 5\n"}, scraped: "1", want: []sample{up("1"), up("stale")},
		},
		"with an external label": {
			external: true,
			pages:    []string{"up{environment=\"prod\"} 5\n", "a 1\n"}, scraped: "1",
			want: []sample{{Series: `{__name__="up", environment="prod", ` + own + `}`, Value: "1"}, {Series: `{__name__="up", environment="prod", ` + own + `}`, Value: "1"}, {Series: `{__name__="up", environment="prod", ` + own + `}`, Value: "stale"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				if tc.config != nil {
					tc.config(&cfg)
				}
				if tc.contentType == "" {
					tc.contentType = text
				}
				got := &recorder{}
				sink := scrape.Sink(got)
				if tc.external {
					sink = labelling{got}
				}
				l := mustNew(t, target(), cfg, pages(tc.contentType, tc.pages...), sink)
				stop := l.run(t)
				time.Sleep(time.Duration(len(tc.pages))*interval - interval/2)
				stop(lighter.ErrGone)
				checkReport(t, got.take(), tc.scraped, tc.want)
			})
		})
	}
}

func checkReport(t *testing.T, got []sample, scraped string, want []sample) {
	t.Helper()
	var ups []sample
	first := map[string]string{} // the first value of each name
	at := map[sample]bool{}
	for _, s := range got {
		name := nameOf(s.Series)
		if _, seen := first[name]; !seen {
			first[name] = s.Value
		}
		if name == "up" {
			ups = append(ups, s)
		}
		key := sample{Series: s.Series, Time: s.Time}
		if at[key] {
			t.Errorf("%s has two values at %d", s.Series, s.Time)
		}
		at[key] = true
	}
	if diff := cmp.Diff(want, ups, anyTime); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	for _, name := range []string{"scrape_samples_scraped", "scrape_samples_post_metric_relabeling"} {
		if first[name] != scraped {
			t.Errorf("%s is %s, want %s", name, first[name], scraped)
		}
	}
	if first["scrape_duration_seconds"] != "0" {
		t.Errorf("scrape_duration_seconds is %s, want the scrape's own 0", first["scrape_duration_seconds"])
	}
}

func nameOf(series string) string {
	if m := reportSeries.FindStringSubmatch(series); m != nil {
		return m[1]
	}
	return ""
}
