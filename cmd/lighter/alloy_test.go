package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/config/alloy"
	"lighter/discovery/dockersim"
)

// seedFile is such a file as people have: two pipelines, an environment, and nothing special.
const seedFile = `// Discover Docker containers
discovery.docker "containers" {
	host = sys.env("DOCKER_HOST")
}

discovery.relabel "containers" {
	targets = discovery.docker.containers.targets

	rule {
		source_labels = ["__meta_docker_container_name"]
		regex         = "/(.*)"
		target_label  = "container"
	}
}

loki.source.docker "logs" {
	host       = sys.env("DOCKER_HOST")
	targets    = discovery.relabel.containers.output
	forward_to = [loki.process.levels.receiver]
}

loki.process "levels" {
	stage.json {
		expressions = { severity = "level" }
	}

	stage.labels {
		values = { severity = "" }
	}
	forward_to = [loki.write.out.receiver]
}

loki.write "out" {
	endpoint {
		url = env("GRAFANA_LOKI_URL")
	}
	external_labels = { environment = "test" }
}
`

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.alloy")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The data sent has exactly the labels in the file.
func TestRunOfAnAlloyFile(t *testing.T) {
	h := newDockerHost(t)
	c := h.create(dockersim.Spec{Name: "api"})
	c.WriteAt(h.clock, dockersim.Stdout, `{"level":"error","msg":"one"}`)
	c.WriteAt(h.clock+1, dockersim.Stderr, "two")
	h.environ = append(h.environ, "GRAFANA_LOKI_URL="+h.backend.URL()+"/loki/api/v1/push")
	line, stop := startAgent(t, h.environ, "run", writeFile(t, seedFile))
	await(t, "two lines have arrived", func() bool { return h.backend.PushStats().Lines >= 2 })
	got := map[string]string{}
	for _, s := range h.backend.Streams() {
		for _, e := range s.Entries {
			got[e.Line] = s.Labels.String()
		}
	}
	want := map[string]string{
		`{"level":"error","msg":"one"}`: `{container="api", environment="test", severity="error"}`,
		"two":                           `{container="api", environment="test"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	if got := status(t, fmt.Sprintf("http://127.0.0.1:%d/-/ready", line.Port)); got != http.StatusOK {
		t.Errorf("/-/ready = %d", got)
	}
	if code, log := stop(); code != exitOK || !strings.Contains(log, "deprecated") {
		t.Errorf("exit %d; the log does not warn of a deprecated function:\n%s", code, log)
	}
}

// A file that cannot be run prevents the start, and all of its errors are reported.
func TestRunOfABrokenAlloyFile(t *testing.T) {
	file := writeFile(t, "loki.write \"out\" {\n\tendpoint { }\n}\n\nloki.wirte \"x\" { }\n")
	code, _, stderr := command(t, []string{"LIGHTER_DATA_DIR=" + t.TempDir()}, "run", file)
	for _, want := range []string{file + ":2:2: ", file + ":5:1: ", "loki.write", "startup_failed", "2 errors"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the output has no %q", want)
		}
	}
	if code != exitFailed {
		t.Errorf("exit %d, want %d:\n%s", code, exitFailed, stderr)
	}
}

// validate reports errors and what Alloy silently accepts, and --strict makes the latter fail.
func TestValidate(t *testing.T) {
	environ := []string{"DOCKER_HOST=unix:///var/run/docker.sock", "GRAFANA_LOKI_URL=http://loki:3100/loki/api/v1/push"}
	file := writeFile(t, seedFile)
	code, stdout, stderr := command(t, environ, "validate", file)
	if code != exitOK || !strings.Contains(stdout, "5 components") || !strings.Contains(stderr, "deprecated") {
		t.Errorf("exit %d, stdout %q, stderr:\n%s", code, stdout, stderr)
	}
	code, _, stderr = command(t, environ, "validate", "--strict", file)
	if code != exitFailed || !strings.Contains(stderr, "warning") {
		t.Errorf("--strict: exit %d, stderr:\n%s", code, stderr)
	}
	unused := writeFile(t, strings.Replace(seedFile, "[loki.process.levels.receiver]", "[loki.write.out.receiver]", 1))
	code, _, stderr = command(t, environ, "validate", unused)
	if code != exitOK || !strings.Contains(stderr, "nothing uses loki.process.levels") {
		t.Errorf("a file with a component that nothing uses: exit %d, stderr:\n%s", code, stderr)
	}
	code, stdout, stderr = command(t, environ, "validate", filepath.Join(t.TempDir(), "none.alloy"))
	if code != exitFailed || !strings.Contains(stderr, "no such file") {
		t.Errorf("a file that is not there: exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	code, stdout, stderr = command(t, environ, "run", filepath.Join(t.TempDir(), "none.alloy"))
	if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "no such file") {
		t.Errorf("run of a file that is not there: exit %d, stdout %q, stderr %q, want one line", code, stdout, stderr)
	}
}

// A signal ends the wait for a named pipe that nobody writes to, and for the end of stdin.
func TestStopBeforeAFileIsRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, writer := io.Pipe()
	t.Cleanup(func() { // what still reads comes to an end
		_ = writer.Close()
		f, err := os.OpenFile(pipe, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(pipe)
		_ = f.Close()
	})
	ctx, stop := context.WithCancelCause(t.Context())
	stop(stopSignal{syscall.SIGTERM})
	for _, args := range [][]string{{"run", pipe}, {"validate", pipe}, {"explain", pipe}, {"fmt", pipe}, {"explain"}, {"validate", "-"}, {"fmt", "-"}} {
		var stdout, stderr output
		code := run(ctx, args, &cli{stdin: stdin, stdout: &stdout, stderr: &stderr, environ: []string{"GRAFANA_LOKI_URL=http://loki:3100", "GRAFANA_LOKI_TOKEN_FILE=" + pipe, "LIGHTER_DATA_DIR=" + t.TempDir()}})
		if code != exitFailed || !strings.Contains(stderr.String(), "stopped by SIGTERM before it was read completely") {
			t.Errorf("lighter %s = %d, stdout %q, stderr:\n%s", strings.Join(args, " "), code, stdout.String(), stderr.String())
		}
	}
}

func TestExplain(t *testing.T) {
	environ := []string{"DOCKER_HOST=unix:///var/run/docker.sock", "GRAFANA_LOKI_URL=http://user:secret@loki:3100/loki/api/v1/push"}
	code, stdout, stderr := command(t, environ, "explain", writeFile(t, seedFile))
	if code != exitOK || strings.Contains(stdout, "secret") {
		t.Errorf("exit %d, stderr %q, stdout:\n%s", code, stderr, stdout)
	}
	for _, want := range []string{"loki.source.docker.logs\n  reads the logs", "from  discovery.relabel.containers", "to    loki.process.levels", "sends logs to http://loki:3100"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output has no %q:\n%s", want, stdout)
		}
	}
	code, stdout, _ = command(t, environ[:1], "explain", writeFile(t, seedFile))
	if code != exitOK || !strings.Contains(stdout, "sends logs to an address that is not known here") {
		t.Errorf("without the address: exit %d, stdout:\n%s", code, stdout)
	}
	code, stdout, _ = command(t, []string{"GRAFANA_LOKI_URL=http://loki:3100"}, "explain")
	if code != exitOK || !strings.Contains(stdout, "log_stages\n") {
		t.Errorf("of the environment: exit %d, stdout:\n%s", code, stdout)
	}
}

// The file that config prints for the environment ships the same lines with the same labels.
func TestConfigRunsAsTheEnvironment(t *testing.T) {
	h := newDockerHost(t)
	environ := append(h.environ, "LIGHTER_LOG_SOURCE=socket", "GRAFANA_LOKI_USER=one", "GRAFANA_LOKI_TOKEN=hunter2-and-more")
	code, text, stderr := command(t, environ, "config")
	if code != exitOK || strings.Contains(text, "hunter2") {
		t.Fatalf("exit %d, stderr %q:\n%s", code, stderr, text)
	}
	_, stop := startAgent(t, append(environ, "LIGHTER_HOST="), "run", writeFile(t, text))
	h.count(h.create(dockersim.Spec{Name: "talker"}), 100)
	h.arrived()
	if code, log := stop(); code != exitOK {
		t.Errorf("exit %d:\n%s", code, log)
	}
}

// A reload with a broken file is refused, and one with a changed file is applied; a file of local.file is
// read again automatically.
func TestReloadOfAnAlloyFile(t *testing.T) {
	h := newDockerHost(t)
	value := writeFile(t, "one")
	text := "local.file \"stage\" {\n\tfilename = " + fmt.Sprintf("%q", value) + "\n}\n\n" +
		strings.Replace(seedFile, `environment = "test"`, `environment = "test", stage = local.file.stage.content`, 1)
	file := writeFile(t, text)
	h.environ = append(h.environ, "GRAFANA_LOKI_URL="+h.backend.URL()+"/loki/api/v1/push")
	c := h.create(dockersim.Spec{Name: "api"})
	line, stop := startAgent(t, h.environ, "run", file)
	url := "http://127.0.0.1:" + itoa(line.Port) + "/-/reload"
	has := func(label, value string) func() bool {
		return func() bool {
			h.clock++
			c.WriteAt(h.clock, dockersim.Stdout, "a line")
			for _, s := range h.backend.Streams() {
				if s.Labels.Get(label) == value {
					return true
				}
			}
			return false
		}
	}
	await(t, "the file's value is a label", has("stage", "one"))
	if err := os.WriteFile(value, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "its next value is one", has("stage", "two"))
	if err := os.WriteFile(file, []byte("loki.write {"), 0o600); err != nil {
		t.Fatal(err)
	}
	post(t, url, http.StatusBadRequest, "config.alloy:1")
	if err := os.WriteFile(file, []byte(strings.Replace(text, `environment = "test"`, `environment = "next"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	post(t, url, http.StatusOK, "ok")
	await(t, "the changed file's label is sent", has("environment", "next"))
	if code, log := stop(); code != exitOK {
		t.Errorf("exit %d:\n%s", code, log)
	}
}

// Frequent reloads of a file that changes each time lose no line and send none twice.
func TestReloadsOfAnAlloyFileInAFlood(t *testing.T) {
	h := newDockerHost(t)
	h.environ = append(h.environ, "GRAFANA_LOKI_URL="+h.backend.URL()+"/loki/api/v1/push")
	containers := []*dockersim.Container{h.create(dockersim.Spec{Name: "one"}), h.create(dockersim.Spec{Name: "two"})}
	var flood sync.WaitGroup
	done := make(chan struct{})
	written := make([]int, len(containers))
	for i, c := range containers {
		flood.Go(func() {
			for clock := h.clock; ; {
				select {
				case <-done:
					return
				case <-time.After(2 * time.Millisecond):
				}
				for range 20 {
					clock += 1_000
					c.WriteAt(clock, dockersim.Stdout, fmt.Sprintf("%s line %d", c.Name(), written[i]))
					written[i]++
				}
			}
		})
	}
	file := writeFile(t, seedFile)
	line, stop := startAgent(t, h.environ, "run", file)
	url := "http://127.0.0.1:" + itoa(line.Port) + "/-/reload"
	n := 100
	if testing.Short() {
		n = 10
	}
	for i := range n {
		text := seedFile
		switch i % 4 {
		case 0: // another endpoint
			text = strings.Replace(text, "environment = \"test\"", fmt.Sprintf("environment = \"test-%d\"", i), 1)
		case 1: // another stage
			text = strings.Replace(text, "stage.labels {", fmt.Sprintf("stage.static_labels {\n\t\tvalues = { round = \"%d\" }\n\t}\n\n\tstage.labels {", i), 1)
		case 2: // another rule
			text = strings.Replace(text, "\trule {", fmt.Sprintf("\trule {\n\t\treplacement = \"%d\"\n\t\ttarget_label = \"round\"\n\t}\n\n\trule {", i), 1)
		case 3: // another way
			text = strings.Replace(text, "loki.process.levels.receiver]", "loki.write.out.receiver]", 1)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		post(t, url, http.StatusOK, "ok")
	}
	close(done)
	flood.Wait()
	want := map[string]int{}
	for i, c := range containers {
		for k := range written[i] {
			want[fmt.Sprintf("%s line %d", c.Name(), k)] = 1
		}
	}
	arrived := func() map[string]int {
		got := map[string]int{}
		for _, s := range h.backend.Streams() {
			for _, e := range s.Entries {
				got[e.Line]++
			}
		}
		return got
	}
	await(t, "all lines have arrived", func() bool { return len(arrived()) >= len(want) })
	if code, log := stop(); code != exitOK {
		t.Errorf("exit %d:\n%s", code, log)
	}
	got := arrived()
	for text, times := range got {
		if times != want[text] {
			t.Errorf("%q arrived %d times, want %d", text, times, want[text])
		}
	}
	if s := h.backend.PushStats(); s.Repeated != 0 || s.OutOfOrder != 0 {
		t.Errorf("repeated %d, out of order %d, want 0 and 0", s.Repeated, s.OutOfOrder)
	}
}

// The files that make up a directory's configuration are not watched.
func TestSideFiles(t *testing.T) {
	f := &alloy.File{Reads: []string{"/etc/alloy/a.alloy", "/etc/alloy/token", "/run/secrets/b", "/etc/alloy/modules/c.alloy"}}
	want := []string{"/etc/alloy/token", "/run/secrets/b", "/etc/alloy/modules/c.alloy"}
	if diff := cmp.Diff(want, sideFiles(f, "/etc/alloy/")); diff != "" {
		t.Errorf("watched (-want +got):\n%s", diff)
	}
}
