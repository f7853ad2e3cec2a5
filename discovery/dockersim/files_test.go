package dockersim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/discovery/dockersim"
)

// The data directory has the files of a real Engine that readers of logs use.
func TestRoot(t *testing.T) {
	root := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	e := dockersim.New(dockersim.Options{Root: root, Now: func() time.Time { return now }})
	c := e.Create(dockersim.Spec{Name: "api", Labels: map[string]string{"a": "b"}})
	dir := filepath.Join(root, "containers", c.ID())
	log := filepath.Join(dir, c.ID()+"-json.log")
	if _, err := os.Stat(log); err == nil {
		t.Error("there is a log before the first start")
	}
	c.Start()
	c.Write(dockersim.Stdout, "a <b>")
	c.WriteUnfinished(dockersim.Stderr, strings.Repeat("x", 16<<10)+"y")
	c.Rename("web")
	c.Stop(1)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	const at = `,"time":"2026-01-02T03:04:05.000000006Z"}` + "\n"
	want := `{"log":"a \u003cb\u003e\n","stream":"stdout"` + at +
		`{"log":"` + strings.Repeat("x", 16<<10) + `","stream":"stderr"` + at + `{"log":"y","stream":"stderr"` + at
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	var config struct {
		Name, LogPath string
		Config        struct{ Labels map[string]string }
		State         struct {
			Running               bool
			StartedAt, FinishedAt time.Time
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "config.v2.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	if config.Name != "/web" || config.LogPath != log || config.Config.Labels["a"] != "b" || config.State.Running || !config.State.FinishedAt.Equal(now) {
		t.Errorf("config.v2.json = %s", b)
	}
	c.Remove()
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder of a removed container is still there")
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// Close returns an error if a file could not be written.
func TestRootNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := dockersim.New(dockersim.Options{Root: file})
	e.Create(dockersim.Spec{Name: "api"}).Start()
	if err := e.Close(); err == nil {
		t.Error("Close() = nil, want why the data directory was not written")
	}
}
