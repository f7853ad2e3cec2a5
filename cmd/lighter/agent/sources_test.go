package agent_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/cmd/lighter/agent"
	"lighter/cmd/lighter/web"
	"lighter/config"
)

// run is a running agent, and its log.
type run struct {
	*agent.Agent
	stop   func()
	logger *slog.Logger
	said   *said
}

// said is a log.
type said struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) lines(with string) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.b.String()) {
		if strings.Contains(line, with) {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	return all
}

// run runs a plan with a separate log until stop is called.
func (h *host) run(p *config.Plan) run {
	h.t.Helper()
	own, all := agent.NewOwnLog(), &said{}
	logger := slog.New(slog.NewTextHandler(io.MultiWriter(own, all, testLog{h.t}), nil))
	a, err := agent.New(p, agent.Options{Version: "test", Logger: logger, OwnLog: own})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
		if err := a.Close(); err != nil {
			h.t.Error(err)
		}
	})
	h.t.Cleanup(stop)
	return run{a, stop, logger, all}
}

// apply changes the plan.
func (r run) apply(t *testing.T, p *config.Plan) {
	t.Helper()
	if err := r.Apply(p); err != nil {
		t.Fatal(err)
	}
}

// lines returns the lines that have arrived in streams with a label.
func (b *backend) lines(name, value string) (all []string) {
	for _, s := range b.Streams(labels.MustNewMatcher(labels.MatchEqual, name, value)) {
		for _, e := range s.Entries {
			all = append(all, e.Line)
		}
	}
	return all
}

// once checks that lines with the numbers 0 to n-1 arrive once each in streams with a label, in any order.
func (b *backend) once(t *testing.T, name, value string, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d lines arrive with %s=%q", n, name, value), func() bool { return len(b.lines(name, value)) >= n })
	seen := map[string]int{}
	for _, line := range b.lines(name, value) {
		seen[line]++
	}
	for i := range n {
		if line := fmt.Sprintf("line %d", i); seen[line] != 1 {
			t.Errorf("%q arrived %d times with %s=%q, want once", line, seen[line], name, value)
		}
	}
	if len(seen) != n {
		t.Errorf("%d different lines arrived with %s=%q, want %d", len(seen), name, value, n)
	}
}

// copied returns a copy of the data directory, as a killed process would leave it at present.
func (h *host) copied() string {
	h.t.Helper()
	dir := h.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(h.dataDir)); err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// The agent's own log is shipped, each line once, even if a reload replaces the endpoint.
func TestTheAgentsOwnLog(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	source := config.Node{Name: "own", To: []string{"loki"}, Args: config.AgentLog{}}
	a := h.run(h.plan([]config.Node{source, lokiNode("loki", b)}))
	say := func(from, to int) {
		for i := from; i < to; i++ {
			a.logger.Info("hello", "n", i)
		}
	}
	count := func() (n int) {
		for _, line := range b.lines("component", "alloy") {
			if strings.Contains(line, "msg=hello") {
				n++
			}
		}
		return n
	}
	say(0, 50)
	a.apply(t, h.plan([]config.Node{source, withLabel(lokiNode("loki", b), "unused", "")}))
	say(50, 100)
	await(t, "100 lines arrive", func() bool { return count() >= 100 })
	a.apply(t, h.plan([]config.Node{lokiNode("loki", b)}))
	say(100, 110)
	a.stop()
	if n := count(); n != 100 {
		t.Errorf("%d lines arrived, want 100", n)
	}
	for _, line := range b.lines("component", "alloy") {
		if strings.HasSuffix(line, "\n") {
			t.Errorf("a line ends with a newline: %q", line)
		}
	}
}

// Lines of the agent's own log whose shipping fails, which causes further lines, do not do so forever.
func TestTheAgentsOwnLogDoesNotFeedItself(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	b.away.Store(true)
	start := time.Now()
	a := h.run(h.plan([]config.Node{{Name: "own", To: []string{"loki", "echo"}, Args: config.AgentLog{}}, lokiNode("loki", b), {Name: "echo", Args: config.Echo{}}}))
	for i := range 5000 { // more than are shipped at once
		a.logger.Info("flood", "n", i)
	}
	await(t, "sending them has failed several times", func() bool { return b.Requests() >= 3 })
	if n := len(a.said.lines("")); n > 5050 {
		t.Errorf("%d lines were logged", n)
	}
	if n := len(a.said.lines("own log is not echoed")); n != 1 {
		t.Errorf("that the log is not echoed was said %d times, want once", n)
	}
	b.away.Store(false)
	await(t, "the lines before the flood was too much arrive", func() bool { return len(b.lines("component", "alloy")) >= 400 })
	most := 501 + int(20*time.Since(start).Seconds()) // the burst, and 20 a second
	if n := len(b.lines("component", "alloy")); n > most {
		t.Errorf("%d lines were shipped of a flood, want at most %d", n, most)
	}
}

// Entries sent to an echo are logged, each once, and not again after a restart.
func TestEcho(t *testing.T) {
	h := newHost(t)
	api := h.container("api")
	h.write(api, 10)
	p := h.plan(logs("logs", "logs", "echo"), []config.Node{{Name: "echo", Args: config.Echo{}}})
	a := h.run(p)
	await(t, "10 entries are logged", func() bool { return len(a.said.lines("entry=")) >= 10 })
	a.stop()
	if got := a.said.lines("entry=")[0]; !strings.Contains(got, `entry="api 0 xxx`) || !strings.Contains(got, `container=\"api\"`) {
		t.Errorf("the first entry: %s", got)
	}
	h.write(api, 10)
	b := h.run(p)
	await(t, "10 more entries are logged", func() bool { return len(b.said.lines("entry=")) >= 10 })
	b.stop()
	if got := b.said.lines("entry="); len(got) != 10 || !strings.Contains(got[0], `entry="api 10 xxx`) {
		t.Errorf("%d entries were logged after the restart, the first one is %s", len(got), got[0])
	}
}

// A container whose streams have no label is not read, because Loki would refuse them, and one warning is
// logged. It is read if the source or the endpoint adds a label.
func TestContainersWithoutLabels(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	h.write(api, 10)
	bare := config.LogSource{Engine: "engine", MaxLineBytes: 256 << 10, Since: 24 * time.Hour}
	plan := func(args config.LogSource, end config.Node) *config.Plan {
		return h.plan([]config.Node{{Name: "logs", From: []string{"engine"}, To: []string{"loki"}, Args: args}, end})
	}
	a := h.run(plan(bare, lokiNode("loki", b)))
	await(t, "the container is seen", func() bool { return len(a.Status().Containers) == 1 })
	h.container("another") // causes one more evaluation
	await(t, "both are seen", func() bool { return len(a.Status().Containers) == 2 })
	c := a.Status().Containers[0]
	if c.State != "left out" || !strings.Contains(c.Error, "rules that create a label") {
		t.Errorf("status: %q, %q", c.State, c.Error)
	}
	if n := len(a.said.lines("container=api")); n != 1 {
		t.Errorf("it was said %d times, want once", n)
	}
	labelled := bare
	labelled.Labels = labels.FromStrings("container", "api", "__meta_docker_container_name", "wins")
	labelled.Rules = append(labelled.Rules, named(), set("name", "$1"))
	labelled.Rules[1].SourceLabels = append(labelled.Rules[1].SourceLabels, "__meta_docker_container_name")
	a.apply(t, plan(labelled, lokiNode("loki", b)))
	await(t, "the labelled lines arrive", func() bool { return len(b.lines("name", "wins")) >= 10 })
	a.apply(t, plan(bare, withLabel(lokiNode("loki", b), "external", "yes")))
	h.write(api, 10)
	await(t, "the endpoint's label is enough", func() bool { return len(b.lines("external", "yes")) >= 10 })
}

// push sends numbered lines to a source that accepts Loki's push API.
func push(t *testing.T, address string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		body := fmt.Sprintf(`{"streams":[{"stream":{"app":"pushed"},"values":[["%d","line %d"]]}]}`, time.Now().UnixNano(), i)
		await(t, fmt.Sprintf("line %d is taken", i), func() bool {
			resp, err := http.Post("http://"+address+"/loki/api/v1/push", "application/json", strings.NewReader(body))
			if err != nil {
				return false // it listens again soon
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusNoContent
		})
	}
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Pushed entries arrive once on every path, across reloads and a kill.
func TestPushSource(t *testing.T) {
	h, b, other := newHost(t), newBackend(t), newBackend(t)
	address := freeAddress(t)
	source := func(to ...string) config.Node {
		return config.Node{Name: "push", To: to, Args: config.PushSource{Listen: address, Labels: labels.FromStrings("source", "push"), UseIncomingTimestamp: true}}
	}
	a := h.run(h.plan([]config.Node{source("loki"), lokiNode("loki", b)}))
	push(t, address, 0, 5)
	a.apply(t, h.plan([]config.Node{source("loki", "other"), lokiNode("loki", b), lokiNode("other", other)}))
	push(t, address, 5, 10)
	a.apply(t, h.plan([]config.Node{source("stages", "other"), {Name: "stages", To: []string{"loki"}, Args: config.Stages{}}, withLabel(lokiNode("loki", b), "unused", ""), lokiNode("other", other)}))
	push(t, address, 10, 15)
	st := a.Status().Sources
	if len(st) != 1 || st[0].Kind != "push" || st[0].State != "listening" || st[0].Read != 5 || !slices.Equal(st[0].To, []string{"loki", "other"}) {
		t.Errorf("status: %+v", st)
	}
	h.dataDir = h.copied()
	a.stop()
	a = h.run(h.plan([]config.Node{source("loki"), lokiNode("loki", b)}))
	push(t, address, 15, 20)
	a.stop()
	b.once(t, "source", "push", 20)
	if got := other.lines("source", "push"); len(got) != 10 {
		t.Errorf("the other endpoint has %q, want lines 5 to 14", got)
	}
}

// A source whose address is in use reports that, and listens once it is free.
func TestASourceWaitsForItsAddress(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	a := h.run(h.plan([]config.Node{{Name: "push", To: []string{"loki"}, Args: config.PushSource{Listen: address, UseIncomingTimestamp: true}}, lokiNode("loki", b)}))
	failing := func() bool {
		return slices.ContainsFunc(a.Ready(), func(c web.Check) bool { return c.Name == "logs" && strings.Contains(c.Fail, address) })
	}
	await(t, "the check fails", failing)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	push(t, address, 0, 1)
	if failing() {
		t.Error("the check still fails")
	}
	b.once(t, "app", "pushed", 1)
}
