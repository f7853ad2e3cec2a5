package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/file"
	"lighter/collector/position"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
)

func writeFile(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func fileTargets(targets ...map[string]string) (all []lighter.Target) {
	for _, t := range targets {
		all = append(all, lighter.Target{Labels: labels.FromMap(t)})
	}
	return all
}

func pathsOf(targets []lighter.Target) (all []string) {
	for _, t := range targets {
		all = append(all, filepath.Base(t.Labels.Get(file.LabelPath))+" "+t.Labels.Get("job"))
	}
	return all
}

func TestFileMatcher(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.log", "old.log", "not.txt", "sub/c.log"} {
		writeFile(t, filepath.Join(dir, name))
	}
	if err := os.Chtimes(filepath.Join(dir, "old.log"), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	in := fileTargets(
		map[string]string{file.LabelPath: dir + "/*.log", file.LabelPathExclude: dir + "/b*", "job": "logs"},
		map[string]string{file.LabelPath: dir + "/sub/c.log", "job": "sub"},
		map[string]string{"job": "no path"},
	)
	m := newFileMatcher(config.FileMatch{SyncPeriod: time.Hour, IgnoreOlderThan: time.Minute}, nil, slog.New(slog.DiscardHandler))
	if got := m.targets(in); got != nil {
		t.Errorf("before a look: %v, want none", got)
	}
	if !m.look() || m.look() {
		t.Error("want that the first look finds something, and the second one nothing new")
	}
	if d := cmp.Diff([]string{"a.log logs", "c.log sub"}, pathsOf(m.targets(in))); d != "" {
		t.Errorf("targets (-want +got):\n%s", d)
	}
	next := newFileMatcher(config.FileMatch{SyncPeriod: time.Hour}, m, slog.New(slog.DiscardHandler))
	if d := cmp.Diff([]string{"a.log logs", "c.log sub"}, pathsOf(next.targets(in))); d != "" {
		t.Errorf("targets of a matcher with other arguments, before it looks (-want +got):\n%s", d)
	}
	if !next.look() {
		t.Error("want that a look with other arguments finds others")
	}
	if d := cmp.Diff([]string{"a.log logs", "old.log logs", "c.log sub"}, pathsOf(next.targets(in))); d != "" {
		t.Errorf("targets (-want +got):\n%s", d)
	}
	now := lookForFiles(config.Node{Args: config.FileMatch{IgnoreOlderThan: time.Minute}}, in)
	if d := cmp.Diff([]string{"a.log logs", "c.log sub"}, pathsOf(now)); d != "" {
		t.Errorf("targets for who asks once (-want +got):\n%s", d)
	}
}

// The files of new targets are searched for at once, and later files periodically.
func TestFileMatcherRuns(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.log"))
	m := newFileMatcher(config.FileMatch{SyncPeriod: 10 * time.Millisecond}, nil, slog.New(slog.DiscardHandler))
	changed := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.run(ctx, func(context.Context) { changed <- struct{}{} })
	}()
	in := fileTargets(map[string]string{file.LabelPath: dir + "/*.log"})
	m.targets(in)
	<-changed
	if got := pathsOf(m.targets(in)); !slices.Equal(got, []string{"a.log "}) {
		t.Errorf("targets: %q", got)
	}
	writeFile(t, filepath.Join(dir, "b.log"))
	<-changed
	if got := pathsOf(m.targets(in)); !slices.Equal(got, []string{"a.log ", "b.log "}) {
		t.Errorf("targets: %q", got)
	}
	cancel()
	<-ended
}

// The positions of files are deleted if the files were removed long ago, and nobody reads or wants them.
func TestForgetFiles(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "there.log"))
	a := &Agent{inMemory: position.InMemory()}
	keys := map[string]string{}
	for _, name := range []string{"there.log", "removed.log", "wanted.log", "read.log", "unmounted/x.log"} {
		key := "files/loki/" + filepath.Join(dir, name)
		keys[name] = key
		c := a.inMemory.Cursor(key)
		c.Mark(1, position.Position{Time: 1, Lines: 1}, position.Bookmark{}).Ack()
		if name != "read.log" {
			c.Done()
		}
	}
	a.view.set(wanted{readings: map[string]reading{keys["wanted.log"]: {}}})
	kept := func() (names []string) {
		for name, key := range keys {
			if a.inMemory.Acked(key).HasLines() {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	now := time.Now()
	a.forgetFiles(now)
	a.forgetFiles(now.Add(forgetAfter - time.Second))
	if got := kept(); len(got) != 5 {
		t.Errorf("kept for a while: %q, want all", got)
	}
	a.forgetFiles(now.Add(forgetAfter))
	if d := cmp.Diff([]string{"read.log", "there.log", "unmounted/x.log", "wanted.log"}, kept()); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
}

// A preview shows what is read besides containers, and why nothing of a container without labels is.
func TestPreviewOfSources(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.log"))
	end := loki.DefaultConfig()
	end.URL = "http://loki.test/loki/api/v1/push"
	api := &lighter.Container{ID: "1", Name: "api", Running: true, Started: time.Now()}
	p := &config.Plan{Nodes: []config.Node{
		{Name: "docker", Args: docker.DefaultConfig()},
		{Name: "logs", From: []string{"docker"}, To: []string{"loki"}, Args: config.LogSource{Engine: "docker", MaxLineBytes: 1}},
		{Name: "static", Args: config.Static{}},
		{Name: "match", From: []string{"static"}, Args: config.FileMatch{SyncPeriod: time.Hour}},
		{Name: "files", From: []string{"match"}, To: []string{"loki", "second"}, Args: config.FileSource{}},
		{Name: "push", To: []string{"loki"}, Args: config.PushSource{Listen: "127.0.0.1:3100"}},
		{Name: "loki", Args: end},
		{Name: "second", Args: end},
	}}
	got := preview(p, map[string][]lighter.Target{
		"docker": {dockerTarget(api, "")},
		"static": fileTargets(map[string]string{file.LabelPath: dir + "/*.log", "job": "app"}),
	}, time.Now())
	set := map[string]string{"job": "app", "filename": dir + "/a.log"}
	if d := cmp.Diff([]PreviewSource{
		{Kind: "file", Name: dir + "/a.log", Streams: []map[string]string{set, set}},
		{Kind: "push", Name: "127.0.0.1:3100"},
	}, got.Sources); d != "" {
		t.Errorf("sources (-want +got):\n%s", d)
	}
	if len(got.Containers) != 1 || len(got.Containers[0].Streams) != 0 || got.Containers[0].LogsSkipped != giveLabels {
		t.Errorf("containers: %+v", got.Containers)
	}
}
