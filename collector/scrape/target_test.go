package scrape_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/collector/scrape"
)

func TestRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		target  []string
		url     string
		timeout string
		every   time.Duration
	}{
		"defaults": {nil, "http://api:3000/metrics", "10", 30 * time.Second},
		"all by label": {
			[]string{"__scheme__", "https", "__metrics_path__", "custom/metrics", "__param_module", "a b", "__scrape_interval__", "1m", "__scrape_timeout__", "2500ms"},
			"https://api:3000/custom/metrics?module=a+b", "2.5", time.Minute},
		"a query in the path":                   {[]string{"__metrics_path__", "/v1/metrics?format=prometheus"}, "http://api:3000/v1/metrics?format=prometheus", "10", 30 * time.Second},
		"a query, no slash":                     {[]string{"__metrics_path__", "metrics?format=prometheus"}, "http://api:3000/metrics?format=prometheus", "10", 30 * time.Second},
		"a query alone":                         {[]string{"__metrics_path__", "?format=prometheus"}, "http://api:3000/metrics?format=prometheus", "10", 30 * time.Second},
		"a query and a parameter":               {[]string{"__metrics_path__", "/metrics?b=1", "__param_a", "x y"}, "http://api:3000/metrics?b=1&a=x+y", "10", 30 * time.Second},
		"a query as it is written":              {[]string{"__metrics_path__", `/federate?match[]={job="a b"}&match[]=up%20`}, `http://api:3000/federate?match[]={job=%22a%20b%22}&match[]=up%20`, "10", 30 * time.Second},
		"a question mark, no query":             {[]string{"__metrics_path__", "/metrics?"}, "http://api:3000/metrics", "10", 30 * time.Second},
		"what no request line may hold":         {[]string{"__metrics_path__", "/a b#c\n?d e#f\n\u00e9"}, "http://api:3000/a%20b%23c%0A?d%20e%23f%0A%C3%A9", "10", 30 * time.Second},
		"a path that is escaped already":        {[]string{"__metrics_path__", "/a%20b%2Fc"}, "http://api:3000/a%20b%2Fc", "10", 30 * time.Second},
		"a percent sign that escapes none":      {[]string{"__metrics_path__", "/100%/x"}, "http://api:3000/100%25/x", "10", 30 * time.Second},
		"a short interval shortens the timeout": {[]string{"__scrape_interval__", "5s"}, "http://api:3000/metrics", "5", 5 * time.Second},
		"IPv6":                                  {[]string{"__address__", "[fd00::1]:9100"}, "http://[fd00::1]:9100/metrics", "10", 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []time.Time
				var req *http.Request
				l := mustNew(t, target(tc.target...), testConfig(), site(func(r *http.Request) (*http.Response, error) {
					asked, req = append(asked, time.Now()), r
					return response(http.StatusOK, text, "a 1\n"), nil
				}))
				stop := l.run(t)
				time.Sleep(5*time.Second + 2*tc.every)
				stop(nil)
				if got := req.URL.String(); got != tc.url {
					t.Errorf("URL %s, want %s", got, tc.url)
				}
				if got := req.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"); got != tc.timeout {
					t.Errorf("timeout %s, want %s", got, tc.timeout)
				}
				if got := req.Header.Get("Accept"); !strings.HasPrefix(got, "application/openmetrics-text;version=1.0.0;") || !strings.Contains(got, "text/plain;version=0.0.4;q=") {
					t.Errorf("Accept %s", got)
				}
				if got := req.Header.Get("User-Agent"); got != "lighter/test" {
					t.Errorf("User-Agent %s", got)
				}
				if len(asked) < 3 || asked[2].Sub(asked[1]) != tc.every { // the first scrape starts when the target is found
					t.Errorf("asked at %v, want every %s", asked, tc.every)
				}
			})
		})
	}
}

func TestBadTargets(t *testing.T) {
	for name, tc := range map[string]struct {
		target []string
		want   string
	}{
		"path in the address":      {[]string{"__address__", "api:3000/metrics"}, `target of scrape api: __address__ is "api:3000/metrics", host:port is expected`},
		"user in the address":      {[]string{"__address__", "me:secret@api:3000"}, "target of scrape api: __address__ holds an @: user and password belong in the scrape's authentication"},
		"control in address":       {[]string{"__address__", "api\n:3000"}, `target of scrape api: __address__ is "api\n:3000", host:port is expected`},
		"scheme":                   {[]string{"__scheme__", "ftp"}, `target api:3000: scheme "ftp", use http or https`},
		"interval":                 {[]string{"__scrape_interval__", "often"}, `target api:3000: __scrape_interval__ is "often", a duration such as 30s is expected, and at least 100ms`},
		"interval in a wrong unit": {[]string{"__scrape_interval__", "1ms"}, `target api:3000: __scrape_interval__ is "1ms", a duration such as 30s is expected, and at least 100ms`},
		"zero interval":            {[]string{"__scrape_interval__", "0s"}, `target api:3000: __scrape_interval__ is "0s", a duration such as 30s is expected, and at least 100ms`},
		"timeout over interval":    {[]string{"__scrape_timeout__", "31s"}, "target api:3000: timeout 31s must be above zero and not above the interval 30s"},
		"label name":               {[]string{"a.b", "c"}, `target api:3000: label name "a.b" is not valid`},
		"label value":              {[]string{"a", "\xff"}, "target api:3000: value of label a is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scrape.New(target(tc.target...), testConfig(), scrape.Options{})
			if err == nil || err.Error() != tc.want {
				t.Errorf("err = %v, want %s", err, tc.want)
			}
		})
	}
	t.Run("no address", func(t *testing.T) {
		none := target()
		none.Labels = none.Labels.DropReserved(func(string) bool { return true })
		if _, err := scrape.New(none, testConfig(), scrape.Options{}); err == nil {
			t.Error("a target without address is taken")
		}
	})
}

// A query may hold a token: it is sent, but not shown, and it changes neither instance nor job.
func TestQueryIsNotShown(t *testing.T) {
	l, err := scrape.New(target("__metrics_path__", "/metrics?token=hunter2"), testConfig(), scrape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := l.Status()
	if st.URL != "http://api:3000/metrics" || st.Labels.Get("instance") != "api:3000" || strings.Contains(st.Labels.String(), "hunter2") {
		t.Errorf("URL %s, labels %s, want them without the query", st.URL, st.Labels)
	}
}

// The common path of all targets may have a query, too, which a target's own path replaces.
func TestQueryOfTheCommonPath(t *testing.T) {
	for path, want := range map[string]string{
		"":      "http://api:3000/v1/metrics?format=prometheus",
		"/m":    "http://api:3000/m",
		"?x=1":  "http://api:3000/v1/metrics?x=1",
		"m?x=1": "http://api:3000/m?x=1",
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.Path = "/v1/metrics?format=prometheus"
			var got string
			l := mustNew(t, target("__metrics_path__", path), cfg, site(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				return response(http.StatusOK, text, "a 1\n"), nil
			}))
			stop := l.run(t)
			time.Sleep(cfg.Interval)
			stop(nil)
			if got != want {
				t.Errorf("with path %q it asks %s, want %s", path, got, want)
			}
		})
	}
}

// TestABadAddressIsShownWithoutItsQuery: a query may hold a token.
func TestABadAddressIsShownWithoutItsQuery(t *testing.T) {
	_, err := scrape.New(target("__address__", "api:3000?token=hunter2"), testConfig(), scrape.Options{})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "api:3000") {
		t.Errorf("err = %v", err)
	}
}

// TestABadLabelOfAContainerIsNamed: an error names the label that the user wrote, not the one made from it.
func TestABadLabelOfAContainerIsNamed(t *testing.T) {
	const prefix = "__meta_docker_container_label_"
	for name, tc := range map[string]struct {
		pairs []string
		want  string
	}{
		"a port":             {[]string{"__address__", "172.19.0.5:http", prefix + "lighter_port", " http "}, `the container's label lighter.port is "http", a port from 1 to 65535 is expected`},
		"a port of 0":        {[]string{"__address__", "172.19.0.5:0", prefix + "lighter_port", "0"}, `the container's label lighter.port is "0", a port from 1 to 65535 is expected`},
		"a large port":       {[]string{"__address__", "172.19.0.5:99999", prefix + "prometheus_io_port", "99999"}, `the container's label prometheus.io/port is "99999", a port from 1 to 65535 is expected`},
		"ours is before it":  {[]string{"__address__", "172.19.0.5:http", prefix + "lighter_port", "http", prefix + "prometheus_io_port", "80"}, `the container's label lighter.port is "http"`},
		"no label":           {[]string{"__address__", "172.19.0.5:http"}, `__address__ is "172.19.0.5:http"`},
		"another address":    {[]string{"__address__", "172.19.0.5:http", prefix + "lighter_port", "80"}, `__address__ is "172.19.0.5:http"`},
		"an interval":        {[]string{"__scrape_interval__", "soon", prefix + "lighter_interval", "soon"}, `the container's label lighter.interval is "soon", a duration such as 30s is expected, and at least 100ms`},
		"interval, no label": {[]string{"__scrape_interval__", "soon"}, `__scrape_interval__ is "soon"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scrape.New(target(tc.pairs...), testConfig(), scrape.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %s", err, tc.want)
			}
		})
	}
}
