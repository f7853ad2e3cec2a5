package dockerfiles_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"lighter"
	"lighter/discovery/dockerfiles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	idA = strings.Repeat("a", 64)
	idB = strings.Repeat("b", 64)
)

const (
	configA = `{"StreamConfig":{},"State":{"Running":true,"Paused":false,"StartedAt":"2026-01-02T03:04:05.000000006Z","FinishedAt":"0001-01-01T00:00:00Z"},
		"ID":"…","Created":"2026-01-02T03:04:04Z","Config":{"Hostname":"x","Tty":true,"Env":["PASSWORD=hunter2"],"Labels":{"com.docker.compose.service":"api","b":"c"}},
		"LogPath":"/var/lib/docker/containers/a/a-json.log","Name":"/api-1","Driver":"overlay2"}`
	stoppedA = `{"State":{"Running":false,"StartedAt":"2026-01-02T03:04:05.000000006Z","FinishedAt":"2026-01-02T03:05:00Z"},
		"Created":"2026-01-02T03:04:04Z","Config":{"Tty":true},"LogPath":"/var/lib/docker/containers/a/a-json.log","Name":"/api-1"}`
	hostA = `{"Binds":null,"LogConfig":{"Type":"json-file","Config":{}},"NetworkMode":"bridge"}`
)

// host is a host with the data directory of an Engine.
type host struct {
	t    testing.TB
	root string
}

func (h host) write(id, config, hostConfig string) {
	h.t.Helper()
	dir := filepath.Join(h.root, "containers", id)
	for name, text := range map[string]string{"config.v2.json": config, "hostconfig.json": hostConfig} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h host) remove(id string) {
	h.t.Helper()
	if err := os.RemoveAll(filepath.Join(h.root, "containers", id)); err != nil {
		h.t.Fatal(err)
	}
}

// logBook has the log of a test.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func logger(to *logBook) *slog.Logger { return slog.New(slog.NewTextHandler(to, nil)) }

func TestList(t *testing.T) {
	h := host{t, t.TempDir()}
	h.write(idA, configA, hostA)
	h.write("not-an-id", configA, hostA)
	got, err := dockerfiles.New(h.root, logger(&logBook{})).List()
	if err != nil {
		t.Fatal(err)
	}
	want := []lighter.Target{{
		Labels: labels.FromStrings(
			"__meta_docker_container_id", idA,
			"__meta_docker_container_name", "/api-1",
			"__meta_docker_container_network_mode", "bridge",
			"__meta_docker_container_label_com_docker_compose_service", "api",
			"__meta_docker_container_label_b", "c",
		),
		Container: &lighter.Container{
			ID: idA, Name: "api-1", TTY: true, LogDriver: "json-file", LogPath: "/var/lib/docker/containers/a/a-json.log", Running: true,
			Created: time.Date(2026, 1, 2, 3, 4, 4, 0, time.UTC), Started: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		},
	}}
	if diff := cmp.Diff(want, got, cmp.Comparer(labels.Equal)); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

// update has the containers of one call of update: their names, and whether they run.
type update []string

// run runs a Discoverer until the test ends. The channel receives all updates.
func run(t *testing.T, d *dockerfiles.Discoverer) <-chan update {
	updates := make(chan update, 100)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		done <- d.Run(ctx, func(targets []lighter.Target) {
			u := update{}
			for _, t := range targets {
				u = append(u, t.Container.Name+map[bool]string{true: " runs"}[t.Container.Running])
			}
			updates <- u
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return updates
}

func TestRun(t *testing.T) {
	for name, tc := range map[string]struct {
		fails, deaf bool // inotify is not available, or reports no events
		first       time.Duration
	}{
		"inotify works":         {},
		"there is no inotify":   {fails: true, first: time.Second},
		"inotify tells nothing": {deaf: true, first: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			test := func(t *testing.T) {
				h := host{t, t.TempDir()}
				var log logBook
				d := dockerfiles.New(h.root, logger(&log))
				if tc.fails || tc.deaf {
					d.Deaf(tc.fails)
				}
				updates := run(t, d)
				expect := func(within time.Duration, want ...string) {
					t.Helper()
					if !tc.fails && !tc.deaf {
						within = time.Minute // of a real clock
					}
					var got []update // files that are only half written make updates of their own
					for timeout := time.After(within); ; {
						select {
						case u := <-updates:
							if got = append(got, u); slices.Equal(u, want) {
								return
							}
						case <-timeout:
							t.Fatalf("updates within %s: %q, want %q; log:\n%s", within, got, want, &log)
						}
					}
				}
				if err := os.Mkdir(filepath.Join(h.root, "containers"), 0o700); err != nil {
					t.Fatal(err)
				}
				expect(time.Second)
				h.write(idA, configA, hostA)
				expect(tc.first, "api-1 runs")
				if tc.deaf {
					time.Sleep(time.Second) // in which inotify could have reported an event
				}
				h.write(idA, stoppedA, hostA)
				expect(time.Second, "api-1")
				h.remove(idA)
				expect(time.Second)
			}
			if tc.fails || tc.deaf {
				synctest.Test(t, test)
			} else {
				test(t)
			}
		})
	}
}

// A change that inotify reports is noticed at once, and one that it does not report after at most half a minute.
func TestLooksWhenTold(t *testing.T) {
	for name, told := range map[string]bool{"told": true, "not told": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := host{t, t.TempDir()}
				h.write(idA, configA, hostA)
				d := dockerfiles.New(h.root, logger(&logBook{}))
				events := make(chan struct{})
				d.Told(events)
				updates := run(t, d)
				<-updates
				time.Sleep(time.Hour + 10*time.Second) // checks are at the half minutes of the clock
				h.write(idA, stoppedA, hostA)
				start, want := time.Now(), 20*time.Second
				if told {
					events <- struct{}{}
					want = 0
				}
				if got, took := <-updates, time.Since(start); !slices.Equal(got, update{"api-1"}) || took != want {
					t.Errorf("%q after %s, want %s", got, took, want)
				}
			})
		})
	}
}

// A missing directory is logged once.
func TestRunWithoutADirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBook
		d := dockerfiles.New(t.TempDir(), logger(&log))
		d.Deaf(false)
		run(t, d)
		time.Sleep(time.Minute)
		if n := strings.Count(log.String(), "the containers cannot be listed"); n != 1 {
			t.Errorf("logged %d times that the containers cannot be listed, want once:\n%s", n, &log)
		}
	})
}

// The log of a container with invalid files is not shipped, because the container may have opted out. The content of
// the files is not logged.
func TestBroken(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"no file":  func(file string) error { return os.Mkdir(file, 0o700) },
		"not JSON": func(file string) error { return os.WriteFile(file, []byte("PASSWORD=hunter2"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			h := host{t, t.TempDir()}
			h.write(idA, configA, hostA)
			h.write(idB, configA, hostA)
			file := filepath.Join(h.root, "containers", idB, "config.v2.json")
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := spoil(file); err != nil {
				t.Fatal(err)
			}
			var log logBook
			d := dockerfiles.New(h.root, logger(&log))
			for range 3 {
				got, err := d.List()
				if err != nil || len(got) != 2 || got[0].Container.SkipReason != "" || !strings.Contains(got[1].Container.SkipReason, "config.v2.json") {
					t.Fatalf("targets = %v, err = %v", got, err)
				}
			}
			if n := strings.Count(log.String(), "is not shipped"); n != 1 || strings.Contains(log.String(), "hunter2") {
				t.Errorf("logged %d times, want once, and no secret:\n%s", n, &log)
			}
			h.remove(idB)
			h.write(idB, strings.ReplaceAll(configA, "api-1", "now"), hostA)
			got, err := d.List()
			if err != nil || len(got) != 2 || got[1].Container.Name != "now" || got[1].Container.SkipReason != "" {
				t.Errorf("once it can be read: targets = %v, err = %v", got, err)
			}
			spoilt := filepath.Join(h.root, "containers", idB, "config.v2.json")
			if err := os.Remove(spoilt); err != nil {
				t.Fatal(err)
			}
			if err := spoil(spoilt); err != nil {
				t.Fatal(err)
			}
			if got, err = d.List(); err != nil || len(got) != 2 || got[1].Container.Name != "now" || got[1].Container.SkipReason != "" {
				t.Errorf("what was known before is not used: targets = %v, err = %v", got, err)
			}
		})
	}
}

func TestNoDirectory(t *testing.T) {
	_, err := dockerfiles.New(t.TempDir(), logger(&logBook{})).List()
	if err == nil || !strings.Contains(err.Error(), lighter.SettingDockerRoot) {
		t.Errorf("err = %v", err)
	}
}

func BenchmarkLook(b *testing.B) {
	h := host{b, b.TempDir()}
	for i := range 100 {
		h.write(strings.Repeat("0", 62)+string("0123456789"[i/10])+string("0123456789"[i%10]), configA, hostA)
	}
	d := dockerfiles.New(h.root, logger(&logBook{}))
	for b.Loop() {
		if _, err := d.List(); err != nil {
			b.Fatal(err)
		}
	}
}
