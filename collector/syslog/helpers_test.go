package syslog

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/internal/pipenet"
)

// backend is a lighter.Logs that keeps what it takes.
type backend struct {
	mu      sync.Mutex
	lines   []string // stream and line
	times   []int64
	batches int
	shut    chan struct{} // while it is not nil and open, there is no room
}

func (b *backend) Append(ctx context.Context, batch *lighter.Batch) error {
	b.mu.Lock()
	shut := b.shut
	b.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches++
	for _, e := range batch.Entries {
		b.lines = append(b.lines, strings.TrimSpace(batch.Streams[e.Stream].Labels.String()+" "+string(e.Line)))
		b.times = append(b.times, e.Time)
	}
	return nil
}

func (b *backend) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines
}

// patience is how long a test waits in real time for what a slow machine may take long to do.
const patience = 5 * time.Minute

// wait waits until there are n lines.
func (b *backend) wait(t testing.TB, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		lines := b.got()
		if len(lines) >= n {
			return lines
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d lines, want %d", len(lines), n)
		}
	}
}

// everything makes labels of all that messages say, as in Alloy's documentation.
func everything() []*relabel.Config {
	r := relabel.DefaultRelabelConfig
	r.Action, r.Regex, r.Replacement, r.NameValidationScheme = relabel.LabelMap, relabel.MustNewRegexp("__syslog_(message_.+|connection_ip_address)"), "$1", model.LegacyValidation
	return []*relabel.Config{&r}
}

func newServer(o Options) *Server {
	if o.Metrics == nil {
		o.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return New(o)
}

func count(c prometheus.Counter) int {
	var m dto.Metric
	_ = c.Write(&m)
	return int(m.GetCounter().GetValue())
}

// running starts a Server, and returns it and what ends it.
func running(t testing.TB, o Options) (s *Server, stop func()) {
	t.Helper()
	s = newServer(o)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	return s, run(t, s)
}

// inBubble starts a Server whose one listener takes connections in memory, and returns it, what connects to it,
// and what ends it.
func inBubble(t testing.TB, l Listener, o Options) (s *Server, dial func() net.Conn, stop func()) {
	t.Helper()
	o.Listeners = []Listener{l}
	s = newServer(o)
	network := pipenet.Listen()
	s.listeners[0].tcp = network
	return s, func() net.Conn {
		t.Helper()
		c, err := network.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}, run(t, s)
}

// run runs a Server that listens, and returns what ends it.
func run(t testing.TB, s *Server) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func octets(messages ...string) (text string) {
	for _, m := range messages {
		text += fmt.Sprintf("%d %s", len(m), m)
	}
	return text
}

// receiveAll gives input to a listener as if it came from a connection, and returns the entries and how many
// messages could not be parsed, were empty, and were cut.
func receiveAll(t testing.TB, l Listener, input string) (lines []string, times []int64, failed, empty, cut int) {
	t.Helper()
	b := &backend{}
	s := newServer(Options{Listeners: []Listener{l}, Rules: everything(), Logs: []lighter.Logs{b}})
	done := make(chan struct{})
	go func() { s.gatherer.run(context.Background()); close(done) }()
	r := newReceiver(s.listeners[0])
	f := newFramer(strings.NewReader(input), &s.listeners[0].Listener, func() bool { return true })
	if err := r.receive(context.Background(), f, r.connection(context.Background(), "10.0.0.1")); err == nil {
		t.Error("receive ended without an error")
	}
	s.gatherer.close()
	<-done
	m := s.o.Metrics
	if n := count(m.entries); n != len(b.lines) {
		t.Errorf("%d entries are counted, and there are %d", n, len(b.lines))
	}
	return b.lines, b.times, count(m.errors), count(m.empty), count(m.cut)
}

var job = labels.FromStrings("job", "syslog")
