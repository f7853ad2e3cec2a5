package scrape_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lighter/collector/scrape"
)

// The settings determine the request. The headers are those that Prometheus sends for the same settings.
func TestRequestArguments(t *testing.T) {
	for name, tc := range map[string]struct {
		config           func(*scrape.Config)
		target           []string
		url              string
		accept, encoding string
	}{
		"defaults": {
			url:      "http://api:3000/metrics",
			accept:   "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
			encoding: "gzip",
		},
		"native histograms": {
			config:   func(c *scrape.Config) { c.NativeHistograms = true },
			url:      "http://api:3000/metrics",
			accept:   "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=underscores;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
			encoding: "gzip",
		},
		"protocols, and no compression": {
			config: func(c *scrape.Config) {
				c.Protocols, c.Uncompressed = []string{"PrometheusText0.0.4", "OpenMetricsText0.0.1"}, true
			},
			url:      "http://api:3000/metrics",
			accept:   "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,*/*;q=0.4",
			encoding: "identity",
		},
		"path, scheme and parameters": {
			config: func(c *scrape.Config) {
				c.Path, c.Scheme, c.Protocols = "/own", "https", []string{"PrometheusText1.0.0"}
				c.Params = url.Values{"module": {"http", "tcp"}, "format": {"prometheus"}}
			},
			url:      "https://api:3000/own?format=prometheus&module=http&module=tcp",
			accept:   "text/plain;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5",
			encoding: "gzip",
		},
		"a target's own parameter takes the place of the first": {
			config: func(c *scrape.Config) {
				c.Params, c.Protocols = url.Values{"module": {"http", "tcp"}}, []string{"PrometheusText1.0.0"}
			},
			target:   []string{"__param_module", "icmp", "__param_more", "1"},
			url:      "http://api:3000/metrics?module=icmp&module=tcp&more=1",
			accept:   "text/plain;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5",
			encoding: "gzip",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				if tc.config != nil {
					tc.config(&cfg)
				}
				var req *http.Request
				l := mustNew(t, target(tc.target...), cfg, site(func(r *http.Request) (*http.Response, error) {
					req = r
					return response(http.StatusOK, text, "a 1\n"), nil
				}))
				l.once(t, false)
				got := []string{req.URL.String(), req.Header.Get("Accept"), req.Header.Get("Accept-Encoding")}
				if diff := cmp.Diff([]string{tc.url, tc.accept, tc.encoding}, got); diff != "" {
					t.Errorf("URL, Accept and Accept-Encoding (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Two targets of one scrape do not share the parameters if one of them changes them.
func TestParametersAreEachTargetsOwn(t *testing.T) {
	cfg := testConfig()
	cfg.Params = url.Values{"module": {"http"}}
	for _, tc := range [][2]string{{"icmp", "module=icmp"}, {"", "module=http"}} {
		synctest.Test(t, func(t *testing.T) {
			var query string
			l := mustNew(t, target("__param_module", tc[0]), cfg, site(func(r *http.Request) (*http.Response, error) {
				query = r.URL.RawQuery
				return response(http.StatusOK, text, "a 1\n"), nil
			}))
			l.once(t, false)
			if query != tc[1] {
				t.Errorf("query %q, want %q", query, tc[1])
			}
		})
	}
}

func TestScrapeArguments(t *testing.T) {
	const own = `, instance="api:3000", job="api"`
	for name, tc := range map[string]struct {
		config      func(*scrape.Config)
		contentType string // of the page; plain text if empty
		page        string
		target      []string
		want        []sample // of the page
		up          string   // 1 if empty
		err         string   // in the status
	}{
		"the job of the scrape": {
			config: func(c *scrape.Config) { c.Job = "other" },
			page:   "a 1\n",
			want:   []sample{{Series: `{__name__="a", instance="api:3000", job="other"}`, Value: "1"}},
		},
		"a target's own job wins": {
			config: func(c *scrape.Config) { c.Job = "other" }, target: []string{"job", "own"},
			page: "a 1\n",
			want: []sample{{Series: `{__name__="a", instance="api:3000", job="own"}`, Value: "1"}},
		},
		"labels of the page are kept": {
			config: func(c *scrape.Config) { c.HonorLabels = true },
			page:   "a{job=\"page\"} 1\n",
			want:   []sample{{Series: `{__name__="a", instance="api:3000", job="page"}`, Value: "1"}},
		},
		"as many labels as may be": {
			config: func(c *scrape.Config) { c.LabelLimit = 4 },
			page:   "a{b=\"c\"} 1\n",
			want:   []sample{{Series: `{__name__="a", b="c"` + own + `}`, Value: "1"}},
		},
		"a label too many, those of the target counted": {
			config: func(c *scrape.Config) { c.LabelLimit = 3 },
			page:   "a{b=\"c\"} 1\n", up: "0", err: "a series of a has 4 labels, more than 3, the limit",
		},
		"a name that is too long": {
			config: func(c *scrape.Config) { c.LabelNameLimit = 8 }, // as long as __name__ and instance
			page:   "a{far_too_long=\"c\"} 1\n", up: "0", err: "a series of a has a label name of 12 bytes, more than 8, the limit",
		},
		"a name of the target that is too long": {
			config: func(c *scrape.Config) { c.LabelNameLimit = 7 },
			page:   "a 1\n", up: "0", err: "label name of 8 bytes, more than 7, the limit",
		},
		"a value that is too long": {
			config: func(c *scrape.Config) { c.LabelValueLimit = 8 },
			page:   "a{b=\"123456789\"} 1\n", up: "0", err: "a series of a has a value of the label b of 9 bytes, more than 8, the limit",
		},
		"a page without a type that is OpenMetrics": {
			config:      func(c *scrape.Config) { c.FallbackProtocol = "OpenMetricsText1.0.0" },
			contentType: "application/octet-stream",
			page:        "# TYPE a counter\na_total 1\n# EOF\n",
			want:        []sample{{Series: `{__name__="a_total"` + own + `}`, Value: "1"}},
		},
		"a page without a type that is to be OpenMetrics and is not": {
			config:      func(c *scrape.Config) { c.FallbackProtocol = "OpenMetricsText1.0.0" },
			contentType: "application/octet-stream",
			page:        "a 1\n", up: "0", err: "does not end with",
		},
		"a page of a type is not what is fallen back to": {
			config: func(c *scrape.Config) { c.FallbackProtocol = "OpenMetricsText1.0.0" },
			page:   "a 1\n",
			want:   []sample{{Series: `{__name__="a"` + own + `}`, Value: "1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				tc.config(&cfg)
				contentType := tc.contentType
				if contentType == "" {
					contentType = text
				}
				l := mustNew(t, target(tc.target...), cfg, pages(contentType, tc.page))
				all := l.once(t, true)
				if diff := cmp.Diff(tc.want, strip(all, false), anyTime); diff != "" {
					t.Errorf("samples (-want +got):\n%s", diff)
				}
				up := tc.up
				if up == "" {
					up = "1"
				}
				for _, s := range all {
					if strings.Contains(s.Series, `"up"`) && s.Value != up {
						t.Errorf("up is %s, want %s", s.Value, up)
					}
				}
				if got := l.Status().Err; !strings.Contains(got, tc.err) || tc.err == "" && got != "" {
					t.Errorf("status: %q, want %q", got, tc.err)
				}
			})
		})
	}
}

// A series with timestamps of its own ends with a staleness marker if the setting asks for it, and without
// one otherwise.
func TestTrackStaleness(t *testing.T) {
	for _, track := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.TrackStaleness = track
			at := time.Now().UnixMilli()
			l := mustNew(t, target(), cfg, pages(text, fmt.Sprintf("a 1 %d\nb 1\n", at), "b 1\n"))
			stop := l.run(t)
			time.Sleep(cfg.Interval*2 + 5*time.Second)
			stop(nil)
			markers := 0
			for _, s := range l.sink.take() {
				if strings.Contains(s.Series, `"a"`) && s.Value == "stale" {
					markers++
				}
			}
			if want := map[bool]int{false: 0, true: 1}[track]; markers != want {
				t.Errorf("track %v: %d markers, want %d", track, markers, want)
			}
		})
	}
}

// The three extra series are the same as Prometheus's.
func TestExtraMetrics(t *testing.T) {
	extra := func(samples []sample) map[string]string {
		found := map[string]string{}
		for _, s := range samples {
			for _, name := range []string{"scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"} {
				if strings.Contains(s.Series, `"`+name+`"`) {
					found[name] = s.Value
				}
			}
		}
		return found
	}
	for name, tc := range map[string]struct {
		page string
		want map[string]string
	}{
		"a page":                {"a 1\nb 2\n", map[string]string{"scrape_timeout_seconds": "10", "scrape_sample_limit": "100", "scrape_body_size_bytes": "8"}},
		"one that is no page":   {"a{\n", map[string]string{"scrape_timeout_seconds": "10", "scrape_sample_limit": "100", "scrape_body_size_bytes": "3"}},
		"one that is too large": {strings.Repeat("# no\n", 1000) + "a 1\n", map[string]string{"scrape_timeout_seconds": "10", "scrape_sample_limit": "100", "scrape_body_size_bytes": "-1"}},
		"no answer":             {refused, map[string]string{"scrape_timeout_seconds": "10", "scrape_sample_limit": "100", "scrape_body_size_bytes": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.SampleLimit, cfg.BodyLimit = 100, 1000
				l := mustNew(t, target(), cfg, pages(text, tc.page))
				if found := extra(l.once(t, true)); len(found) > 0 {
					t.Errorf("%v, though they were not asked for", found)
				}
				cfg.ExtraMetrics = true
				l = mustNew(t, target(), cfg, pages(text, tc.page))
				if diff := cmp.Diff(tc.want, extra(l.once(t, true))); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// With too many targets none is scraped, and each is down.
func TestOverTargetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), site(func(*http.Request) (*http.Response, error) {
			t.Error("the target was asked")
			return nil, errors.New("no")
		}))
		l.OverTargetLimit = errors.New("too many")
		for _, s := range l.once(t, true) {
			if strings.Contains(s.Series, `"up"`) && s.Value != "0" {
				t.Errorf("up is %s, want 0", s.Value)
			}
		}
		if got := l.Status().Err; got != "too many" {
			t.Errorf("status: %q, want why", got)
		}
	})
}

// Each failed scrape is one object in the failure log.
func TestFailureLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		cfg := testConfig()
		cfg.Job = "shop"
		l := mustNew(t, target("__param_token", "secret"), cfg, pages(text, refused, "a 1\n", refused))
		l.Failures = slog.New(slog.NewJSONHandler(&b, nil))
		stop := l.run(t)
		time.Sleep(2*cfg.Interval + 5*time.Second)
		stop(nil)
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != 2 || strings.Contains(b.String(), "secret") {
			t.Fatalf("%d failures are logged, want two without a secret:\n%s", len(lines), &b)
		}
		var one map[string]string
		if err := json.Unmarshal([]byte(lines[0]), &one); err != nil {
			t.Fatal(err)
		}
		delete(one, "time")
		if diff := cmp.Diff(map[string]string{"level": "ERROR", "msg": "connection refused", "job_name": "shop", "target": "http://api:3000/metrics"}, one); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		config func(*scrape.Config)
		want   string
	}{
		"defaults":            {func(*scrape.Config) {}, ""},
		"all protocols":       {func(c *scrape.Config) { c.Protocols = scrape.DefaultProtocols(true) }, ""},
		"unknown protocol":    {func(c *scrape.Config) { c.Protocols = []string{"Text"} }, `there is no scrape protocol "Text"`},
		"a protocol twice":    {func(c *scrape.Config) { c.Protocols = []string{"PrometheusProto", "PrometheusProto"} }, `the scrape protocol "PrometheusProto" is named twice`},
		"unknown to fall to":  {func(c *scrape.Config) { c.FallbackProtocol = "x" }, `there is no scrape protocol "x" to fall back to`},
		"less than no limit":  {func(c *scrape.Config) { c.LabelLimit = -1 }, "the limit of labels is -1, want 0 or more"},
		"a fallback is known": {func(c *scrape.Config) { c.FallbackProtocol = "PrometheusText0.0.4" }, ""},
	} {
		cfg := testConfig()
		tc.config(&cfg)
		got := ""
		if err := cfg.Check(); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// The settings decide which histograms of a protobuf page are kept, and at which resolution.
func TestHistogramArguments(t *testing.T) {
	const own = `, instance="api:3000", job="api"`
	classic := []sample{
		{Series: `{__name__="h_bucket"` + own + `, le="1.0"}`, Value: "1"},
		{Series: `{__name__="h_bucket"` + own + `, le="+Inf"}`, Value: "3"},
		{Series: `{__name__="h_count"` + own + `}`, Value: "3"},
		{Series: `{__name__="h_sum"` + own + `}`, Value: "10.5"},
	}
	nativeOf := func(buckets string) sample {
		return sample{Series: `{__name__="h"` + own + `}`, Value: "int histogram {count:3, sum:10.5, " + buckets + "}"}
	}
	fine := nativeOf("(0.25,0.5]:1, (1,2]:1, (4,8]:1")
	for name, tc := range map[string]struct {
		config func(*scrape.Config)
		want   []sample
		err    string
	}{
		"native": {func(c *scrape.Config) { c.NativeHistograms = true }, []sample{fine}, ""},
		"both":   {func(c *scrape.Config) { c.NativeHistograms, c.ClassicHistograms = true, true }, append([]sample{fine}, classic...), ""},
		"protobuf, without native histograms": {
			func(c *scrape.Config) { c.Protocols = []string{"PrometheusProto"} }, classic, ""},
		"few buckets": {
			func(c *scrape.Config) { c.NativeHistograms, c.NativeBucketLimit = true, 2 },
			[]sample{nativeOf("(0.0625,1]:1, (1,16]:2")}, ""},
		"wide buckets": {
			func(c *scrape.Config) { c.NativeHistograms, c.NativeMinBucketFactor = true, 4 },
			[]sample{nativeOf("(0.25,1]:1, (1,4]:1, (4,16]:1")}, ""},
		"buckets that are as wide as that": {
			func(c *scrape.Config) { c.NativeHistograms, c.NativeMinBucketFactor = true, 2 }, []sample{fine}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				h := promauto.With(reg).NewHistogram(prometheus.HistogramOpts{Name: "h", Help: "H.", Buckets: []float64{1}, NativeHistogramBucketFactor: 2})
				for _, v := range []float64{0.5, 2, 8} {
					h.Observe(v)
				}
				cfg := testConfig()
				tc.config(&cfg)
				l := mustNew(t, target(), cfg, instrumented(reg))
				if diff := cmp.Diff(tc.want, l.once(t, false), unordered, anyTime); diff != "" {
					t.Errorf("samples (-want +got):\n%s\n%s", diff, l.Status().Err)
				}
			})
		})
	}
}

// choosy is a sink that does not accept everything a sample may carry.
type choosy struct {
	recorder
	all bool
}

func (c *choosy) Takes() (exemplars, histograms bool) { return c.all, c.all }

// Each of two sinks of one scrape gets what it accepts.
func TestSinksThatLeaveOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		shop(reg)
		cfg := testConfig()
		cfg.NativeHistograms = true
		all, bare := &choosy{all: true}, &choosy{}
		l := mustNew(t, target(), cfg, instrumented(reg), all, bare)
		l.once(t, false)
		var want []sample
		for _, s := range all.take() {
			if !strings.Contains(s.Value, "histogram") && !strings.Contains(s.Series, "scrape_duration") {
				want = append(want, s)
			}
		}
		got := slices.DeleteFunc(bare.take(), func(s sample) bool { return strings.Contains(s.Series, "scrape_duration") })
		if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
		if len(all.exemplars) == 0 || len(bare.exemplars) > 0 {
			t.Errorf("exemplars %v and %v, want some and none", all.exemplars, bare.exemplars)
		}
	})
}
