package receiver_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lighter/exporters/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPaths(t *testing.T) {
	s := receiver.New(receiver.Options{MaxBodyBytes: 10})
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
	}{
		"not a path":       {"POST", "/other", "", http.StatusNotFound},
		"GET of write":     {"GET", receiver.WritePath, "", http.StatusMethodNotAllowed},
		"GET of push":      {"GET", receiver.PushPath, "", http.StatusMethodNotAllowed},
		"a long body":      {"POST", receiver.WritePath, strings.Repeat("x", 11), http.StatusRequestEntityTooLarge},
		"no remote write":  {"POST", receiver.WritePath, "x", http.StatusUnsupportedMediaType},
		"no body to write": {"POST", receiver.WritePath, "", http.StatusUnsupportedMediaType},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.body)))
			if w.Code != tc.status {
				t.Errorf("status %d, want %d", w.Code, tc.status)
			}
		})
	}
}

func TestRespond(t *testing.T) {
	s := receiver.New(receiver.Options{})
	var seen []string
	s.Respond(func(r *http.Request, body []byte) (int, http.Header, string, bool) {
		seen = append(seen, r.URL.Path+" "+string(body))
		return http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, "slow down", r.URL.Path == receiver.PushPath
	})
	for path, status := range map[string]int{receiver.PushPath: http.StatusTooManyRequests, receiver.WritePath: http.StatusUnsupportedMediaType} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader("body")))
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", path, w.Code, status)
		}
		if path == receiver.PushPath && (w.Header().Get("Retry-After") != "7" || w.Body.String() != "slow down") {
			t.Errorf("answer %v %q", w.Header(), w.Body)
		}
	}
	if len(seen) != 2 || !strings.HasSuffix(seen[0], " body") {
		t.Errorf("the hook saw %q", seen)
	}
	if s.Requests() != 2 {
		t.Errorf("%d requests, want 2", s.Requests())
	}
}

func TestListen(t *testing.T) {
	s := receiver.New(receiver.Options{})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(s.URL()+"/other", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", resp.StatusCode)
	}
	if err := receiver.New(receiver.Options{}).Listen(strings.TrimPrefix(s.URL(), "http://")); err == nil {
		t.Error("two listen on one address")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := receiver.New(receiver.Options{}).Close(); err != nil {
		t.Errorf("Close without Listen: %v", err)
	}
}
