package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.uber.org/goleak"

	"lighter/cmd/lighter/agent"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a simulated Engine, whose containers a test writes, and the nodes of a plan that reads it.
type host struct {
	t       *testing.T
	engine  *dockersim.Engine
	root    string // of the Engine's log files
	dataDir string
	written map[string]int // number of lines written, by container
	mu      sync.Mutex
	clock   int64
}

func newHost(t *testing.T) *host {
	h := &host{t: t, root: t.TempDir(), dataDir: t.TempDir(), written: map[string]int{}, clock: time.Now().Add(-time.Hour).UnixNano()}
	h.engine = dockersim.New(dockersim.Options{Name: "host-1", Root: h.root})
	if err := h.engine.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *host) container(name string) *dockersim.Container {
	c := h.engine.Create(dockersim.Spec{Name: name})
	c.Start()
	return c
}

// write makes a container write n more numbered lines.
func (h *host) write(c *dockersim.Container, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for range n {
		h.clock += 1001
		c.WriteAt(h.clock, dockersim.Stdout, fmt.Sprintf("%s %d %s", c.Name(), h.written[c.Name()], strings.Repeat("x", 80)))
		h.written[c.Name()]++
	}
}

// backend is a receiver that can be made unavailable.
type backend struct {
	*receiver.Server
	away  atomic.Bool
	twice bool // lines may arrive twice
}

func newBackend(t *testing.T) *backend {
	b := &backend{Server: receiver.New(receiver.Options{})}
	b.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) {
		return http.StatusServiceUnavailable, nil, "away", b.away.Load()
	})
	if err := b.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if st := b.PushStats(); !b.twice && (st.Repeated > 0 || st.OutOfOrder > 0) {
			t.Errorf("%d lines were sent twice, and %d came out of order", st.Repeated, st.OutOfOrder)
		}
		if v := b.Violations(); len(v) > 0 {
			t.Errorf("violations of the protocols: %v", v)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// numbers returns the numbers of a container's stored lines, in order, from streams with a label.
func (b *backend) numbers(container, label, value string) (numbers []int) {
	for _, s := range b.Streams(labels.MustNewMatcher(labels.MatchEqual, "container", container), labels.MustNewMatcher(labels.MatchEqual, label, value)) {
		for _, e := range s.Entries {
			var n int
			if _, err := fmt.Sscanf(e.Line, container+" %d ", &n); err != nil {
				n = -1
			}
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// set returns a rule that sets a label to a value.
func set(label, value string) *relabel.Config {
	return &relabel.Config{Action: relabel.Replace, Separator: ";", Regex: relabel.MustNewRegexp("(.*)"), TargetLabel: label, Replacement: value, NameValidationScheme: model.LegacyValidation}
}

// named returns a rule that sets a label to the name of a container.
func named() *relabel.Config {
	r := set("container", "$1")
	r.SourceLabels, r.Regex = model.LabelNames{"__meta_docker_container_name"}, relabel.MustNewRegexp("/(.*)")
	return r
}

// The nodes of plans.
func (h *host) engineNode() config.Node {
	c := docker.DefaultConfig()
	c.Host, c.Stopped, c.HostNameSet = h.engine.Host(), true, true
	return config.Node{Name: "engine", Args: c}
}

func logs(name, source string, to ...string) []config.Node {
	return []config.Node{
		{Name: name + "_labels", From: []string{"engine"}, Args: config.Relabel{Rules: []*relabel.Config{named(), set("source", source)}}},
		{Name: name, From: []string{name + "_labels"}, To: to, Args: config.LogSource{Engine: "engine", MaxLineBytes: 256 << 10, Since: 24 * time.Hour}},
	}
}

func lokiNode(name string, b *backend) config.Node {
	c := loki.DefaultConfig()
	c.URL, c.BatchWait = b.URL()+receiver.PushPath, 50*time.Millisecond
	return config.Node{Name: name, Args: c}
}

func promNode(name string, b *backend) config.Node {
	c := remotewrite.DefaultConfig()
	c.URL = b.URL() + receiver.WritePath
	return config.Node{Name: name, Args: c}
}

func scrapeNode(from, to string) config.Node {
	c := scrape.DefaultConfig()
	c.Interval, c.Timeout = 2*time.Second, 2*time.Second
	return config.Node{Name: "scrape", From: []string{from}, To: []string{to}, Args: c}
}

func (h *host) plan(nodes ...[]config.Node) *config.Plan {
	return &config.Plan{Agent: config.Agent{DataDir: h.dataDir, BufferMax: 64 << 20, Host: "host-1"}, Nodes: slices.Concat(append([][]config.Node{{h.engineNode()}}, nodes...)...)}
}

// start runs an agent until the returned function is called.
func (h *host) start(p *config.Plan) (a *agent.Agent, stop func()) {
	h.t.Helper()
	a, err := agent.New(p, agent.Options{Version: "test", Logger: slog.New(slog.NewTextHandler(testLog{h.t}, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
		if err := a.Close(); err != nil {
			h.t.Error(err)
		}
	})
	h.t.Cleanup(stop)
	return a, stop
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	if testing.Verbose() {
		fmt.Fprintf(os.Stderr, "%s", b)
	}
	return len(b), nil
}

// patience is how long a test waits for what a slow machine may take long to do.
const patience = 5 * time.Minute

// await waits until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after %s: %s", patience, what)
		}
	}
}

// arrived waits until all written lines of a container have arrived, and checks that each came once and in
// order.
func (h *host) arrived(b *backend, container, label, value string) {
	h.t.Helper()
	h.mu.Lock()
	want := h.written[container]
	h.mu.Unlock()
	await(h.t, fmt.Sprintf("%d lines of %s arrive with %s=%q", want, container, label, value), func() bool { return len(b.numbers(container, label, value)) >= want })
	for i, n := range b.numbers(container, label, value) {
		if i != n {
			h.t.Fatalf("line %d of %s with %s=%q is number %d", i, container, label, value, n)
		}
	}
}

// Two sources that send to one endpoint: the endpoint is run once, and every line arrives.
func TestTwoSourcesSendToOneEndpoint(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api, db := h.container("api"), h.container("db")
	h.write(api, 2500)
	h.write(db, 2500)
	_, stop := h.start(h.plan(logs("one", "one", "loki"), logs("two", "two", "loki"), []config.Node{lokiNode("loki", b)}))
	for _, container := range []string{"api", "db"} {
		for _, source := range []string{"one", "two"} {
			h.arrived(b, container, "source", source)
		}
	}
	stop()
}

// Two sources that select the same container both read it, over the socket or from its file, each with its
// own position, which a restart keeps.
func TestTwoSourcesReadOneContainer(t *testing.T) {
	for _, from := range []string{"socket", "file"} {
		t.Run(from, func(t *testing.T) {
			h, b := newHost(t), newBackend(t)
			nodes := slices.Concat(logs("one", "one", "loki"), logs("two", "two", "loki"), []config.Node{lokiNode("loki", b)})
			if from == "file" {
				for i, n := range nodes {
					if args, ok := n.Args.(config.LogSource); ok {
						args.Root = h.root
						nodes[i].Args = args
					}
				}
			}
			api := h.container("api")
			for range 2 {
				h.write(api, 100)
				a, stop := h.start(h.plan(nodes))
				h.arrived(b, "api", "source", "one")
				h.arrived(b, "api", "source", "two")
				h.write(api, 100) // while both follow it
				h.arrived(b, "api", "source", "one")
				h.arrived(b, "api", "source", "two")
				if n := len(a.Status().Containers); n != 2 {
					t.Errorf("the status has %d rows, want one a source", n)
				}
				stop()
			}
		})
	}
}

// One endpoint is unavailable for longer than its buffers last: the other gets every line in the meantime,
// and the unavailable one gets them all later, from its own position.
func TestAnEndpointThatIsAwayDelaysNoOther(t *testing.T) {
	h, well, away := newHost(t), newBackend(t), newBackend(t)
	api := h.container("api")
	p := h.plan(logs("logs", "logs", "well", "away"), []config.Node{lokiNode("well", well), lokiNode("away", away)})
	p.Agent.BufferMax = 1 << 20
	away.away.Store(true)
	_, stop := h.start(p)
	for range 5 { // 10 MB: far more than the endpoint's memory and disk can hold
		h.write(api, 20_000)
		h.arrived(well, "api", "source", "logs")
	}
	if n := len(away.numbers("api", "source", "logs")); n > 0 {
		t.Fatalf("%d lines arrived at the endpoint that is away", n)
	}
	stop() // what the one has is kept, and what the other lacks is still to come
	_, stop = h.start(p)
	h.write(api, 10)
	h.arrived(well, "api", "source", "logs")
	away.away.Store(false)
	h.arrived(away, "api", "source", "logs")
	stop()
}

// A source can send through stages, and to one endpoint on two ways.
func TestStages(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	h.write(api, 100)
	_, stop := h.start(h.plan(logs("logs", "logs", "first"), []config.Node{
		{Name: "first", To: []string{"second", "loki2"}, Args: config.Stages{}},
		{Name: "second", To: []string{"loki"}, Args: config.Stages{}},
		withLabel(lokiNode("loki", b), "way", "long"), withLabel(lokiNode("loki2", b), "way", "short"),
	}))
	h.arrived(b, "api", "way", "long")
	h.arrived(b, "api", "way", "short")
	stop()
}

func withLabel(n config.Node, name, value string) config.Node {
	c := n.Args.(loki.Config)
	c.ExternalLabels = labels.FromStrings(name, value)
	n.Args = c
	return n
}

// A plan that is not valid runs nothing, and changes nothing that runs.
func TestAPlanThatIsNotValidIsRefused(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	bad := h.plan(logs("logs", "logs"), []config.Node{lokiNode("loki", b)})
	if _, err := agent.New(bad, agent.Options{Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), `node "logs": to:`) {
		t.Errorf("New = %v, want the node and its field", err)
	}
	api := h.container("api")
	h.write(api, 10)
	a, stop := h.start(h.plan(logs("logs", "logs", "loki"), []config.Node{lokiNode("loki", b)}))
	h.arrived(b, "api", "source", "logs")
	noCertificate := lokiNode("loki", b)
	c := noCertificate.Args.(loki.Config)
	c.HTTP.TLSConfig.CAFile = "/nonexistent/ca.pem"
	noCertificate.Args = c
	for name, refused := range map[string]*config.Plan{
		"not valid":       bad,
		"cannot be built": h.plan(logs("logs", "changed", "loki"), []config.Node{noCertificate}),
	} {
		if err := a.Apply(refused); err == nil {
			t.Errorf("%s: Apply = nil, want an error", name)
		}
		h.write(api, 10)
		h.arrived(b, "api", "source", "logs")
	}
	stop()
	if err := a.Apply(h.plan()); err != agent.ErrStopped {
		t.Errorf("Apply after the end = %v, want ErrStopped", err)
	}
}

// Frequent reloads lose no line and send none twice, whatever part of the plan they change.
func TestReloadsInAFlood(t *testing.T) {
	h, b, other := newHost(t), newBackend(t), newBackend(t)
	containers := []*dockersim.Container{h.container("api"), h.container("db")}
	var flood sync.WaitGroup
	done := make(chan struct{})
	for _, c := range containers {
		flood.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(2 * time.Millisecond):
					h.write(c, 20)
				}
			}
		})
	}
	base := [][]config.Node{logs("logs", "logs", "loki"), {lokiNode("loki", b), promNode("prom", b), {Name: "self", Args: config.Self{}}, scrapeNode("self", "prom")}}
	target := []config.Node{{Name: "static", Args: config.Static{Targets: []labels.Labels{labels.FromStrings("__address__", "127.0.0.1:1", "job", "none")}}}}
	rule := slices.Concat(base...)
	rule[0].Args = config.Relabel{Rules: []*relabel.Config{named(), set("source", "logs"), set("reloaded", "")}} // one more rule, with the same resulting labels
	changed := slices.Concat(base...)
	changed[2] = withLabel(changed[2], "unused", "") // an endpoint that is built anew, and sends the same
	a, stop := h.start(h.plan(base...))
	await(t, "the agent's own samples arrive", func() bool { return b.WriteStats().Samples > 0 })
	n := 100
	if testing.Short() {
		n = 10
	}
	for i := range n {
		plan := [][]config.Node{base[0], base[1], target}
		switch i % 6 {
		case 1, 3, 5:
			plan = base
		case 2:
			plan = [][]config.Node{rule}
		case 4:
			more := logs("logs", "logs", "loki", "other")
			plan = [][]config.Node{more, base[1], {lokiNode("other", other)}}
		case 0:
			if i%12 == 0 {
				plan = [][]config.Node{changed}
			} else {
				slower := slices.Clone(base[1])
				c := slower[3].Args.(scrape.Config)
				c.Interval = 3 * time.Second
				slower[3].Args = c
				plan = [][]config.Node{base[0], slower}
			}
		}
		if err := a.Apply(h.plan(plan...)); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	flood.Wait()
	for _, c := range containers {
		h.arrived(b, c.Name(), "source", "logs")
	}
	added := func() []receiver.Series {
		return b.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", "scrape_series_added"), labels.MustNewMatcher(labels.MatchEqual, "job", "lighter"))
	}
	await(t, "the agent's own page is scraped again", func() bool { return len(added()) == 1 && len(added()[0].Samples) > 1 })
	stop()
	for _, c := range containers {
		h.arrived(b, c.Name(), "source", "logs") // and no line came twice until the end
	}
	stale := 0
	for _, s := range b.Series(labels.MustNewMatcher(labels.MatchEqual, "job", "lighter")) {
		for _, sample := range s.Samples[:max(len(s.Samples)-1, 0)] {
			if sample.Stale() {
				stale++
			}
		}
	}
	if stale > 0 {
		t.Errorf("%d staleness markers of series that went on", stale)
	}
	for _, s := range added() {
		for _, sample := range s.Samples[1:] {
			if !sample.Stale() && sample.Value > s.Samples[0].Value/2 {
				t.Errorf("%v series were added at a scrape, though most of the first one's %v went on", sample.Value, s.Samples[0].Value)
			}
		}
	}
}
