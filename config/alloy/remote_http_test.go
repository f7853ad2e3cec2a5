package alloy_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"lighter/config"
	"lighter/config/alloy"
	"lighter/discovery/dns"
	"lighter/discovery/file"
	discoveryhttp "lighter/discovery/http"
	"lighter/exporters/loki"
)

// TestRemoteHTTP makes a plan from the answer of a server.
func TestRemoteHTTP(t *testing.T) {
	var content, asked atomic.Value
	content.Store("one")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		asked.Store(r.Method + " " + r.Header.Get("X-Want") + " " + user)
		if content.Load() == "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = fmt.Fprint(w, content.Load())
	}))
	defer server.Close()
	text := fmt.Sprintf(`remote.http "tenant" {
	url     = "%s/tenant?key=glc_secret"
	method  = "POST"
	headers = {"X-Want" = "text"}

	client {
		basic_auth {
			username = "me"
			password = "secret"
		}
	}
}

loki.write "w" {
	endpoint {
		url       = "http://loki/push"
		tenant_id = remote.http.tenant.content
	}
}
`, server.URL)
	f, err := alloy.Load("-", from(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.All[loki.Config](f.Plan) {
		if c.Tenant != "one" {
			t.Errorf("the tenant is %q", c.Tenant)
		}
	}
	if asked.Load() != "POST text me" {
		t.Errorf("it was asked %q", asked.Load())
	}
	if len(f.Polls) != 1 || strings.Contains(f.Polls[0].Shown, "glc_") {
		t.Fatalf("the polls are %+v", f.Polls)
	}
	if changed, err := f.Polls[0].Changed(t.Context()); changed || err != nil {
		t.Errorf("the same content: changed = %v, err = %v", changed, err)
	}
	content.Store("two")
	if changed, err := f.Polls[0].Changed(t.Context()); !changed || err != nil {
		t.Errorf("another content: changed = %v, err = %v", changed, err)
	}
	content.Store("")
	want := server.URL + "/tenant cannot be read: the answer is 418 I'm a teapot, not 200 OK"
	if changed, err := f.Polls[0].Changed(t.Context()); changed || err == nil || err.Error() != want {
		t.Errorf("no content: changed = %v, err = %v", changed, err)
	}
	_, err = alloy.Load("-", from(text))
	var ds alloy.Diagnostics
	if !errors.As(err, &ds) || len(ds) != 1 || ds[0].Message != want || ds[0].Line != 2 {
		t.Errorf("the error is %v", err)
	}
	o := from(text)
	o.Unset = true
	if f, err := alloy.Load("-", o); err != nil || len(f.Warnings) != 1 {
		t.Errorf("where the file is only looked at: %+v, %v", f, err)
	}
}

// TestDiscoveries loads the discoveries other than discovery.docker.
func TestDiscoveries(t *testing.T) {
	f, err := alloy.Load("-", from(`discovery.file "x" {
	files = ["/etc/targets/*.json"]
}

discovery.http "x" {
	url              = "http://targets/all"
	refresh_interval = "10s"
	bearer_token     = "a"
}

discovery.dns "x" {
	names = ["app.example"]
	type  = "A"
	port  = 8080
}

prometheus.scrape "x" {
	targets    = array.concat(discovery.file.x.targets, discovery.http.x.targets, discovery.dns.x.targets)
	forward_to = [prometheus.remote_write.x.receiver]
}

prometheus.remote_write "x" {
	endpoint {
		url = "http://prometheus/write"
	}
}
`))
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := f.Plan.Node("discovery.file.x"); n.Args.(file.Config).RefreshInterval.String() != "5m0s" {
		t.Errorf("the node is %+v", n)
	}
	if n, _ := f.Plan.Node("discovery.http.x"); n.Args.(discoveryhttp.Config).HTTP.Authorization.Credentials != "a" {
		t.Errorf("the node is %+v", n)
	}
	if n, _ := f.Plan.Node("discovery.dns.x"); n.Args.(dns.Config).Port != 8080 {
		t.Errorf("the node is %+v", n)
	}
	if n, _ := f.Plan.Node("prometheus.scrape.x"); len(n.From) != 3 {
		t.Errorf("the node is %+v", n)
	}
}
