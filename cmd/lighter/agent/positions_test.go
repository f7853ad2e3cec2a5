package agent_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
	"lighter/config"
)

// journalOf returns a source that reads a journal, and what writes lines of numbers to that.
func journalOf(t *testing.T) (source config.Node, write func(from, to int)) {
	dir := t.TempDir()
	w, err := journaltest.Create(filepath.Join(dir, "system.journal"), journaltest.Options{File: journalfile.ID{1}, Source: journalfile.ID{2}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	begun := uint64(time.Now().UnixMicro())
	return config.Node{Name: "source", Args: config.JournalSource{Path: dir, MaxAge: time.Hour, Labels: labels.FromStrings("kind", "read"), MaxLineBytes: 256 << 10}}, func(from, to int) {
		for i := from; i < to; i++ {
			n := uint64(i)
			if err := w.Append(journaltest.Entry{Seqnum: n + 1, Realtime: begun + n, Monotonic: n + 1, Boot: journalfile.ID{3}, Fields: []string{fmt.Sprintf("MESSAGE=line %d", i)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What sources with positions read arrives once, over reloads, a restart and a kill.
func TestSourcesWithPositions(t *testing.T) {
	for kind, made := range map[string]func(t *testing.T) (config.Node, func(from, to int)){
		"journal": journalOf,
	} {
		t.Run(kind, func(t *testing.T) {
			h, b, other := newHost(t), newBackend(t), newBackend(t)
			source, write := made(t)
			to := func(names ...string) config.Node {
				source.To = names
				return source
			}
			write(0, 100)
			a := h.run(h.plan([]config.Node{to("loki"), lokiNode("loki", b)}))
			b.once(t, "kind", "read", 100)

			a.apply(t, h.plan([]config.Node{to("stages"), {Name: "stages", To: []string{"loki"}, Args: config.Stages{}}, withLabel(lokiNode("loki", b), "unused", "")}))
			write(100, 200)
			a.apply(t, h.plan([]config.Node{to("loki", "other"), lokiNode("loki", b), lokiNode("other", other)}))
			other.once(t, "kind", "read", 200) // a path that is new reads from the beginning
			write(200, 300)
			b.once(t, "kind", "read", 300)
			other.once(t, "kind", "read", 300)
			st := a.Status().Sources
			if len(st) != 2 || st[0].Kind != kind || st[0].Position.IsZero() || !slices.Equal(st[1].To, []string{"other"}) {
				t.Errorf("status: %+v", st)
			}

			other.away.Store(true)
			write(300, 400)
			b.once(t, "kind", "read", 400)
			h.dataDir = h.copied() // what is left if the agent is killed now
			a.stop()
			write(400, 500)
			other.away.Store(false)
			a = h.run(h.plan([]config.Node{to("loki", "other"), lokiNode("loki", b), lokiNode("other", other)}))
			b.once(t, "kind", "read", 500)
			other.once(t, "kind", "read", 500)
			a.stop()
			a = h.run(h.plan([]config.Node{to("loki"), lokiNode("loki", b)}))
			write(500, 510)
			b.once(t, "kind", "read", 510)
			a.stop()
		})
	}
}
