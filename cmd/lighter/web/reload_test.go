package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/cmd/lighter/web"
)

// A reload is requested by POST, but not by a page of another origin. The response contains its error.
func TestReload(t *testing.T) {
	var refuse error
	reloads := 0
	s := web.New(web.Options{Source: fixed{working(), well}, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
		Reload: func() error { reloads++; return refuse }})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for name, tc := range map[string]struct {
		method string
		header map[string]string
		refuse error
		want   int
		text   string
	}{
		"a person with curl":               {method: "POST", want: 200, text: `"status":"ok"`},
		"PUT, as Prometheus takes it":      {method: "PUT", want: 200},
		"the page of this server":          {method: "POST", header: map[string]string{"Origin": s.URL(), "Sec-Fetch-Site": "same-origin"}, want: 200},
		"GET changes nothing":              {method: "GET", want: 405},
		"a page of another origin":         {method: "POST", header: map[string]string{"Origin": "http://evil.example"}, want: 403},
		"a page without an origin":         {method: "POST", header: map[string]string{"Origin": "null"}, want: 403},
		"a browser that says cross-site":   {method: "POST", header: map[string]string{"Sec-Fetch-Site": "cross-site"}, want: 403},
		"a page on another port":           {method: "POST", header: map[string]string{"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, want: 403},
		"a configuration that is not good": {method: "POST", refuse: errors.New("LIGHTER_X=y: want z"), want: 400, text: "LIGHTER_X=y: want z"},
	} {
		t.Run(name, func(t *testing.T) {
			before := reloads
			refuse = tc.refuse
			req, err := http.NewRequestWithContext(t.Context(), tc.method, s.URL()+"/-/reload", nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tc.header {
				req.Header.Set(k, v)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var body strings.Builder
			if err := resp.Write(&body); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tc.want || !strings.Contains(body.String(), tc.text) {
				t.Errorf("status %d, want %d with %q:\n%s", resp.StatusCode, tc.want, tc.text, body.String())
			}
			if reloaded := reloads > before; reloaded != (tc.want == 200 || tc.want == 400) {
				t.Errorf("reloaded: %t, with status %d", reloaded, resp.StatusCode)
			}
		})
	}
}
