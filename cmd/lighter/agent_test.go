package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/cmd/lighter/web"
	"lighter/discovery/dockersim"
	"lighter/exporters/receiver"
)

// dockerHost is a simulated Docker host with a backend, for which a test starts and stops agents.
type dockerHost struct {
	t       *testing.T
	engine  *dockersim.Engine
	backend *receiver.Server
	environ []string
	written map[string]map[int64]string // by the labels of the stream and the time: the line
	clock   int64                       // Unix nanoseconds of the last line
}

func newDockerHost(t *testing.T) *dockerHost {
	h := &dockerHost{t: t, backend: receiver.New(receiver.Options{}), written: map[string]map[int64]string{}, clock: time.Now().Add(-time.Hour).UnixNano()}
	root := t.TempDir()
	h.engine = dockersim.New(dockersim.Options{Name: "host-1", Root: root})
	if err := h.engine.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := h.backend.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range []interface{ Close() error }{h.engine, h.backend} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	h.environ = []string{
		"DOCKER_HOST=" + h.engine.Host(), "LIGHTER_DOCKER_ROOT=" + root, "HOSTNAME=host-1",
		"GRAFANA_LOKI_URL=" + h.backend.URL(), "ENVIRONMENT=test",
		"LIGHTER_DATA_DIR=" + t.TempDir(), "LIGHTER_LISTEN=127.0.0.1:0",
	}
	return h
}

// start starts an agent that reads logs from source. It returns the agent's address and a function that
// stops it.
func (h *dockerHost) start(source string, environ ...string) (url string, stop func()) {
	h.t.Helper()
	all := append(h.environ[:len(h.environ):len(h.environ)], "LIGHTER_LOG_SOURCE="+source)
	line, end := startAgent(h.t, append(all, environ...), "run")
	return fmt.Sprintf("http://127.0.0.1:%d", line.Port), func() {
		h.t.Helper()
		if code, log := end(); code != exitOK {
			h.t.Errorf("exit %d:\n%s", code, log)
		}
	}
}

// create creates and starts a container.
func (h *dockerHost) create(s dockersim.Spec) *dockersim.Container {
	c := h.engine.Create(s)
	c.Start()
	return c
}

// write makes a container write a line, and records what the backend should get.
func (h *dockerHost) write(c *dockersim.Container, s dockersim.Stream, line string) {
	h.clock += 1_000_001
	c.WriteAt(h.clock, s, line)
	stream := "stdout"
	if s == dockersim.Stderr {
		stream = "stderr"
	}
	key := labels.FromStrings("environment", "test", "host", "host-1", "instance", "host-1", "job", "integrations/docker", "service", c.Name(), "container", c.Name(), "stream", stream).String()
	if h.written[key] == nil {
		h.written[key] = map[int64]string{}
	}
	h.written[key][h.clock] = line
}

// count makes a container write n numbered lines.
func (h *dockerHost) count(c *dockersim.Container, n int) {
	for i := range n {
		h.write(c, dockersim.Stdout, fmt.Sprintf("%s line %d", c.Name(), i))
	}
}

// patience is how long a test waits for what a slow machine may take long to do.
const patience = 5 * time.Minute

// await waits until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after %s: %s", patience, what)
		}
	}
}

// arrived waits until as many lines have arrived as were written, and compares everything that the backend
// has with what was written: labels, times, bytes, order, and that nothing arrived twice.
func (h *dockerHost) arrived() {
	h.t.Helper()
	want := 0
	for _, lines := range h.written {
		want += len(lines)
	}
	events := func() (n int) {
		for _, s := range h.backend.Streams() {
			if s.Labels.Get("stream") == "events" {
				n += len(s.Entries)
			}
		}
		return n
	}
	await(h.t, fmt.Sprintf("%d lines are delivered", want), func() bool { return h.backend.PushStats().Lines-events() >= want })
	got := map[string]map[int64]string{}
	for _, s := range h.backend.Streams() {
		if s.Labels.Get("stream") == "events" {
			continue // TestEvents tests them
		}
		key := s.Labels.String()
		got[key] = map[int64]string{}
		for _, e := range s.Entries {
			got[key][e.Time] += e.Line
		}
	}
	if diff := cmp.Diff(h.written, got); diff != "" {
		h.t.Errorf("what the backend has (-want +got):\n%s", diff)
	}
	if s := h.backend.PushStats(); s.Repeated != 0 || s.OutOfOrder != 0 {
		h.t.Errorf("repeated %d, out of order %d, want 0 and 0", s.Repeated, s.OutOfOrder)
	}
	if v := h.backend.Violations(); len(v) > 0 {
		h.t.Errorf("breaches of the protocol: %s", v)
	}
}

// status returns an agent's status.
func (h *dockerHost) status(url string) (st web.Status) {
	h.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url + "/api/v1/status")
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		h.t.Fatal(err)
	}
	return st
}

var sources = []string{"socket", "file", "auto"}

// The whole way of a line, from each source. Whatever happens to a container and to the agent, every line
// arrives once, in order, as it was written.
func TestLines(t *testing.T) {
	for name, scenario := range map[string]func(h *dockerHost, source string){
		"written before the agent and while it runs": func(h *dockerHost, source string) {
			c := h.create(dockersim.Spec{Name: "api"})
			h.count(c, 1000)
			h.write(c, dockersim.Stderr, "an error, <b>&\"\\\x01 é")
			_, stop := h.start(source)
			defer stop()
			h.arrived()
			h.count(c, 1000)
			h.write(c, dockersim.Stdout, strings.Repeat("long ", 40_000/5))
			h.write(c, dockersim.Stdout, "")
			h.arrived()
		},
		"of a container that is made later, and of one that has exited": func(h *dockerHost, source string) {
			old := h.create(dockersim.Spec{Name: "old"})
			h.count(old, 10)
			old.Stop(0)
			_, stop := h.start(source)
			defer stop()
			h.count(h.create(dockersim.Spec{Name: "new"}), 10)
			h.arrived()
		},
		"on a terminal": func(h *dockerHost, source string) {
			c := h.create(dockersim.Spec{Name: "shell", TTY: true})
			h.count(c, 10)
			_, stop := h.start(source)
			defer stop()
			h.arrived()
		},
		"while the agent is away": func(h *dockerHost, source string) {
			c := h.create(dockersim.Spec{Name: "api"})
			for range 3 {
				h.count(c, 100)
				_, stop := h.start(source)
				h.arrived()
				stop()
			}
		},
		"while the container restarts": func(h *dockerHost, source string) {
			c := h.create(dockersim.Spec{Name: "api"})
			_, stop := h.start(source)
			defer stop()
			for range 3 {
				h.count(c, 100)
				c.Restart()
				h.count(c, 100)
				h.arrived()
				c.Stop(1)
				c.Start()
			}
			h.count(c, 1)
			h.arrived()
		},
		"just before the container is removed": func(h *dockerHost, source string) {
			other := h.create(dockersim.Spec{Name: "other"})
			_, stop := h.start(source)
			defer stop()
			for i := range 5 {
				c := h.create(dockersim.Spec{Name: fmt.Sprintf("job-%d", i)})
				h.count(c, 10)
				h.arrived() // what Docker deletes before it is read is lost
				c.Remove()
			}
			h.count(other, 10)
			h.arrived()
		},
		"while the backend is away": func(h *dockerHost, source string) {
			c := h.create(dockersim.Spec{Name: "api"})
			h.backend.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) { return 503, nil, "away", true })
			_, stop := h.start(source)
			h.count(c, 1000)
			await(h.t, "the backend is tried", func() bool { return h.backend.Requests() > 0 })
			stop()
			_, stop = h.start(source)
			defer stop()
			h.count(c, 1000)
			h.backend.Respond(nil)
			h.arrived()
		},
		"while the agent changes where it reads": func(h *dockerHost, source string) {
			c := h.create(dockersim.Spec{Name: "api"})
			for _, s := range []string{source, "socket", source, "file", source, "auto"} {
				h.count(c, 100)
				_, stop := h.start(s)
				h.arrived()
				h.count(c, 100)
				h.arrived()
				stop()
			}
		},
	} {
		for _, source := range sources {
			t.Run(name+"/"+source, func(t *testing.T) {
				t.Parallel()
				scenario(newDockerHost(t), source)
			})
		}
	}
}

// A container whose renaming changes the labels of its streams is read on from its position.
func TestRename(t *testing.T) {
	for _, source := range sources {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			h := newDockerHost(t)
			c := h.create(dockersim.Spec{Name: "before"})
			url, stop := h.start(source)
			defer stop()
			h.count(c, 100)
			h.arrived()
			c.Rename("after")
			await(t, "the agent knows the new name", func() bool {
				st := h.status(url)
				return len(st.Containers) == 1 && st.Containers[0].Name == "after" && st.Containers[0].State == "following"
			})
			h.count(c, 100)
			h.arrived()
		})
	}
}

// auto reads files if there are any, and otherwise the socket; file sends no request to the Engine.
func TestSources(t *testing.T) {
	for source, want := range map[string]map[string]string{
		"socket": {"plain": "socket", "local": "socket"},
		"file":   {"plain": "file", "local": "file"},
		"auto":   {"plain": "file", "local": "socket"},
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			h := newDockerHost(t)
			plain, local := h.create(dockersim.Spec{Name: "plain"}), h.create(dockersim.Spec{Name: "local", Driver: "local"})
			h.count(plain, 10)
			if source == "file" {
				local.Write(dockersim.Stdout, "that nobody can read in a file of json-file's")
			} else {
				h.count(local, 10)
			}
			url, stop := h.start(source)
			defer stop()
			h.arrived()
			got := map[string]string{}
			for _, c := range h.status(url).Containers {
				got[c.Name] = c.Source
				if unread := source == "file" && c.Name == "local"; unread != strings.Contains(c.Error, "json-file") {
					t.Errorf("%s: error %q", c.Name, c.Error)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			if n := len(h.engine.Requests()); (source == "file") != (n == 0) {
				t.Errorf("the Engine was asked %d times", n)
			}
			if code := status(t, url+"/ready"); code != http.StatusOK {
				t.Errorf("/ready = %d", code)
			}
		})
	}
}

// A container that was created but not started has no log yet; once it starts, auto reads its file.
func TestAutoDecidesAtTheStart(t *testing.T) {
	h := newDockerHost(t)
	c := h.engine.Create(dockersim.Spec{Name: "api"})
	url, stop := h.start("auto")
	defer stop()
	await(t, "the container is known", func() bool { return len(h.status(url).Containers) == 1 })
	c.Start()
	h.count(c, 10)
	h.arrived()
	if got := h.status(url).Containers[0].Source; got != "file" {
		t.Errorf("source = %q, want file", got)
	}
}

// Lines of the same nanosecond are distinguished by their number: none is sent twice if the agent stops
// between them, and none is left out.
func TestSameNanosecond(t *testing.T) {
	for _, source := range sources {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			h := newDockerHost(t)
			c := h.create(dockersim.Spec{Name: "api"})
			at := h.clock + 123
			var want []string
			for round := range 4 {
				for i := range round + 1 {
					line := fmt.Sprintf("round %d line %d", round, i)
					want = append(want, line)
					c.WriteAt(at, dockersim.Stdout, line)
				}
				_, stop := h.start(source)
				await(t, "the lines are delivered", func() bool { return h.backend.PushStats().Lines >= len(want) })
				stop()
			}
			var got []string
			for _, s := range h.backend.Streams() {
				for _, e := range s.Entries {
					got = append(got, e.Line)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if s := h.backend.PushStats(); s.Repeated != 0 {
				t.Errorf("%d lines came twice", s.Repeated)
			}
		})
	}
}

// A container that was never started has nothing to ship, and one that ran is read to its end even if the
// Engine lists it but does not describe it.
func TestNotDescribed(t *testing.T) {
	h := newDockerHost(t)
	h.engine.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/json") || strings.HasSuffix(r.URL.Path, "/containers/json") {
			return false
		}
		http.Error(w, `{"message":"forbidden"}`, http.StatusForbidden)
		return true
	})
	h.engine.Create(dockersim.Spec{Name: "waiting"})
	done := h.create(dockersim.Spec{Name: "done"})
	h.count(done, 3)
	done.Stop(0)
	url, stop := h.start("socket")
	h.arrived()
	states := map[string]string{}
	for _, c := range h.status(url).Containers {
		states[c.Name] = c.State
	}
	if states["waiting"] != "created" {
		t.Errorf("states %v, want the one that never ran as created", states)
	}
	stop()
}

// What a container has written is delivered a moment after its end, and the status shows that.
func TestDeliveredAfterTheEnd(t *testing.T) {
	for _, source := range sources {
		t.Run(source, func(t *testing.T) {
			h := newDockerHost(t)
			c := h.create(dockersim.Spec{Name: "brief"})
			h.count(c, 10)
			c.Stop(0)
			url, stop := h.start(source)
			defer stop()
			h.arrived()
			await(t, "10 lines read and 10 delivered", func() bool {
				for _, c := range h.status(url).Containers {
					if c.Name == "brief" && c.State == "stopped" && c.Read == 10 && c.Delivered == 10 {
						return true
					}
				}
				return false
			})
		})
	}
}
