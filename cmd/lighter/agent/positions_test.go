package agent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/cmd/lighter/web"
	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
	"lighter/config"
	discoveryfile "lighter/discovery/file"
	discoveryhttp "lighter/discovery/http"
)

// journalOf returns a source that reads a journal, the nodes before it, and a function that writes numbered
// lines to the journal.
func journalOf(t *testing.T) (source config.Node, before []config.Node, write func(from, to int)) {
	dir := t.TempDir()
	w, err := journaltest.Create(filepath.Join(dir, "system.journal"), journaltest.Options{File: journalfile.ID{1}, Source: journalfile.ID{2}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	begun := uint64(time.Now().UnixMicro())
	return config.Node{Name: "source", Args: config.JournalSource{Path: dir, MaxAge: time.Hour, Labels: labels.FromStrings("kind", "read"), MaxLineBytes: 256 << 10}}, nil, func(from, to int) {
		for i := from; i < to; i++ {
			n := uint64(i)
			if err := w.Append(journaltest.Entry{Seqnum: n + 1, Realtime: begun + n, Monotonic: n + 1, Boot: journalfile.ID{3}, Fields: []string{fmt.Sprintf("MESSAGE=line %d", i)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// filesOf returns the same for files that are found by a pattern. Each third of the lines is in a separate
// file, which the writer creates.
func filesOf(t *testing.T) (source config.Node, before []config.Node, write func(from, to int)) {
	dir := t.TempDir()
	before = []config.Node{
		{Name: "static", Args: config.Static{Targets: []labels.Labels{labels.FromStrings("__path__", dir+"/*.log", "kind", "read")}}},
		{Name: "match", From: []string{"static"}, Args: config.FileMatch{SyncPeriod: 50 * time.Millisecond}},
	}
	return config.Node{Name: "source", From: []string{"match"}, Args: config.FileSource{MaxLineBytes: 256 << 10}}, before, func(from, to int) {
		for i := from; i < to; i++ {
			f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%d.log", i/170)), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(f, "line %d\n", i); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Lines from sources with positions arrive once, across reloads, a restart and a kill.
func TestSourcesWithPositions(t *testing.T) {
	for kind, made := range map[string]func(t *testing.T) (config.Node, []config.Node, func(from, to int)){
		"journal": journalOf,
		"file":    filesOf,
	} {
		t.Run(kind, func(t *testing.T) {
			h, b, other := newHost(t), newBackend(t), newBackend(t)
			source, before, write := made(t)
			plan := func(to []string, nodes ...config.Node) *config.Plan {
				source.To = to
				return h.plan(before, []config.Node{source}, nodes)
			}
			loki, second := lokiNode("loki", b), lokiNode("other", other)
			write(0, 100)
			a := h.run(plan([]string{"loki"}, loki))
			b.once(t, "kind", "read", 100)

			a.apply(t, plan([]string{"stages"}, config.Node{Name: "stages", To: []string{"loki"}, Args: config.Stages{}}, withLabel(loki, "unused", "")))
			write(100, 200)
			a.apply(t, plan([]string{"loki", "other"}, loki, second))
			other.once(t, "kind", "read", 200) // a path that is new reads from the beginning
			write(200, 300)
			b.once(t, "kind", "read", 300)
			other.once(t, "kind", "read", 300)
			await(t, "what has arrived is acknowledged", func() bool {
				return !slices.ContainsFunc(a.Status().Sources, func(st web.LogSource) bool { return st.Read != st.Delivered })
			})
			ends := map[string]bool{}
			for _, st := range a.Status().Sources {
				if st.Kind != kind || st.State != "following" || st.Position.IsZero() || st.Read != st.Delivered || len(st.To) != 1 {
					t.Errorf("status: %+v", st)
				}
				ends[st.To[0]] = true
			}
			if !ends["loki"] || !ends["other"] {
				t.Errorf("sources of %v, want one a path", ends)
			}

			other.away.Store(true)
			write(300, 400)
			b.once(t, "kind", "read", 400)
			h.dataDir = h.copied() // what is left if the agent is killed now
			a.stop()
			write(400, 500)
			other.away.Store(false)
			a = h.run(plan([]string{"loki", "other"}, loki, second))
			b.once(t, "kind", "read", 500)
			other.once(t, "kind", "read", 500)
			a.stop()
			a = h.run(plan([]string{"loki"}, loki))
			write(500, 510)
			b.once(t, "kind", "read", 510)
			a.stop()
		})
	}
}

// The position of a removed file is deleted once all of the file is delivered.
func TestThePositionOfARemovedFile(t *testing.T) {
	if testing.Short() {
		t.Skip("the reader of what is wanted no more may go on for 10 s")
	}
	h, b := newHost(t), newBackend(t)
	source, before, write := filesOf(t)
	source.To = []string{"loki"}
	write(0, 10)
	a := h.run(h.plan(before, []config.Node{source, lokiNode("loki", b)}))
	b.once(t, "kind", "read", 10)
	positions := func() string {
		b, err := os.ReadFile(filepath.Join(h.dataDir, "positions.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	file := a.Status().Sources[0].Name
	if forgotten := fmt.Sprintf(`{"id":"source/loki/%s","forget":true`, file); !strings.Contains(positions(), file) || strings.Contains(positions(), forgotten) {
		t.Fatalf("positions: %s", positions())
	} else if err := os.Remove(file); err != nil {
		t.Fatal(err)
	} else {
		await(t, "the file is no source any more", func() bool { return len(a.Status().Sources) == 0 })
		await(t, "its position is forgotten", func() bool { return strings.Contains(positions(), forgotten) })
	}
}

// A source reads the files of targets that discovery.file or discovery.http has found, as for any other target.
func TestTargetsOfDiscoveries(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	dir := t.TempDir()
	group := func(kind string) string {
		name := filepath.Join(dir, kind+".log")
		if err := os.WriteFile(name, []byte("line 0\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`[{"targets": ["here"], "labels": {"__path__": %q, "kind": %q}}]`, name, kind)
	}
	if err := os.WriteFile(filepath.Join(dir, "targets.json"), []byte(group("file")), 0o600); err != nil {
		t.Fatal(err)
	}
	answer := group("http")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(s.Close)
	inFiles, byHTTP := discoveryfile.DefaultConfig(), discoveryhttp.DefaultConfig()
	inFiles.Files, byHTTP.URL = []string{filepath.Join(dir, "*.json")}, s.URL
	a := h.run(h.plan([]config.Node{
		{Name: "in_files", Args: inFiles},
		{Name: "by_http", Args: byHTTP},
		{Name: "read", From: []string{"in_files", "by_http"}, To: []string{"loki"}, Args: config.FileSource{MaxLineBytes: 1000}},
		lokiNode("loki", b),
	}))
	b.once(t, "kind", "file", 1)
	b.once(t, "kind", "http", 1)
	a.stop()
}
