package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
)

// leave writes a position as Alloy leaves it in the data directory.
func (h *host) leave(node, path, labels, value string) {
	h.t.Helper()
	dir := filepath.Join(h.dataDir, node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	text := fmt.Sprintf("positions:\n  ? path: %s\n    labels: '%s'\n  : \"%s\"\n", path, labels, value)
	if err := os.WriteFile(filepath.Join(dir, "positions.yml"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// Reading continues where Alloy has stopped, but only if there is no position of lighter's own.
func TestPositionsOfAlloy(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	h.write(api, 10)
	h.mu.Lock()
	h.clock += int64(5 * time.Second)
	left := h.clock / int64(time.Second)
	h.mu.Unlock()
	h.write(api, 10)
	h.leave("logs", "cursor-"+api.ID(), `{container="api"}`, fmt.Sprint(left))

	file := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(file, []byte("line x\nline 0\nline 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.leave("files", file, `{kind="read"}`, "7")

	p := h.plan(logs("logs", "logs", "loki"), []config.Node{
		{Name: "static", Args: config.Static{Targets: []labels.Labels{labels.FromStrings("__path__", file, "kind", "read")}}},
		{Name: "files", From: []string{"static"}, To: []string{"loki"}, Args: config.FileSource{MaxLineBytes: 1000}},
		lokiNode("loki", b),
	})
	a := h.run(p)
	await(t, "the container's later lines arrive", func() bool { return len(b.numbers("api", "source", "logs")) >= 10 })
	if got := b.numbers("api", "source", "logs"); got[0] != 10 {
		t.Errorf("the first line is number %d, want 10", got[0])
	}
	b.once(t, "kind", "read", 2)
	if n := len(a.said.lines("another agent has left off")); n != 2 {
		t.Errorf("it was said %d times, want once a source", n)
	}
	a.stop()

	h.leave("logs", "cursor-"+api.ID(), `{container="api"}`, "0")
	h.write(api, 1)
	a = h.run(p)
	await(t, "the new line arrives", func() bool { return len(b.numbers("api", "source", "logs")) >= 11 })
	a.stop()
	if n := len(b.numbers("api", "source", "logs")); n != 11 {
		t.Errorf("%d lines arrived, want 11", n)
	}
	if n := len(a.said.lines("another agent has left off")); n != 0 {
		t.Errorf("it was said %d times with positions of our own, want never", n)
	}
}
