package agent_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/cmd/lighter/web"
	"lighter/config"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
)

// target serves a page of one series, and returns a node for it.
func target(t *testing.T) config.Node {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a 1\n")) }))
	t.Cleanup(s.Close)
	return config.Node{Name: "static", Args: config.Static{Targets: []labels.Labels{labels.FromStrings("__address__", strings.TrimPrefix(s.URL, "http://"), "job", "app")}}}
}

func samplesOf(b *backend, name string) (all []receiver.Sample) {
	for _, s := range b.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", name)) {
		all = append(all, s.Samples...)
	}
	return all
}

// When a reload removes a scrape, its series are marked as stale at the endpoint that stays.
func TestAScrapeThatIsLeftOutMarksItsSeriesAsStale(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	page := target(t)
	a, stop := h.start(h.plan([]config.Node{promNode("prom", b), page, scrapeNode("static", "prom")}))
	defer stop()
	await(t, "a sample arrives", func() bool { return len(samplesOf(b, "a")) > 0 })
	if err := a.Apply(h.plan([]config.Node{promNode("prom", b), page})); err != nil {
		t.Fatal(err)
	}
	await(t, "the series is stale", func() bool {
		all := samplesOf(b, "a")
		return all[len(all)-1].Stale()
	})
}

// A reload may come while the loop of a scrape that the previous one removed still marks its series.
func TestReloadsThatFollowEachOtherClosely(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	page := target(t)
	with := h.plan([]config.Node{promNode("prom", b), page, scrapeNode("static", "prom")})
	without := h.plan([]config.Node{promNode("prom", b), page})
	a, stop := h.start(with)
	defer stop()
	await(t, "a sample arrives", func() bool { return len(samplesOf(b, "a")) > 0 })
	for range 20 {
		for _, p := range []*config.Plan{without, without, with} {
			if err := a.Apply(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := len(samplesOf(b, "a"))
	await(t, "the scrape goes on", func() bool { return len(samplesOf(b, "a")) > n })
}

// An endpoint that cannot be opened is not ready, and reports the reason; the others continue. The next
// reload tries again, and then the endpoint gets what is scraped and read.
func TestAnEndpointThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	h.write(api, 10)
	page := target(t)
	base := slices.Concat(logs("logs", "logs", "loki"), []config.Node{lokiNode("loki", b), page})
	a, stop := h.start(h.plan(base))
	defer stop()
	h.arrived(b, "api", "source", "logs")

	inTheWay := filepath.Join(h.dataDir, "metrics")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := h.plan(base, []config.Node{promNode("prom", b), scrapeNode("static", "prom")})
	if err := a.Apply(next); err != nil {
		t.Fatal(err)
	}
	notReady := func() (why string) {
		for _, c := range a.Ready() {
			why += c.Fail
		}
		return why
	}
	if why := notReady(); !strings.Contains(why, "prom cannot be opened") || !strings.Contains(why, inTheWay) {
		t.Errorf("ready: %q, want that prom cannot be opened, and the path in the way", why)
	}
	shown := func() (all []web.Endpoint) {
		for _, e := range a.Status().Endpoints {
			if e.Name == "prom" {
				all = append(all, e)
			}
		}
		return all
	}
	if all := shown(); len(all) != 1 || all[0].Kind != "remote_write" || all[0].Up || !strings.Contains(all[0].NotReady, inTheWay) {
		t.Errorf("status: %+v, want that prom cannot be opened, and the path in the way", all)
	}
	h.write(api, 10)
	h.arrived(b, "api", "source", "logs")
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := a.Apply(next); err != nil {
		t.Fatal(err)
	}
	await(t, "a sample arrives", func() bool { return len(samplesOf(b, "a")) > 0 })
	if why, all := notReady(), shown(); why != "" || len(all) != 1 || all[0].NotReady != "" {
		t.Errorf("ready: %q, status: %+v, want that it is well", why, all)
	}
}

// Settings from which no endpoint can be made are detected before anything is changed.
func TestArgumentsOfEndpointsAreCheckedFirst(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	a, stop := h.start(h.plan(logs("logs", "logs", "loki"), []config.Node{lokiNode("loki", b), promNode("prom", b)}))
	defer stop()
	noShards := promNode("prom", b)
	c := noShards.Args.(remotewrite.Config)
	c.Shards = 0
	noShards.Args = c
	noBuffer := h.plan(logs("logs", "logs", "loki"), []config.Node{withLabel(lokiNode("loki", b), "x", "y")})
	noBuffer.Agent.BufferMax = 0
	for name, p := range map[string]*config.Plan{
		"no shards": h.plan(logs("logs", "logs", "loki"), []config.Node{lokiNode("loki", b), noShards}),
		"no buffer": noBuffer,
	} {
		if err := a.Apply(p); err == nil {
			t.Errorf("%s: the plan was taken", name)
		}
	}
	h.write(api, 10)
	h.arrived(b, "api", "source", "logs")
}

// When a reload removes a discovery and another one restores it, its positions are found again, and nothing
// is read twice.
func TestADiscoveryThatComesBackFindsItsPositions(t *testing.T) {
	h, other, b := newHost(t), newHost(t), newBackend(t)
	api, db := h.container("api"), other.container("db")
	h.write(api, 10)
	other.write(db, 10)
	second := other.engineNode()
	second.Name = "second"
	both := logs("logs", "logs", "loki")
	both[0].From = append(both[0].From, "second")
	of := func() (n int) { return len(b.numbers("db", "source", "logs")) }
	// The Engine of a log source is the first one's: the second's containers are read from their files.
	args := both[1].Args.(config.LogSource)
	args.Root = other.root
	both[1].Args = args
	withBoth := h.plan([]config.Node{second, lokiNode("loki", b)}, both)
	withOne := h.plan([]config.Node{lokiNode("loki", b)}, logs("logs", "logs", "loki"))
	a, stop := h.start(withBoth)
	defer stop()
	h.arrived(b, "api", "source", "logs")
	await(t, "the other Engine's lines arrive", func() bool { return of() >= 10 })
	if n := readersOfFiles(); n != 1 {
		t.Errorf("%d goroutines read files, want the reader of the other Engine's container", n)
	}
	for _, p := range []*config.Plan{withOne, withBoth} {
		if err := a.Apply(p); err != nil {
			t.Fatal(err)
		}
		h.write(api, 10)
		h.arrived(b, "api", "source", "logs")
		if p == withOne {
			await(t, "the reader of the other Engine's container has ended", func() bool { return readersOfFiles() == 0 })
			h.container("another") // a change, with which positions are forgotten
			await(t, "the change is seen", func() bool { return len(a.Status().Containers) == 2 })
		}
	}
	other.write(db, 10)
	await(t, "what the other Engine's container writes later arrives", func() bool { return of() >= 20 })
}

// readersOfFiles returns how many goroutines read log files of containers.
func readersOfFiles() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "filelog.(*Tailer).Run(")
}

// A source that a reload adds, and that reads from now on, does not read back to the agent's start.
func TestFromNowOnIsFromTheReloadOn(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	now := func(n config.Node) config.Node {
		args := n.Args.(config.LogSource)
		args.Since = 0
		n.Args = args
		return n
	}
	one, two := logs("one", "one", "loki"), logs("two", "two", "loki")
	one[1], two[1] = now(one[1]), now(two[1])
	a, stop := h.start(h.plan(one, []config.Node{lokiNode("loki", b)}))
	defer stop()
	write := func() {
		h.mu.Lock()
		h.clock = max(h.clock, time.Now().UnixNano())
		h.mu.Unlock()
		h.write(api, 10)
	}
	write()
	h.arrived(b, "api", "source", "one")
	await(t, "the lines so far are older than the reload", func() bool { return time.Now().UnixNano() > h.clock })
	if err := a.Apply(h.plan(one, two, []config.Node{lokiNode("loki", b)})); err != nil {
		t.Fatal(err)
	}
	write()
	await(t, "the new source delivers", func() bool { return len(b.numbers("api", "source", "two")) >= 10 })
	if got := b.numbers("api", "source", "two"); got[0] != 10 {
		t.Errorf("the new source begins with line %d, want 10", got[0])
	}
}

// The name of a way through stages on disk does not depend on the order of the edges.
func TestPositionsOfTwoWaysStayApart(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	h.write(api, 50)
	stages := []config.Node{{Name: "s1", To: []string{"loki"}, Args: config.Stages{}}, {Name: "s2", To: []string{"loki"}, Args: config.Stages{}}}
	plan := func(to ...string) *config.Plan {
		c := lokiNode("loki", b)
		args := c.Args.(loki.Config)
		c.Args = args
		return h.plan(logs("logs", "logs", to...), stages, []config.Node{c})
	}
	_, stop := h.start(plan("s1", "s2"))
	await(t, "both ways deliver", func() bool { return b.PushStats().Lines+b.PushStats().Repeated >= 100 })
	stop()
	before := b.PushStats()
	_, stop = h.start(plan("s2", "s1"))
	h.write(api, 50)
	await(t, "both ways deliver what is new", func() bool { return b.PushStats().Lines+b.PushStats().Repeated >= 200 })
	stop()
	if n := b.PushStats().Repeated; n != 2*before.Repeated {
		t.Errorf("%d lines came twice, want %d: each way delivers each line once", n, 2*before.Repeated)
	}
	b.twice = true
}
