package dockersim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lighter/discovery/dockersim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns an Engine that listens, and a client from Docker's own package, which must understand the
// simulation.
func start(t *testing.T, o dockersim.Options) (*dockersim.Engine, *client.Client) {
	t.Helper()
	e := dockersim.New(o)
	if err := e.Listen("unix://" + filepath.Join(t.TempDir(), "docker.sock")); err != nil {
		t.Fatal(err)
	}
	cli, err := client.NewClientWithOpts(client.WithHost(e.Host()), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cli.Close()
		_ = e.Close()
	})
	return e, cli
}

func TestListAndInspect(t *testing.T) {
	for _, version := range []string{"1.24", "1.41", "1.44", "1.51"} {
		t.Run(version, func(t *testing.T) {
			e, cli := start(t, dockersim.Options{APIVersion: version})
			api := e.Create(dockersim.Spec{Name: "api", TTY: true, Labels: map[string]string{"a": "b"}, Ports: []dockersim.Port{{Private: 80, Public: 8080}}})
			e.Create(dockersim.Spec{Name: "idle"})
			api.Start()

			list, err := cli.ContainerList(t.Context(), container.ListOptions{})
			if err != nil || len(list) != 1 {
				t.Fatalf("running = %v, %v; want api alone", list, err)
			}
			if cli.ClientVersion() != version {
				t.Errorf("negotiated %s, want %s", cli.ClientVersion(), version)
			}
			if ip := list[0].NetworkSettings.Networks["bridge"].IPAddress; ip != "172.17.0.2" || len(list[0].Ports) != 2 || list[0].Names[0] != "/api" {
				t.Errorf("ip = %q, ports = %v, names = %v", ip, list[0].Ports, list[0].Names)
			}
			if all, err := cli.ContainerList(t.Context(), container.ListOptions{All: true}); err != nil || len(all) != 2 {
				t.Errorf("all = %v, %v; want two", all, err)
			}
			some, err := cli.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "a=b"), filters.Arg("status", "running"))})
			if err != nil || len(some) != 1 {
				t.Errorf("filtered = %v, %v; want one", some, err)
			}
			got, err := cli.ContainerInspect(t.Context(), api.ID())
			if err != nil || !got.Config.Tty || got.HostConfig.LogConfig.Type != "json-file" || !got.State.Running {
				t.Errorf("inspect = %+v, %v", got, err)
			}
			if _, err := cli.ContainerInspect(t.Context(), "ffff"); !cerrdefs.IsNotFound(err) {
				t.Errorf("inspect of nothing: %v", err)
			}
		})
	}
}

func TestVersionsOutsideAreRefused(t *testing.T) {
	e := dockersim.New(dockersim.Options{APIVersion: "1.51", MinAPIVersion: "1.44"})
	for path, want := range map[string]int{"/v1.43/info": 400, "/v1.52/info": 400, "/v1.44/info": 200, "/info": 200, "/v1.44/images/json": 404} {
		w := &recorder{header: http.Header{}}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x"+path, nil)
		e.ServeHTTP(w, r)
		if w.status != want {
			t.Errorf("%s: %d, want %d (%s)", path, w.status, want, w.body.String())
		}
	}
	want := dockersim.Request{Method: "GET", Path: "/info"}
	found := false
	for _, r := range e.Requests() {
		found = found || r == want
	}
	if !found {
		t.Errorf("requests = %v, want %v among them", e.Requests(), want)
	}
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = 200
	}
	return r.body.Write(b)
}

func logs(t *testing.T, cli *client.Client, id string, o container.LogsOptions) (stdout, stderr string, err error) {
	t.Helper()
	o.ShowStdout, o.ShowStderr, o.Timestamps = true, true, true
	body, err := cli.ContainerLogs(t.Context(), id, o)
	if err != nil {
		return "", "", err
	}
	defer body.Close()
	var out, errs bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &errs, body)
	return out.String(), errs.String(), err
}

func at(sec int64) int64 { return sec * int64(time.Second) }

func TestLogs(t *testing.T) {
	e, cli := start(t, dockersim.Options{APIVersion: "1.41"})
	c := e.Create(dockersim.Spec{Name: "api"})
	c.Start()
	c.WriteAt(at(1), dockersim.Stdout, "one")
	c.WriteAt(at(2)+5, dockersim.Stderr, "two")
	c.WriteAt(at(1), dockersim.Stdout, "late")
	c.WriteAt(at(4), dockersim.Stdout, "four")
	const one, two = "1970-01-01T00:00:01.000000000Z one\n", "1970-01-01T00:00:02.000000005Z two\n"
	const late, four = "1970-01-01T00:00:01.000000000Z late\n", "1970-01-01T00:00:04.000000000Z four\n"

	for name, tc := range map[string]struct {
		o           container.LogsOptions
		out, errOut string
	}{
		"all":             {container.LogsOptions{}, one + late + four, two},
		"since inclusive": {container.LogsOptions{Since: "2.000000005"}, late + four, two}, // the filter ends with its first match
		"since next":      {container.LogsOptions{Since: "2.000000006"}, four, ""},
		"tail":            {container.LogsOptions{Tail: "2"}, late + four, ""},
		"tail 0":          {container.LogsOptions{Tail: "0"}, "", ""},
		"until":           {container.LogsOptions{Until: "1.5"}, one, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, err := logs(t, cli, c.ID(), tc.o)
			if err != nil || out != tc.out || errOut != tc.errOut {
				t.Errorf("stdout %q, stderr %q, %v; want %q, %q", out, errOut, err, tc.out, tc.errOut)
			}
		})
	}

	c.Rotate(3)
	if out, _, err := logs(t, cli, c.ID(), container.LogsOptions{}); out != four || err != nil {
		t.Errorf("after rotation %q, %v; want %q", out, err, four)
	}
	c.FailLogs("invalid character")
	if out, _, err := logs(t, cli, c.ID(), container.LogsOptions{}); out != four || err == nil || !strings.Contains(err.Error(), "invalid character") {
		t.Errorf("with a fault %q, %v; want the line, then the error", out, err)
	}
	c.MarkDead()
	if _, _, err := logs(t, cli, c.ID(), container.LogsOptions{}); err == nil || !strings.Contains(err.Error(), "marked for removal") {
		t.Errorf("dead: %v", err)
	}
	none := e.Create(dockersim.Spec{Name: "none", Driver: "none"})
	if _, _, err := logs(t, cli, none.ID(), container.LogsOptions{}); err == nil || !strings.Contains(err.Error(), "does not support reading") {
		t.Errorf("driver none: %v", err)
	}
}

func TestPiecesAndTTY(t *testing.T) {
	e, cli := start(t, dockersim.Options{})
	c := e.Create(dockersim.Spec{Name: "long"})
	long := strings.Repeat("x", 16<<10)
	c.WriteAt(at(1), dockersim.Stdout, long)
	c.WriteAt(at(2), dockersim.Stdout, long+"y")
	c.WriteAt(at(3), dockersim.Stdout, "")
	const first, second, third = "1970-01-01T00:00:01.000000000Z ", "1970-01-01T00:00:02.000000000Z ", "1970-01-01T00:00:03.000000000Z "
	want := first + long + first + "\n" + second + long + second + "y\n" + third + "\n"
	if out, _, err := logs(t, cli, c.ID(), container.LogsOptions{}); err != nil || out != want {
		t.Errorf("err = %v (-want +got):\n%s", err, cmp.Diff(want, out))
	}

	tty := e.Create(dockersim.Spec{Name: "tty", TTY: true})
	tty.WriteAt(at(1), dockersim.Stderr, "a")
	tty.WriteAt(at(2), dockersim.Stdout, "b")
	body, err := cli.ContainerLogs(t.Context(), tty.ID(), container.LogsOptions{ShowStdout: true, Timestamps: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if raw, err := io.ReadAll(body); err != nil || string(raw) != first+"a\r\n"+second+"b\r\n" {
		t.Errorf("tty = %q, %v", raw, err)
	}
}

func TestFollowEndsWithTheRun(t *testing.T) {
	e, cli := start(t, dockersim.Options{})
	c := e.Create(dockersim.Spec{Name: "api"})
	c.Start()
	c.WriteAt(at(1), dockersim.Stdout, "before")
	e.HoldLogs(true)
	body, err := cli.ContainerLogs(t.Context(), c.ID(), container.LogsOptions{ShowStdout: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	c.WriteAt(at(2), dockersim.Stdout, "after")
	c.Restart()
	c.WriteAt(at(3), dockersim.Stdout, "next run")
	e.HoldLogs(false)
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, io.Discard, body); err != nil || out.String() != "before\nafter\n" {
		t.Errorf("followed %q, %v; want the lines of the first run", out.String(), err)
	}
}

func TestEvents(t *testing.T) {
	now := time.Unix(100, 7)
	e, cli := start(t, dockersim.Options{Now: func() time.Time { return now }})
	old := e.Create(dockersim.Spec{Name: "old"})
	now = time.Unix(200, 7)
	old.Rename("new")
	old.Start()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, errs := cli.Events(ctx, events.ListOptions{Since: "200.000000007", Filters: filters.NewArgs(filters.Arg("event", "rename"), filters.Arg("event", "start"), filters.Arg("event", "die"))})
	var seen []string
	for range 3 {
		m := <-got
		seen = append(seen, fmt.Sprint(m.Action, m.Actor.Attributes["name"], m.TimeNano))
		if len(seen) == 2 {
			old.Stop(3)
		}
	}
	want := []string{"renamenew200000000007", "startnew200000000007", "dienew200000000007"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	e.KillConnections()
	if err := <-errs; err == nil {
		t.Error("the stream of events outlived its connection")
	}
}

func TestDownAndUp(t *testing.T) {
	e, cli := start(t, dockersim.Options{})
	if _, err := cli.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Down()
	if _, err := cli.Ping(t.Context()); err == nil {
		t.Error("the Engine responded to a ping while it was down")
	}
	if err := e.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := cli.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func BenchmarkFollow(b *testing.B) {
	e := dockersim.New(dockersim.Options{})
	c := e.Create(dockersim.Spec{Name: "api"})
	line, _ := json.Marshal(map[string]string{"msg": strings.Repeat("x", 180)})
	for range 10_000 {
		c.Write(dockersim.Stdout, string(line))
	}
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{header: http.Header{}}
		r, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://x/containers/"+c.ID()+"/logs?stdout=1&timestamps=1", nil)
		e.ServeHTTP(w, r)
		b.SetBytes(int64(w.n))
	}
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }
func (d *discard) Flush()                      {}
