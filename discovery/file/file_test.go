package file_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/discovery/file"
)

// write replaces a file atomically.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// interval is the refresh interval of the Discoverers of a test, on the clock of a synctest bubble.
const interval = time.Minute

// running runs a Discoverer, and returns two functions. wait wants one update since the last call, with targets that
// are given by their addresses, the label job, and their files; quiet wants no update.
func running(t *testing.T, log *bytes.Buffer, files ...string) (wait func(want ...string), quiet func()) {
	t.Helper()
	cfg := file.Config{Files: files, RefreshInterval: interval}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	updates := make(chan []string, 10)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- file.New(cfg, slog.New(slog.NewTextHandler(log, nil))).Run(ctx, func(targets []lighter.Target) {
			var got []string
			for _, target := range targets {
				got = append(got, target.Labels.Get("__address__")+" "+target.Labels.Get("job")+" "+filepath.Base(target.Labels.Get("__meta_filepath")))
			}
			slices.Sort(got)
			updates <- got
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	since := func() (all [][]string) {
		time.Sleep(interval)
		synctest.Wait()
		for len(updates) > 0 {
			all = append(all, <-updates)
		}
		return all
	}
	wait = func(want ...string) {
		t.Helper()
		if got := since(); len(got) != 1 || !slices.Equal(got[0], want) {
			t.Fatalf("updates %q, want one of %q", got, want)
		}
	}
	quiet = func() {
		t.Helper()
		if got := since(); len(got) > 0 {
			t.Fatalf("updates %q, want none", got)
		}
	}
	return wait, quiet
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var log bytes.Buffer
		one, two := filepath.Join(dir, "one.json"), filepath.Join(dir, "two.yml")
		write(t, one, `[{"targets": ["a:1", "b:2"], "labels": {"job": "x", "__address__": "no"}}, {"targets": []}]`)
		wait, quiet := running(t, &log, filepath.Join(dir, "*.json"), filepath.Join(dir, "*.yml"), one)
		wait("a:1 x one.json", "b:2 x one.json")
		write(t, two, "- targets: ['c:3']\n  labels:\n    job: y\n")
		wait("a:1 x one.json", "b:2 x one.json", "c:3 y two.yml")
		write(t, one, `[{"targets": `)
		quiet() // the last targets are kept
		write(t, two, "- targets: ['c:4']\n")
		wait("a:1 x one.json", "b:2 x one.json", "c:4  two.yml")
		write(t, one, `[]`)
		wait("c:4  two.yml")
		if err := os.Remove(two); err != nil {
			t.Fatal(err)
		}
		wait()
		if n := strings.Count(log.String(), "cannot be read"); n != 1 {
			t.Errorf("the log tells of the broken file %d times:\n%s", n, log.String())
		}
	})
}

func TestNoFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait, _ := running(t, &bytes.Buffer{}, filepath.Join(t.TempDir(), "a.json"))
		wait()
	})
}

func TestBroken(t *testing.T) {
	for name, text := range map[string]string{
		"a.json": `{}`, "b.json": `[null]`, "c.json": `[{"targets":["a"],"x":1}]`, "d.yaml": "- a: b\n", "e.yaml": "- targets: {}\n", "f.yml": "-\n", "g.json": "",
	} {
		dir := t.TempDir()
		var log bytes.Buffer
		write(t, filepath.Join(dir, name), text)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wait, _ := running(t, &log, filepath.Join(dir, name))
				wait()
			})
		})
		if !strings.Contains(log.String(), name) {
			t.Errorf("%s: the log says %q", name, log.String())
		}
	}
}

func TestValidate(t *testing.T) {
	for name, ok := range map[string]bool{
		"/a/b.json": true, "*.yml": true, "/a/*b.YAML": true, "a.txt": false, "*/a.json": false, "a.json/*": false, "": false, "[.json": false,
	} {
		if err := (file.Config{Files: []string{name}}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if file.DefaultConfig().Validate() == nil {
		t.Error("no error for an empty list of files")
	}
}
