package containers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"lighter"
	"lighter/collector/containers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine returns what a test sets, and records when it was called.
type fakeEngine struct {
	mu       sync.Mutex
	stats    map[string]container.StatsResponse // by id
	writable map[string]int64
	machine  lighter.Machine
	err      error
	asked    []request
	takes    time.Duration // the duration of a request for statistics
}

type request struct {
	what, id string
	at       time.Time
}

func (e *fakeEngine) note(what, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, request{what, id, time.Now()})
	return e.err
}

func (e *fakeEngine) Stats(ctx context.Context, id string) (container.StatsResponse, error) {
	if err := e.note("stats", id); err != nil {
		return container.StatsResponse{}, err
	}
	if e.takes > 0 {
		select {
		case <-time.After(e.takes):
		case <-ctx.Done():
			return container.StatsResponse{}, ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.stats[id]
	if !ok {
		return s, fmt.Errorf("no such container: %w", lighter.ErrGone)
	}
	return s, nil
}

func (e *fakeEngine) WritableBytes(_ context.Context, id string) (int64, error) {
	err := e.note("size", id)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.writable[id], err
}

func (e *fakeEngine) Machine(context.Context) (lighter.Machine, error) {
	err := e.note("machine", "")
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.machine, err
}

func (e *fakeEngine) requests(what string) []request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.asked), func(r request) bool { return r.what != what })
}

// bench is a Collector with a fake Engine and the wanted containers.
type bench struct {
	*containers.Collector
	engine *fakeEngine
	log    *bytes.Buffer
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	wanted []containers.Container
}

func newBench(o containers.Options) *bench {
	b := &bench{engine: &fakeEngine{stats: map[string]container.StatsResponse{}, writable: map[string]int64{}}, log: &bytes.Buffer{}}
	o.Engine, o.Wanted, o.Logger = b.engine, b.list, slog.New(slog.NewTextHandler(b.log, nil))
	b.Collector = containers.New(o)
	return b
}

func (b *bench) list() []containers.Container {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.wanted)
}

// want sets the wanted containers.
func (b *bench) want(all ...*lighter.Container) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted = nil
	for _, c := range all {
		b.wanted = append(b.wanted, containers.Container{Container: c, Service: "shop", Project: "store"})
	}
}

// start runs the Collector until stop is called.
func (b *bench) start() {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel, b.done = cancel, make(chan struct{})
	go func() {
		defer close(b.done)
		b.Run(ctx)
	}()
}

func (b *bench) stop() {
	b.cancel()
	<-b.done
}

// page returns the samples of the page as a scrape sees them, one per line, without comments.
func (b *bench) page(t testing.TB) []string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	promhttp.HandlerFor(b.Collector, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("the page is not served: %s", w.Body)
	}
	var samples []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			samples = append(samples, strings.TrimSuffix(line, "\n"))
		}
	}
	return samples
}

// value returns the value of the sample whose name and labels begin with prefix.
func (b *bench) value(t testing.TB, prefix string) (string, bool) {
	t.Helper()
	for _, line := range b.page(t) {
		if rest, ok := strings.CutPrefix(line, prefix); ok && (rest[0] == '{' || rest[0] == ' ' || strings.HasSuffix(prefix, "}")) {
			return line[strings.LastIndexByte(line, ' ')+1:], true
		}
	}
	return "", false
}

func id(n int) string { return fmt.Sprintf("%064x", n) }

// running returns a container that has been running since the given time.
func running(n int, since time.Time) *lighter.Container {
	return &lighter.Container{
		ID: id(n), Name: fmt.Sprintf("web-%d", n), Image: "nginx:1.27", Running: true, State: "running", LogDriver: "json-file",
		Started: since, NetworkMode: "bridge",
	}
}

// recorded returns a response of an Engine from testdata.
func recorded(t testing.TB, name string) container.StatsResponse {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var s container.StatsResponse
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// write writes files below a directory.
func write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
