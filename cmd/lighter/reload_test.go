package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lighter/discovery/dockersim"
)

// A secret that has changed on disk is used after a reload, by SIGHUP or POST. One that cannot be read is
// refused, and the running configuration continues.
func TestReloadReadsTheSecretFilesAgain(t *testing.T) {
	h := newDockerHost(t)
	token := filepath.Join(t.TempDir(), "token")
	change := func(to string) {
		t.Helper()
		if err := os.WriteFile(token, []byte(to+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	used := map[string]bool{}
	h.backend.Respond(func(r *http.Request, _ []byte) (int, http.Header, string, bool) {
		mu.Lock()
		defer mu.Unlock()
		used[r.Header.Get("Authorization")] = true
		return 0, nil, "", false
	})
	uses := func(token string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return used["Bearer "+token]
		}
	}
	change("one")
	app := h.create(dockersim.Spec{Name: "app"})
	line, stop := startAgent(t, append(h.environ, "LIGHTER_LOG_SOURCE=socket", "GRAFANA_LOKI_TOKEN_FILE="+token), "run")
	url := "http://127.0.0.1:" + itoa(line.Port) + "/-/reload"
	h.count(app, 10)
	h.arrived()
	if !uses("one")() {
		t.Fatal("the first token is not used")
	}

	change("two")
	post(t, url, http.StatusOK, "ok")
	h.count(app, 10)
	h.arrived()
	await(t, "the second token is used", uses("two"))

	change("three")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "the third token is used", func() bool {
		h.count(app, 1)
		return uses("three")()
	})

	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	post(t, url, http.StatusBadRequest, "GRAFANA_LOKI_TOKEN_FILE")
	h.count(app, 10)
	h.arrived()
	code, log := stop()
	if code != exitOK || strings.Count(log, `"msg":"the configuration was reloaded"`) != 2 || strings.Count(log, `"msg":"the configuration was not reloaded`) != 1 {
		t.Errorf("exit %d, want 0, and two reloads and one refusal in the log:\n%s", code, log)
	}
}

func post(t *testing.T, url string, want int, text string) {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if err := resp.Write(&body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want || !strings.Contains(body.String(), text) {
		t.Errorf("POST %s: status %d, want %d with %q:\n%s", url, resp.StatusCode, want, text, body.String())
	}
}
