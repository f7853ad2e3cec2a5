package scrape_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/prometheus/prompb/io/prometheus/client"

	"lighter/collector/scrape"
)

// TestNothingOfABrokenPageIsRepeated: what a target serves by mistake may be a secret.
func TestNothingOfABrokenPageIsRepeated(t *testing.T) {
	const secret = "AKIAIOSFODNN7EXAMPLE"
	const openMetrics = "application/openmetrics-text; version=1.0.0"
	for name, tc := range map[string]struct{ contentType, page, want string }{
		"environment file":     {text, "AWS_KEY=" + secret + "\n", "broken"},
		"a token":              {text, secret + "\n", "broken"},
		"a name and a word":    {text, "password " + secret + "\n", `"password…"`},
		"a label's value":      {text, `a{b="` + secret + `"x} 1` + "\n", `"a…"`},
		"a label's name":       {text, `a{` + secret + `} 1` + "\n", `"a…"`},
		"UTF-8 in a label":     {text, "a{b=\"" + secret + "\xff\"} 1\n", "UTF-8"},
		"a type":               {text, "# TYPE a " + secret + "\n", "invalid metric type"},
		"a help text":          {text, "# HELP a " + secret + "\xff\n", "help text"},
		"a time":               {text, "a 1 " + secret + "\n", "broken"},
		"a quoted name":        {text, `{"` + secret + `"x} 1` + "\n", "broken"},
		"a label twice":        {text, `a{` + secret + `="1",` + secret + `="2"} 1` + "\n", "twice"},
		"OpenMetrics, a value": {openMetrics, "a " + secret + "\n# EOF\n", `"a…"`},
		"OpenMetrics, a unit":  {openMetrics, "# UNIT a " + secret + "\n# EOF\n", "broken"},
		"no HTTP":              {"raw", "", "malformed HTTP response"},
		"protobuf, a name":     {"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", families(t, &dto.MetricFamily{Name: secret + "\xff", Type: dto.MetricType_GAUGE, Metric: []dto.Metric{{Gauge: &dto.Gauge{Value: 1}}}}), "invalid metric name"},
		"protobuf, a help":     {"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", families(t, &dto.MetricFamily{Name: "a", Help: secret + "\xff", Type: dto.MetricType_GAUGE, Metric: []dto.Metric{{Gauge: &dto.Gauge{Value: 1}}}}), `invalid help for metric "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.NativeHistograms = true
				transport := http.RoundTripper(pages(tc.contentType, tc.page, tc.page))
				if tc.contentType == "raw" {
					transport = &http.Transport{DialContext: says(secret + "\r\n\r\n"), DisableKeepAlives: true}
				}
				l := mustNew(t, target(), cfg, transport)
				l.once(t, false)
				st := l.Status()
				if st.Health != scrape.Down || !strings.Contains(st.Err, tc.want) {
					t.Errorf("status %s, %q, want it down for %q", st.Health, st.Err, tc.want)
				}
				if strings.Contains(st.Err+l.log.String(), secret) {
					t.Errorf("the page is repeated: %s", st.Err)
				}
				time.Sleep(time.Second)
			})
		})
	}
}

// TestTheWordsOfAnAnswerAreNotRepeated: an error repeats a response's status code, but not its status text.
func TestTheWordsOfAnAnswerAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), site(func(*http.Request) (*http.Response, error) {
			resp := response(http.StatusTeapot, text, "")
			resp.Status = "418 hunter2"
			return resp, nil
		}))
		l.once(t, false)
		if st := l.Status(); st.Err != "it answered 418 I'm a teapot" {
			t.Errorf("err = %q", st.Err)
		}
	})
}

// says returns a dial function for connections that respond to a request with words.
func says(words string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			_, _ = theirs.Read(make([]byte, 4096))
			_, _ = io.WriteString(theirs, words)
		}()
		return ours, nil
	}
}

// TestRedirects: a target may redirect the agent to another path, or to TLS, but not to another target.
func TestRedirects(t *testing.T) {
	for name, tc := range map[string]struct {
		locations []string
		wantErr   string // empty if the redirect is followed
	}{
		"another path":                   {[]string{"/elsewhere"}, ""},
		"the same host and port":         {[]string{"http://api:3000/elsewhere?x=1"}, ""},
		"in capitals":                    {[]string{"http://API:3000/elsewhere"}, ""},
		"https on the host":              {[]string{"https://api/metrics"}, ""},
		"https on another port":          {[]string{"https://api:8443/metrics"}, ""},
		"another path, then https":       {[]string{"/a", "https://api:3000/b"}, ""},
		"another port":                   {[]string{"http://api:3001/metrics?token=hunter2"}, "it redirected to api:3001, which is not asked"},
		"no port":                        {[]string{"http://api/metrics"}, "it redirected to api, which is not asked"},
		"another host":                   {[]string{"http://me:hunter2@169.254.169.254/latest/meta-data?hunter2"}, "it redirected to 169.254.169.254, which is not asked"},
		"another host by TLS":            {[]string{"https://other:3000/metrics"}, "it redirected to other:3000, which is not asked"},
		"to TLS and to another port":     {[]string{"https://api/a", "http://api:8080/b"}, "it redirected to api:8080, which is not asked"},
		"a path first":                   {[]string{"/a", "//other/b"}, "it redirected to other, which is not asked"},
		"a name that begins like it":     {[]string{"http://api.evil:3000/"}, "it redirected to api.evil:3000, which is not asked"},
		"a location that cannot be read": {[]string{"http://[hunter2/"}, "it redirected to what is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				client, err := scrape.NewClient(testConfig())
				if err != nil {
					t.Fatal(err)
				}
				client.Transport = site(func(r *http.Request) (*http.Response, error) {
					asked++
					if asked > len(tc.locations) {
						return response(http.StatusOK, text, "a 1\n"), nil
					}
					resp := response(http.StatusFound, text, "")
					resp.Header.Set("Location", tc.locations[asked-1])
					return resp, nil
				})
				l := newWith(t, target(), testConfig(), client)
				l.once(t, false)
				st := l.Status()
				if tc.wantErr == "" && (st.Health != scrape.Up || asked != len(tc.locations)+1) {
					t.Errorf("status %+v after %d requests, want the redirect followed", st, asked)
				}
				if tc.wantErr != "" && (st.Err != tc.wantErr || asked != len(tc.locations)) {
					t.Errorf("err = %q after %d requests, want %q", st.Err, asked, tc.wantErr)
				}
				if strings.Contains(st.Err+l.log.String(), "hunter2") {
					t.Errorf("a secret is shown: %s", st.Err)
				}
			})
		})
	}
}
