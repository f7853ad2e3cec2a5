package env_test

import (
	"os"
	"testing"

	"lighter/collector/scrape"
	"lighter/config/env"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// Each backend has the proxy that Go's own clients would use for its URL.
func TestProxyOfABackend(t *testing.T) {
	for name, tc := range map[string]struct {
		env        []string
		loki, prom string // for https://loki.corp and http://prom.corp:9090
	}{
		"none":               {nil, "", ""},
		"one for each":       {[]string{"HTTPS_PROXY=http://a:1", "HTTP_PROXY=http://b:2"}, "http://a:1", "http://b:2"},
		"for https alone":    {[]string{"HTTPS_PROXY=http://a:1"}, "http://a:1", ""},
		"for http alone":     {[]string{"HTTP_PROXY=http://a:1"}, "", "http://a:1"},
		"small letters":      {[]string{"https_proxy=http://a:1", "http_proxy=http://b:2"}, "http://a:1", "http://b:2"},
		"small letters win":  {[]string{"HTTPS_PROXY=http://a:1", "https_proxy=http://b:2"}, "http://b:2", ""},
		"an empty one":       {[]string{"HTTPS_PROXY=http://a:1", "https_proxy="}, "http://a:1", ""},
		"without a scheme":   {[]string{"HTTPS_PROXY=a:1", "HTTP_PROXY=b"}, "http://a:1", "http://b"},
		"a last slash":       {[]string{"HTTPS_PROXY=http://a:1/"}, "http://a:1", ""},
		"other kinds":        {[]string{"HTTPS_PROXY=https://a:1", "HTTP_PROXY=socks5://b:2"}, "https://a:1", "socks5://b:2"},
		"a password":         {[]string{"HTTPS_PROXY=http://me:p%40ss@a:1"}, "http://me:p%40ss@a:1", ""},
		"in quotes":          {[]string{`HTTPS_PROXY="http://a:1"`}, "http://a:1", ""},
		"not for a name":     {[]string{"HTTPS_PROXY=a:1", "HTTP_PROXY=b:2", "NO_PROXY=prom.corp"}, "http://a:1", ""},
		"not for a domain":   {[]string{"HTTPS_PROXY=a:1", "HTTP_PROXY=b:2", "no_proxy=other, .corp"}, "", ""},
		"not for anything":   {[]string{"HTTPS_PROXY=a:1", "HTTP_PROXY=b:2", "NO_PROXY=*"}, "", ""},
		"not for that port":  {[]string{"HTTP_PROXY=b:2", "NO_PROXY=prom.corp:9090"}, "", ""},
		"for the other port": {[]string{"HTTP_PROXY=b:2", "NO_PROXY=prom.corp:80"}, "", "http://b:2"},
	} {
		t.Run(name, func(t *testing.T) {
			environ := append([]string{"GRAFANA_LOKI_URL=https://loki.corp", "GRAFANA_PROM_URL=http://prom.corp:9090/write"}, tc.env...)
			p, _, err := env.FromEnv(environ, os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			if have := first[loki.Config](p).Proxy.Reveal(); have != tc.loki {
				t.Errorf("Loki is reached through %q, want %q", have, tc.loki)
			}
			if have := first[remotewrite.Config](p).Proxy.Reveal(); have != tc.prom {
				t.Errorf("Prometheus is reached through %q, want %q", have, tc.prom)
			}
			c := first[scrape.Config](p)
			if have := c.HTTP.Proxy(); have != nil {
				t.Error("targets may be scraped through a proxy")
			}
		})
	}
}

func TestLoopbackHasNoProxy(t *testing.T) {
	p, _, err := env.FromEnv([]string{"GRAFANA_LOKI_URL=http://127.0.0.1:3100", "GRAFANA_PROM_URL=http://localhost:9090/write", "HTTP_PROXY=a:1"}, os.ReadFile)
	if err != nil || first[loki.Config](p).Proxy != "" || first[remotewrite.Config](p).Proxy != "" {
		t.Errorf("err = %v, plan %+v", err, p)
	}
}
