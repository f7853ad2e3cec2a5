package send_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"

	"lighter/exporters/send"
)

// A failure on the way through a proxy names the proxy without its password. A proxy that requires another
// password holds the endpoint, whether it reports that in a response or by refusing a tunnel.
func TestProxyFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		answers func(int, string) (*http.Response, error)
		want    string
		held    bool
	}{
		"nobody listens": {
			func(int, string) (*http.Response, error) {
				return nil, &net.OpError{Op: "proxyconnect", Net: "tcp", Err: syscall.ECONNREFUSED}
			},
			"through the proxy http://proxy.test:3128: proxyconnect tcp: connection refused", false},
		"no tunnel without a password": {
			func(int, string) (*http.Response, error) { return nil, errors.New("Proxy authentication required") },
			"status 407: through the proxy http://proxy.test:3128: Proxy authentication required (check the proxy's credentials)", true},
		"no response without a password": {
			func(int, string) (*http.Response, error) { return status(407, "") },
			"status 407: from the proxy http://proxy.test:3128: (check the proxy's credentials)", true},
		"no tunnel": {
			func(int, string) (*http.Response, error) { return nil, errors.New("Forbidden") },
			"through the proxy http://proxy.test:3128: Forbidden", false},
		"the endpoint's own words": {
			func(int, string) (*http.Response, error) { return status(401, "who?") },
			"status 401: who? (check the user and the token)", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := send.New(send.Options{
					Endpoint: "letters", URL: "https://backend.test/push", Client: &http.Client{Transport: &backend{answers: tc.answers}},
					Proxy:    &url.URL{Scheme: "http", Host: "proxy.test:3128", User: url.UserPassword("me", "hunter2")},
					Protocol: letters{}, Timeout: 10 * time.Second,
					Delivered: prometheus.NewCounter(prometheus.CounterOpts{Name: "delivered"}),
					Dropped:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dropped"}, []string{"endpoint", "reason"}),
					Metrics:   send.NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler),
				})
				ended := make(chan error, 1)
				go func() { ended <- s.Deliver(t.Context(), six()) }()
				time.Sleep(time.Second)
				if got := s.Status().LastError; got != tc.want {
					t.Errorf("last error %q, want %q", got, tc.want)
				}
				if err := s.Err(); (err != nil) != tc.held {
					t.Errorf("after a second Err() = %v, want it held: %t", err, tc.held)
				}
			})
		})
	}
}

func TestThroughProxy(t *testing.T) {
	c, err := send.ThroughProxy(promconfig.DefaultHTTPClientConfig, "http://me:hunter2@proxy.test:3128")
	if err != nil || c.ProxyURL.Host != "proxy.test:3128" {
		t.Errorf("proxy %v, err %v", c.ProxyURL, err)
	}
	if _, err := send.ThroughProxy(c, "http://me:hunter2@proxy.test:x"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("err = %v, want one without the password", err)
	}
}
