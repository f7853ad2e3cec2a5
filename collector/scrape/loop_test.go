package scrape_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/scrape"
)

var reportSeries = regexp.MustCompile(`__name__="(up|scrape_\w+)"`)

func isReport(series string) bool { return reportSeries.MatchString(series) }

var unordered = cmpopts.SortSlices(func(a, b sample) bool {
	return a.Series < b.Series || a.Series == b.Series && a.Time < b.Time
})

// anyTime hides times where a test is not about them.
var anyTime = cmpopts.IgnoreFields(sample{}, "Time")

func rules(tb testing.TB, configs ...relabel.Config) []*relabel.Config {
	tb.Helper()
	var all []*relabel.Config
	for _, c := range configs {
		withDefaults := relabel.DefaultRelabelConfig
		withDefaults.SourceLabels, withDefaults.TargetLabel = c.SourceLabels, c.TargetLabel
		if c.Action != "" {
			withDefaults.Action = c.Action
		}
		if c.Regex.Regexp != nil {
			withDefaults.Regex = c.Regex
		}
		if c.Replacement != "" {
			withDefaults.Replacement = c.Replacement
		}
		withDefaults.NameValidationScheme = model.LegacyValidation
		if err := withDefaults.Validate(model.LegacyValidation); err != nil {
			tb.Fatal(err)
		}
		all = append(all, &withDefaults)
	}
	return all
}

func TestPage(t *testing.T) {
	const own = `instance="api:3000", job="api"`
	for name, tc := range map[string]struct {
		contentType string
		body        string
		target      []string
		config      func(*scrape.Config)
		want        []sample
	}{
		"text": {
			body: "# TYPE a counter\na 1\nb{x=\"1\"} 2.5\nc NaN\nd -0\n",
			want: []sample{
				{Series: `{__name__="a", ` + own + `}`, Value: "1"},
				{Series: `{__name__="b", ` + own + `, x="1"}`, Value: "2.5"},
				{Series: `{__name__="c", ` + own + `}`, Value: "NaN"},
				{Series: `{__name__="d", ` + own + `}`, Value: "-0"},
			},
		},
		"OpenMetrics": {
			contentType: "application/openmetrics-text; version=1.0.0",
			body:        "# TYPE a counter\na_total 1 # {trace_id=\"x\"} 0.5\n# EOF\n",
			want:        []sample{{Series: `{__name__="a_total", ` + own + `}`, Value: "1"}},
		},
		"no content type is text":      {contentType: " ", body: "a 1\n", want: []sample{{Series: `{__name__="a", ` + own + `}`, Value: "1"}}},
		"unknown content type is text": {contentType: "application/octet-stream", body: "a 1\n", want: []sample{{Series: `{__name__="a", ` + own + `}`, Value: "1"}}},
		"no final newline":             {body: "a 1", want: []sample{{Series: `{__name__="a", ` + own + `}`, Value: "1"}}},
		"nothing":                      {body: ""},
		"target's labels": {
			body: "a 1\n", target: []string{"service", "shop", "__meta_docker_x", "y", "__tmp", "z", "job", "j", "instance", "i"},
			want: []sample{{Series: `{__name__="a", instance="i", job="j", service="shop"}`, Value: "1"}},
		},
		"a label that the target has too": {
			body: "a{job=\"mine\",exported_job=\"other\",instance=\"\"} 1\n",
			want: []sample{{Series: `{__name__="a", exported_exported_job="mine", exported_job="other", ` + own + `}`, Value: "1"}},
		},
		"a label that the target has too, honoured": {
			body:   "a{job=\"mine\",instance=\"\"} 1\n",
			config: func(c *scrape.Config) { c.HonorLabels = true },
			want:   []sample{{Series: `{__name__="a", job="mine"}`, Value: "1"}},
		},
		"metric relabelling": {
			body: "go_x 1\na{path=\"/x\"} 2\nb 3\n",
			config: func(c *scrape.Config) {
				c.MetricRelabel = rules(t,
					relabel.Config{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("go_.*"), Action: relabel.Drop},
					relabel.Config{SourceLabels: model.LabelNames{"path"}, Regex: relabel.MustNewRegexp("(.+)"), TargetLabel: "route"},
					relabel.Config{Regex: relabel.MustNewRegexp("path"), Action: relabel.LabelDrop})
			},
			want: []sample{
				{Series: `{__name__="a", ` + own + `, route="/x"}`, Value: "2"},
				{Series: `{__name__="b", ` + own + `}`, Value: "3"},
			},
		},
		"the first of duplicates counts": {
			body: "a{x=\"1\",y=\"2\"} 1\na{y=\"2\", x=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\n",
			want: []sample{{Series: `{__name__="a", ` + own + `, x="1", y="2"}`, Value: "1"}},
		},
		"one more sample than allowed": {
			body: "a 1\nb 2\nc 3\n", config: func(c *scrape.Config) { c.SampleLimit = 2 },
		},
		"as many samples as allowed, dropped ones aside": {
			body: "a 1\nb 2\nc 3\n", config: func(c *scrape.Config) {
				c.SampleLimit = 2
				c.MetricRelabel = rules(t, relabel.Config{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("b"), Action: relabel.Drop})
			},
			want: []sample{{Series: `{__name__="a", ` + own + `}`, Value: "1"}, {Series: `{__name__="c", ` + own + `}`, Value: "3"}},
		},
		"broken at the end":           {body: "a 1\nb 2\nc{x= 3\n"},
		"OpenMetrics without its end": {contentType: "application/openmetrics-text", body: "a 1\n"},
		"HTML":                        {contentType: "text/html; charset=utf-8", body: "<!DOCTYPE html><html></html>"},
		"protobuf":                    {contentType: "application/vnd.google.protobuf; encoding=delimited", body: "\x08"},
		"JSON":                        {contentType: "application/json", body: `{"a": 1}`},
		"a label twice":               {body: "a 1\nb{x=\"1\",x=\"2\"} 1\n"},
		"a name that is not legacy":   {body: "a 1\n{\"b.c\"} 1\n"},
		"a series of megabytes":       {body: "a 1\nb{x=\"" + strings.Repeat("x", 17<<20) + "\"} 1\n"},
		"control bytes":               {body: "a 1\n\x00\x01\x02 3\n"},
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
				l := mustNew(t, target(tc.target...), cfg, pages(tc.contentType, tc.body))
				if diff := cmp.Diff(tc.want, l.once(t, false), unordered, anyTime); diff != "" {
					t.Errorf("samples (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestReport(t *testing.T) {
	metric := func(name, v string) sample {
		return sample{Series: `{__name__="` + name + `", instance="api:3000", job="api", service="shop"}`, Value: v}
	}
	for name, tc := range map[string]struct {
		body string
		want []sample
	}{
		"up": {"a 1\nb 2\nc 3\n", []sample{
			metric("scrape_duration_seconds", "0"), metric("scrape_samples_post_metric_relabeling", "2"),
			metric("scrape_samples_scraped", "3"), metric("scrape_series_added", "2"), metric("up", "1")}},
		"down": {refused, []sample{
			metric("scrape_duration_seconds", "0"), metric("scrape_samples_post_metric_relabeling", "0"),
			metric("scrape_samples_scraped", "0"), metric("scrape_series_added", "0"), metric("up", "0")}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.MetricRelabel = rules(t, relabel.Config{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("up|b"), Action: relabel.Drop})
				l := mustNew(t, target("service", "shop"), cfg, pages(text, tc.body))
				var got []sample
				for _, s := range l.once(t, true) {
					if isReport(s.Series) {
						got = append(got, s)
					}
				}
				if diff := cmp.Diff(tc.want, got, unordered, anyTime); diff != "" {
					t.Errorf("samples (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestRounds scrapes one page after another and checks what each scrape sends. It also tests two sentences
// of the remote-write specifications: "Stale markers MUST be sent when a series vanishes, a scrape fails or
// the target vanishes", and "unless the series has explicit timestamps". exporters/remotewrite tests the
// others.
func TestRounds(t *testing.T) {
	a := func(v string) sample {
		return sample{Series: `{__name__="a", instance="api:3000", job="api"}`, Value: v}
	}
	b := func(v string) sample {
		return sample{Series: `{__name__="b", instance="api:3000", job="api"}`, Value: v}
	}
	for name, tc := range map[string]struct {
		config func(*scrape.Config)
		pages  []string
		want   [][]sample
		gone   []sample // after the target has vanished
	}{
		"a series vanishes and returns": {
			pages: []string{"a 1\nb 2\n", "a 3\n", "a 4\n", "a 5\nb 6\n"},
			want:  [][]sample{{a("1"), b("2")}, {a("3"), b("stale")}, {a("4")}, {a("5"), b("6")}},
			gone:  []sample{a("stale"), b("stale")},
		},
		"the target fails and returns": {
			pages: []string{"a 1\nb 2\n", refused, refused, "a 3\nb 4\n"},
			want:  [][]sample{{a("1"), b("2")}, {a("stale"), b("stale")}, nil, {a("3"), b("4")}},
			gone:  []sample{a("stale"), b("stale")},
		},
		"a broken page is a failure, whatever it showed first": {
			pages: []string{"a 1\n", "a 2\nb 3\nc{", "a 4\n"},
			want:  [][]sample{{a("1")}, {a("stale")}, {a("4")}},
			gone:  []sample{a("stale")},
		},
		"gone while it fails": {
			pages: []string{"a 1\n", refused},
			want:  [][]sample{{a("1")}, {a("stale")}},
		},
		"another order of labels is the same series": {
			pages: []string{"a{} 1\n", "a 2\n"},
			want:  [][]sample{{a("1")}, {a("2")}},
			gone:  []sample{a("stale")},
		},
		"what relabelling drops may change": {
			config: func(c *scrape.Config) {
				c.MetricRelabel = rules(t, relabel.Config{Regex: relabel.MustNewRegexp("id"), Action: relabel.LabelDrop})
			},
			pages: []string{"a{id=\"1\"} 1\n", "a{id=\"2\"} 2\n", "a{id=\"3\"} 3\n"},
			want:  [][]sample{{a("1")}, {a("2")}, {a("3")}},
			gone:  []sample{a("stale")},
		},
		"the target's own times get no markers": {
			pages: []string{"a 1 946684800000\nb 1\n", "a 1 946684800000\nb 2\n", "a 2 946684860000\nb 3\n", "b 4\n"},
			want:  [][]sample{{a("1"), b("1")}, {b("2")}, {a("2"), b("3")}, {b("4")}},
			gone:  []sample{b("stale")},
		},
		"the target's own times, not honoured": {
			config: func(c *scrape.Config) { c.HonorTimestamps = false },
			pages:  []string{"a 1 946684800000\n", "b 2\n"},
			want:   [][]sample{{a("1")}, {a("stale"), b("2")}},
			gone:   []sample{b("stale")},
		},
		"a time before the last one, and one far ahead": {
			pages: []string{"a 1 946684800000\n", "a 2 946684799000\nb 1 4102444800000\n", "a 3\nb 2\n"},
			want:  [][]sample{{a("1")}, nil, {a("3"), b("2")}},
			gone:  []sample{a("stale"), b("stale")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				if tc.config != nil {
					tc.config(&cfg)
				}
				l := mustNew(t, target(), cfg, pages(text, tc.pages...))
				stop := l.run(t)
				time.Sleep(5 * time.Second)
				for i, want := range tc.want {
					if diff := cmp.Diff(want, strip(l.sink.take(), false), unordered, anyTime); diff != "" {
						t.Errorf("scrape %d (-want +got):\n%s", i, diff)
					}
					if i < len(tc.want)-1 {
						time.Sleep(cfg.Interval)
					}
				}
				stop(lighter.ErrGone)
				got := l.sink.take()
				if diff := cmp.Diff(tc.gone, strip(got, false), unordered, anyTime); diff != "" {
					t.Errorf("after the target has gone (-want +got):\n%s", diff)
				}
				for _, s := range got {
					if s.Value != "stale" {
						t.Errorf("after the target has gone came %v", s)
					}
				}
				if n := len(got) - len(strip(got, false)); n != 5 {
					t.Errorf("%d of the scrape's own series are marked, want 5", n)
				}
			})
		})
	}
}

func TestNoMarkersWhenTheAgentStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text, "a 1\n"))
		stop := l.run(t)
		time.Sleep(5 * time.Second)
		l.sink.take()
		stop(nil)
		if got := l.sink.take(); len(got) > 0 {
			t.Errorf("the stop sent %v", got)
		}
	})
}

// TestAScrapeUnderWayAtTheEnd: a scrape that the end of the loop interrupts is no failure of the target. It
// sends no up 0, and staleness markers only if the target has gone.
func TestAScrapeUnderWayAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := mustNew(t, target(), testConfig(), site(func(r *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return response(http.StatusOK, text, "a 1\n"), nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		stop := l.run(t)
		time.Sleep(36 * time.Second)
		l.sink.take()
		stop(lighter.ErrGone)
		for _, s := range l.sink.take() {
			if s.Value != "stale" {
				t.Errorf("got %v, want markers only", s)
			}
		}
	})
}

// TestSamplesAreInTimeOrder: "Samples of a series MUST be sent in time order".
func TestSamplesAreInTimeOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Interval = 10 * time.Second
		l := mustNew(t, target(), cfg, pages(text, "a 1\nb 1\n", "a 1\n", refused, "a 1\nb 1\n"))
		stop := l.run(t)
		start := time.Now()
		time.Sleep(time.Minute)
		stop(lighter.ErrGone)
		last, regular := map[string]int64{}, map[string]bool{} // the first scrape starts when the target is found
		for _, s := range l.sink.take() {
			if s.Time <= last[s.Series] {
				t.Errorf("%v comes after one at %d", s, last[s.Series])
			}
			if s.Value != "stale" && regular[s.Series] && (s.Time-last[s.Series])%cfg.Interval.Milliseconds() != 0 {
				t.Errorf("%v is not an interval after the one at %d", s, last[s.Series])
			}
			regular[s.Series] = last[s.Series] != 0
			last[s.Series] = s.Time
		}
		if first := last[`{__name__="up", instance="api:3000", job="api"}`]; first < start.UnixMilli() {
			t.Errorf("the last up is at %d, before the start", first)
		}
		if len(l.sink.shards) != 1 {
			t.Errorf("shards %v, want one", l.sink.shards)
		}
	})
}

// TestFirstScrapes: a target is scraped within a fraction of a second. The second scrape follows about an
// interval later at the target's own moment, which is always the same for one target and differs between
// targets.
func TestFirstScrapes(t *testing.T) {
	for _, interval := range []time.Duration{100 * time.Millisecond, time.Second, 30 * time.Second, time.Hour} {
		t.Run(interval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.Interval, cfg.Timeout = interval, min(cfg.Timeout, interval)
				scrapes := func(address string) (first, second time.Duration) {
					start := time.Now()
					var asked []time.Duration
					l := mustNew(t, target("__address__", address), cfg, site(func(*http.Request) (*http.Response, error) {
						asked = append(asked, time.Since(start))
						return response(http.StatusOK, text, "a 1\n"), nil
					}))
					stop := l.run(t)
					time.Sleep(200*time.Millisecond + 3*interval/2)
					stop(nil)
					if len(asked) < 2 {
						t.Fatalf("%s was scraped after %s", address, asked)
					}
					return asked[0], asked[1]
				}
				firsts, phases := map[time.Duration]bool{}, map[time.Duration]bool{}
				for i := range 10 {
					address := fmt.Sprintf("host-%d:1", i)
					first, second := scrapes(address)
					if first >= 200*time.Millisecond {
						t.Errorf("%s is scraped after %s", address, first)
					}
					if apart := second - first; apart < interval/2 || apart > 3*interval/2 {
						t.Errorf("%s is scraped again after %s, want about %s", address, apart, interval)
					}
					if again, _ := scrapes(address); again != first {
						t.Errorf("%s is scraped after %s and after %s", address, first, again)
					}
					firsts[first], phases[second] = true, true
				}
				if len(firsts) < 4 || len(phases) < 4 {
					t.Errorf("ten targets have %d first moments and %d second ones", len(firsts), len(phases))
				}
			})
		})
	}
}

// TestManyFirstScrapes: only a few targets are scraped for the first time at once, because all their pages
// may be large. Targets that do not respond delay the others by some seconds.
func TestManyFirstScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buffers := scrape.NewBuffers(scrape.PageMemory)
		var mu sync.Mutex
		atOnce, most := 0, 0
		start := time.Now()
		asked := map[string]time.Duration{}
		network := site(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			if _, again := asked[r.URL.Host]; !again {
				asked[r.URL.Host] = time.Since(start)
			}
			atOnce++
			most = max(most, atOnce)
			mu.Unlock()
			took := 100 * time.Millisecond
			if strings.HasPrefix(r.URL.Host, "dead") {
				took = time.Hour
			}
			defer func() {
				mu.Lock()
				atOnce--
				mu.Unlock()
			}()
			select {
			case <-time.After(took):
				return response(http.StatusOK, text, "a 1\n"), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		var stops []func(error)
		ask := func(name string, n int) {
			for i := range n {
				l := mustNew(t, target("__address__", fmt.Sprintf("%s-%d:1", name, i)), testConfig(), network)
				l.Buffers = buffers
				stops = append(stops, l.run(t))
			}
		}
		seen := func() (targets, atOneTime int) {
			mu.Lock()
			defer mu.Unlock()
			return len(asked), most
		}
		ask("live", 20)
		time.Sleep(time.Second)
		if n, most := seen(); n != 20 || most != 4 {
			t.Errorf("%d targets were asked within a second, %d at one time, want 20 and 4", n, most)
		}
		ask("dead", 4)
		time.Sleep(time.Second)
		ask("later", 4)
		time.Sleep(6 * time.Second)
		if n, _ := seen(); n != 28 {
			t.Errorf("%d targets were asked, want 28", n)
		}
		for _, stop := range stops {
			stop(nil)
		}
	})
}

func TestKnownSeriesAreNotAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text, "a 1\nb 2\n"))
		stop := l.run(t)
		time.Sleep(10 * time.Minute)
		stop(nil)
		if want := 2 + 5; l.sink.asked != want {
			t.Errorf("the sink was asked for %d label sets, want %d", l.sink.asked, want)
		}
	})
}
