package drop

import (
	"os"
	"strings"
	"testing"
)

// lines returns the lines of a file of testdata.
func lines(tb testing.TB, file string) []string {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			all = append(all, strings.ReplaceAll(line, `\e`, "\x1b"))
		}
	}
	return all
}

func TestHealth(t *testing.T) {
	for _, tc := range []struct {
		file string
		want bool
		min  int
	}{{"health.txt", true, 60}, {"kept.txt", false, 80}} {
		all := lines(t, tc.file)
		if len(all) < tc.min {
			t.Errorf("%s has %d lines, want at least %d", tc.file, len(all), tc.min)
		}
		var h healthRule
		for _, line := range all {
			if got := h.match([]byte(line)); got != tc.want {
				t.Errorf("match is %v, want %v: %s", got, tc.want, line)
			}
		}
	}
}

// An answered check is recognised by its status alone: the same line with another status is kept.
func TestHealthWithAnotherStatus(t *testing.T) {
	var h healthRule
	for _, line := range lines(t, "health.txt") {
		for _, status := range []string{"503", "404", "499", "100", "301", "0", "2000"} {
			other := strings.NewReplacer("200", status, "204", status, "2026", "2026").Replace(line)
			if strings.Contains(other, "/"+status) || other == line {
				continue
			}
			if h.match([]byte(other)) {
				t.Errorf("dropped: %s", other)
			}
		}
		if other := strings.NewReplacer("GET", "POST", "HEAD", "POST").Replace(line); other != line && h.match([]byte(other)) {
			t.Errorf("dropped: %s", other)
		}
	}
}

// An entry of several lines is not an access log's, and a cut line is not a complete record of an answer.
func TestHealthStaysInPieces(t *testing.T) {
	var h healthRule
	for _, line := range lines(t, "health.txt") {
		if h.match([]byte(line + "\npanic: x")) {
			t.Errorf("dropped with a second line: %s", line)
		}
	}
	if long := `{"method":"GET","path":"/health","status":200,"pad":"` + strings.Repeat("x", maxHealthLine) + `"}`; h.match([]byte(long)) {
		t.Error("dropped a line of 8 KiB")
	}
}

func FuzzHealth(f *testing.F) {
	for _, file := range []string{"health.txt", "kept.txt"} {
		for _, line := range lines(f, file) {
			f.Add([]byte(line))
		}
	}
	f.Add([]byte(`{"a":` + strings.Repeat("[", 100) + `"/health`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var h healthRule
		before := string(line)
		matched := h.match(line)
		if string(line) != before {
			t.Error("the line was changed")
		}
		if matched && !mentionsHealth(line) {
			t.Error("matched without a path")
		}
		// All parsers, regardless of the quick check.
		matchAccess(line)
		matchColumns(line)
		h.matchLogfmt(line)
		if len(line) > 0 {
			h.matchJSON(line, nil)
		}
	})
}

// The quick check finds every word of a health check.
func TestMentionsHealth(t *testing.T) {
	for _, seg := range []string{
		"health", "healthz", "healthy", "healthcheck", "health-check", "health_check", "healthchecks", "readyz", "livez", "startupz",
		"readiness", "liveness", "lbheartbeat", "__lbheartbeat__", "ready", "ping", "_ping", "alive", "heartbeat", "metrics", "live", "up",
		"startup", "prometheus", "nginx_status", "stub_status",
	} {
		if !mentionsHealth([]byte("/"+seg)) || !mentionsHealth([]byte(`{"path":"\/`+seg+`"`)) || !isHealthPath([]byte("/"+seg+"/?a=/b")) {
			t.Errorf("/%s is no health check", seg)
		}
		if mentionsHealth([]byte("/x" + seg)) {
			t.Errorf("/x%s is a health check", seg)
		}
	}
}
