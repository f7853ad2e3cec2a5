package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lighter/deploy/e2e/backend"
	"lighter/deploy/e2e/docker"
	"lighter/deploy/e2e/fault"
)

// Names of objects on the machine's Engine, which all have docker.Label.
const (
	agentImage     = "lighter-e2e-agent"
	generatorImage = "lighter-e2e-generator"
	network        = "lighter-e2e"
)

// lab is what all scenarios share: the stages, one of which is in use, and the backends.
type lab struct {
	*stage         // in use
	machine *stage // of the machine's own Engine
	loki    *backend.Loki
	prom    *backend.Prometheus
	began   time.Time
	tallies []tally
	source  source // where the agents of the current scenario read logs
}

// openLab cleans up after a run that crashed, builds the images, and selects the machine's own Engine.
func openLab(t *testing.T) *lab {
	onlyRun(t)
	l := &lab{began: time.Now(), source: fromSocket}
	defer l.timed("images built")()
	l.machine = openMachine(t)
	l.stage = l.machine
	return l
}

// on runs scenarios on each of the Engines in turn. On the machine's own Engine, it runs them as t itself.
func (l *lab) on(t *testing.T, engines []kind, scenarios func(*testing.T)) {
	t.Helper()
	for _, k := range engines {
		if k.name == l.machine.kind {
			scenarios(t)
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			ready := l.timed("the Engine " + k.name + " ready")
			l.stage = k.open(t, l.machine)
			defer func() { l.stage = l.machine }()
			ready()
			scenarios(t)
		})
	}
}

// startBackends starts Loki and Prometheus, which end with t.
func (l *lab) startBackends(t *testing.T) {
	defer l.timed("backends ready")()
	ctx := t.Context()
	var err error
	l.loki, err = backend.StartLoki(ctx, t.TempDir(), backend.WithoutShards)
	must(t, err)
	t.Cleanup(func() { l.loki.Close() })
	l.prom, err = backend.StartPrometheus(ctx, t.TempDir())
	must(t, err)
	t.Cleanup(func() { l.prom.Close() })
	must(t, l.prom.Ready(ctx))
	must(t, l.loki.Ready(ctx))
}

// backends returns the base URLs of the backends behind an agent's gates: Loki and Prometheus, or, if they
// were not started, a server that accepts the same data.
func (l *lab) backends(t *testing.T) (loki, prom string) {
	t.Helper()
	if l.loki != nil {
		return l.loki.URL, l.prom.URL
	}
	s, err := fault.New("127.0.0.1")
	must(t, err)
	t.Cleanup(func() { _ = s.Refuse() }) // nothing waits for it anymore
	return s.URL(), s.URL()
}

// timed returns a function that prints the time since the call of timed.
func (l *lab) timed(what string) func() {
	began := time.Now()
	return func() { fmt.Printf("e2e: %s in %s\n", what, time.Since(began).Round(time.Second)) }
}

// onlyRun waits until there is no other run on this machine, because it would remove this run's objects.
func onlyRun(t *testing.T) {
	f, err := lockRuns(false)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		fmt.Println("e2e: waiting for another run on this machine")
		f, err = lockRuns(true)
	}
	must(t, err)
	t.Cleanup(func() { f.Close() })
}

// lockRuns acquires the lock that allows one run at a time; closing the file releases it. Without wait, it
// fails with EWOULDBLOCK while another run has the lock. The file is not removed: a run that waits for a
// removed file would get a lock that no other run sees.
func lockRuns(wait bool) (*os.File, error) {
	f, err := os.Create(filepath.Join(os.TempDir(), "lighter-e2e.lock"))
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// buildImages builds the generator, and lighter with the repository's Dockerfile.
func buildImages(ctx context.Context, e *docker.Engine) error {
	if err := buildGenerator(ctx, e); err != nil {
		return fmt.Errorf("build the generator's image: %w", err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	base, err := firstFrom(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return err
	}
	if err := e.GoImage(ctx, base); err != nil {
		return fmt.Errorf("create the image %s: %w", base, err)
	}
	if err := e.Build(ctx, root, agentImage, "--build-arg", "VERSION=e2e"); err != nil {
		return fmt.Errorf("build lighter's image: %w", err)
	}
	return nil
}

func buildGenerator(ctx context.Context, e *docker.Engine) error {
	dir, err := os.MkdirTemp("", "lighter-e2e-generator-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(dir, "generator"), "./generator")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	const file = "FROM scratch\nCOPY generator /generator\nENTRYPOINT [\"/generator\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o600); err != nil {
		return err
	}
	return e.Build(ctx, dir, generatorImage)
}

// firstFrom returns the image that a Dockerfile starts from.
func firstFrom(dockerfile string) (string, error) {
	b, err := os.ReadFile(dockerfile)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && strings.EqualFold(f[0], "FROM") {
			return f[1], nil
		}
	}
	return "", fmt.Errorf("%s has no FROM", dockerfile)
}

// must ends the test on an error that is not the subject of the test.
func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// eventually asks until ok returns nil, and fails the test with its last error at the deadline.
func eventually(tb testing.TB, within time.Duration, ok func(context.Context) error) {
	tb.Helper()
	if err := poll(tb.Context(), within, ok); err != nil {
		tb.Fatalf("after %s: %v", within, err)
	}
}

// poll asks until ok returns nil, and returns its last error at the deadline.
func poll(ctx context.Context, within time.Duration, ok func(context.Context) error) error {
	for deadline := time.Now().Add(within); ; {
		err := ok(ctx)
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
