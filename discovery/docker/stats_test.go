package docker_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/discovery/dockersim"
)

func TestStats(t *testing.T) {
	for _, version := range []string{"1.24", "1.41", "1.51"} {
		e, c := socketEngine(t, dockersim.Options{APIVersion: version})
		web := e.Create(dockersim.Spec{Name: "web"})
		if got, err := c.Stats(t.Context(), web.ID()); err != nil || !got.Read.IsZero() {
			t.Errorf("%s: statistics of a container that does not run: %v, %v; want an empty sample", version, got, err)
		}
		web.Start()
		want := container.StatsResponse{Read: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)}
		want.CPUStats.CPUUsage.TotalUsage = 7
		want.MemoryStats.Stats = map[string]uint64{"anon": 1}
		web.SetStats(&want)
		got, err := c.Stats(t.Context(), web.ID())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v, statistics (-want +got):\n%s", version, err, diff)
		}
		asked := slices.DeleteFunc(e.Requests(), func(r dockersim.Request) bool { return !strings.HasSuffix(r.Path, "/stats") })
		if len(asked) != 2 || asked[1].Query != "one-shot=1&stream=0" || asked[1].Path != "/v"+version+"/containers/"+web.ID()+"/stats" {
			t.Errorf("%s: requests %v", version, asked)
		}
		web.Remove()
		if _, err := c.Stats(t.Context(), web.ID()); !errors.Is(err, lighter.ErrGone) {
			t.Errorf("%s: statistics of a container that is gone: %v, want %v", version, err, lighter.ErrGone)
		}
	}
}

// Values that an Engine reports with another type are lost, but no others.
func TestOddStats(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	var response atomic.Value
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/stats") {
			return false
		}
		_, _ = w.Write([]byte(response.Load().(string)))
		return true
	})
	for body, want := range map[string]string{
		`{"pids_stats":{"current":"7"},"memory_stats":{"usage":5}}`:                                   "",
		`{"cpu_stats":[],"memory_stats":{"stats":{"anon":-1,"file":1.5},"usage":5}}`:                  "",
		`{"cpu_stats":{"cpu_usage":{"total_usage":99999999999999999999}},"memory_stats":{"usage":5}}`: "",
		`{"networks":{"eth0":null},"memory_stats":{"usage":5}}`:                                       "",
		``:                                     "not JSON",
		`<html>`:                               "not JSON",
		`{"read":`:                             "not JSON",
		`{"read":"yesterday"}`:                 "not JSON",
		`"` + strings.Repeat("x", 1<<20) + `"`: "longer than 1048576 bytes",
	} {
		response.Store(body)
		got, err := c.Stats(t.Context(), "web")
		switch {
		case want == "" && (err != nil || got.MemoryStats.Usage != 5):
			t.Errorf("%.60s: usage %d, error %v; want 5", body, got.MemoryStats.Usage, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%.60s: error %v, want one with %q", body, err, want)
		}
	}
}

func TestWritableBytes(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	web, idle := e.Create(dockersim.Spec{Name: "web"}), e.Create(dockersim.Spec{Name: "idle"})
	web.Start()
	web.SetWritable(4096)
	for _, tc := range []struct {
		id   string
		want int64
		err  error
	}{{web.ID(), 4096, nil}, {idle.ID(), 0, nil}, {strings.Repeat("0", 64), 0, lighter.ErrGone}} {
		if got, err := c.WritableBytes(t.Context(), tc.id); got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: %d, %v; want %d, %v", tc.id, got, err, tc.want, tc.err)
		}
	}
	// The size of one container must not require walking the files of all.
	for _, r := range e.Requests() {
		if strings.Contains(r.Query, "size=1") && !strings.Contains(r.Query, "filters=") {
			t.Errorf("the Engine was asked for %s?%s", r.Path, r.Query)
		}
	}
}

func TestMachine(t *testing.T) {
	_, c := socketEngine(t, dockersim.Options{})
	want := lighter.Machine{CPUs: 4, MemoryBytes: 8 << 30, StorageDriver: "overlay2"}
	if got, err := c.Machine(t.Context()); got != want || err != nil {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// The description of a container has everything that its metrics need.
func TestInspectState(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	web := e.Create(dockersim.Spec{Name: "web", Image: "nginx:1.27", Resources: container.Resources{
		Memory: 64 << 20, MemoryReservation: 32 << 20, NanoCPUs: 1_500_000_000,
	}})
	web.Start()
	web.SetHealth("unhealthy")
	got, err := c.Inspect(t.Context(), web.ID())
	if err != nil {
		t.Fatal(err)
	}
	limits := lighter.Limits{MemoryBytes: 64 << 20, MemoryReservationBytes: 32 << 20, CPUQuota: 150_000, CPUPeriod: 100_000}
	if got.Image != "nginx:1.27" || got.State != "running" || got.Health != "unhealthy" || got.Limits != limits || got.NetworkMode != "bridge" {
		t.Errorf("a running container is described as %+v", got)
	}
	web.Restart()
	web.KillOOM()
	if got, err = c.Inspect(t.Context(), web.ID()); err != nil {
		t.Fatal(err)
	}
	if got.State != "exited" || got.ExitCode != 137 || !got.OOMKilled || got.Restarts != 1 || got.PID != 0 {
		t.Errorf("a container that was killed is described as %+v", got)
	}
}

// A change of a container's health is passed on as quickly as its start.
func TestChangesOfHealthAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		web := b.engine.Create(dockersim.Spec{Name: "web"})
		web.Start()
		b.run(t, cfg)
		for _, health := range []string{"starting", "healthy", "unhealthy"} {
			time.Sleep(time.Second)
			web.SetHealth(health)
			time.Sleep(50 * time.Millisecond)
			calls := b.calls()
			if got := calls[len(calls)-1].targets[0].Container.Health; got != health {
				t.Errorf("the container is %q, want %q", got, health)
			}
		}
	})
}
