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
				time.Sleep(5*time.Second + tc.every)
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
				if len(asked) < 2 || asked[1].Sub(asked[0]) != tc.every {
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
