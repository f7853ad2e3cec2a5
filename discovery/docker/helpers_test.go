package docker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lighter"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBook holds log lines for a test.
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

func (l *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func config(host string) docker.Config {
	cfg := docker.DefaultConfig()
	cfg.Host, cfg.Stopped = host, true
	return cfg
}

// socketEngine returns an Engine that listens on a socket, and a client for it.
func socketEngine(t *testing.T, o dockersim.Options) (*dockersim.Engine, *docker.Client) {
	t.Helper()
	e := dockersim.New(o)
	if err := e.Listen("unix://" + filepath.Join(t.TempDir(), "docker.sock")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, newClient(t, config(e.Host()))
}

func newClient(t *testing.T, cfg docker.Config) *docker.Client {
	t.Helper()
	c, err := docker.NewClient(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// memory is a network in memory, for a synctest bubble. While it is up, an Engine accepts its connections.
type memory struct {
	mu    sync.Mutex
	conns chan net.Conn // nil while nobody listens
}

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	m.mu.Lock()
	conns := m.conns
	m.mu.Unlock()
	if conns == nil {
		return nil, errors.New("nobody listens")
	}
	ours, theirs := net.Pipe()
	select {
	case conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// up makes an Engine serve on the network.
func (m *memory) up(e *dockersim.Engine) {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	m.mu.Lock()
	m.conns = l.conns
	m.mu.Unlock()
	e.Serve(l)
}

// down makes the Engine unreachable.
func (m *memory) down(e *dockersim.Engine) {
	m.mu.Lock()
	m.conns = nil
	m.mu.Unlock()
	e.Down()
}

type memoryListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *memoryListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// bubble is an Engine, its client and a running Discoverer in a synctest bubble.
type bubble struct {
	engine  *dockersim.Engine
	network *memory
	client  *docker.Client
	log     *logBook

	mu      sync.Mutex
	updates []update
	start   time.Time
	stop    func()
}

// update is one call of update by a Discoverer.
type update struct {
	after   time.Duration // since the bubble began
	targets []lighter.Target
}

// newBubble returns a bubble whose Engine is not up yet.
func newBubble(t *testing.T, cfg docker.Config) *bubble {
	t.Helper()
	b := &bubble{engine: dockersim.New(dockersim.Options{}), network: &memory{}, log: &logBook{}, start: time.Now()}
	var err error
	if b.client, err = docker.NewClient(cfg, b.log.logger()); err != nil {
		t.Fatal(err)
	}
	b.client.SetDial(b.network.dial)
	return b
}

// run starts a Discoverer, which close stops.
func (b *bubble) run(t *testing.T, cfg docker.Config) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- docker.New(cfg, b.client, b.log.logger()).Run(ctx, func(targets []lighter.Target) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.updates = append(b.updates, update{time.Since(b.start), targets})
		})
	}()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

// close stops everything that runs.
func (b *bubble) close() {
	if b.stop != nil {
		b.stop()
	}
	_ = b.engine.Close()
	_ = b.client.Close()
}

func (b *bubble) calls() []update {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]update(nil), b.updates...)
}

// names returns the names of the containers in the newest set. Those of stopped ones are in brackets.
func (b *bubble) names() []string {
	calls := b.calls()
	if len(calls) == 0 {
		return nil
	}
	names := []string{}
	for _, t := range calls[len(calls)-1].targets {
		if t.Container.Running {
			names = append(names, t.Container.Name)
		} else {
			names = append(names, "("+t.Container.Name+")")
		}
	}
	return names
}
