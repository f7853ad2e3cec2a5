package agent

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"lighter/collector/file"
	"lighter/config"
	"lighter/exporters/loki"
)

// The manager makes a new reader of a file when the previous one has ended, which may be while a reload
// changes the agent's paths. The race detector checks that this is safe.
func TestAReaderIsMadeWhileAPlanIsTaken(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.log"))
	end := loki.DefaultConfig()
	end.URL = "http://loki.test/loki/api/v1/push"
	plan := func(sources ...string) *config.Plan {
		p := &config.Plan{Agent: config.Agent{DataDir: t.TempDir(), BufferMax: 64 << 20}, Nodes: []config.Node{
			{Name: "static", Args: config.Static{}},
			{Name: "match", From: []string{"static"}, Args: config.FileMatch{SyncPeriod: time.Hour}},
			{Name: "loki", Args: end},
		}}
		for _, name := range sources {
			p.Nodes = append(p.Nodes, config.Node{Name: name, From: []string{"match"}, To: []string{"loki"}, Args: config.FileSource{MaxLineBytes: 1 << 10}})
		}
		return p
	}
	a, err := New(plan("one"), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()

	a.mu.Lock()
	g, all := a.graph.Load(), map[string]reading{}
	p := paths(g.plan)[0]
	readings(g.plan, p, fileTargets(map[string]string{file.LabelPath: filepath.Join(dir, "a.log"), "job": "app"}), all)
	if len(all) != 1 {
		t.Fatalf("%d readings, want 1", len(all))
	}
	for _, r := range all {
		job := a.readingJob(r)
		made := make(chan error, 1)
		go func() {
			_, err := job.New()
			made <- err
		}()
		a.watch(&graph{plan: plan("one", "two")})
		if err := <-made; err != nil {
			t.Error(err)
		}
	}
	a.mu.Unlock()
	if _, known := a.pathBegan["two/loki/"]; !known {
		t.Errorf("the path of the second plan is not known: %v", a.pathBegan)
	}
}
