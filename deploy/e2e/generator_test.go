package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/docker"
	"lighter/deploy/e2e/jsonfile"
)

// generator is a container that writes lines.
type generator struct {
	*docker.Container
	service string // the service label that its lines must have
	tty     bool
	kept    []jsonfile.Line // of its predecessors, see recreate
}

// generatorOptions say how it is run.
type generatorOptions struct {
	engine  *docker.Engine // the lab's if nil
	service string         // its Compose service; without one the service is the name
	docker  []string       // further options of docker run
	network string         // the lab's if empty
	tty     bool           // its output is a terminal
}

// generate starts a generator; args are its own. It is removed when t ends.
func (l *lab) generate(t *testing.T, name string, o generatorOptions, args ...string) *generator {
	t.Helper()
	g, err := l.startGenerator(t.Context(), name, o, args...)
	must(t, err)
	t.Cleanup(func() { _ = g.Remove(context.Background()) }) // the scenario may have removed it
	return g
}

// startGenerator starts a generator that the caller, or the lab at its end, removes.
func (l *lab) startGenerator(ctx context.Context, name string, o generatorOptions, args ...string) (*generator, error) {
	if o.engine == nil {
		o.engine = l.engine
	}
	if o.network == "" {
		o.network = network
	}
	g := &generator{service: name, tty: o.tty}
	run := []string{"--network", o.network, "--log-driver", "json-file", "--log-opt", "max-size=1g", "--log-opt", "max-file=1"}
	if o.service != "" {
		g.service = o.service
		run = append(run, "--label", "com.docker.compose.service="+o.service)
	}
	if o.tty {
		run = append(run, "--tty")
	}
	run = append(append(append(run, o.docker...), generatorImage, "-run", name), args...)
	var err error
	g.Container, err = o.engine.Run(ctx, name, run...)
	return g, err
}

// count is the generator's own word on what it wrote since it was last started.
type count struct {
	Lines, Stdout, Stderr, Empty, Last int
	Done                               bool
	Requests                           []struct {
		Method     string
		StatusCode string `json:"status_code"`
		Count      int
	}
}

// count asks a running generator that listens on :3000.
func (g *generator) count(ctx context.Context) (count, error) {
	var c count
	s, err := g.State(ctx)
	if err != nil {
		return c, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.IP+":3000/count", nil)
	if err != nil {
		return c, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, fmt.Errorf("ask %s: %w", g.Name, err)
	}
	defer res.Body.Close()
	return c, json.NewDecoder(res.Body).Decode(&c)
}

// waitWritten waits until the container has written at least n lines since it was made.
func (g *generator) waitWritten(t *testing.T, n int) {
	t.Helper()
	eventually(t, time.Minute, func(ctx context.Context) error {
		if have := len(g.lines(t)); have < n {
			return fmt.Errorf("%s has written %d lines, not %d", g.Name, have, n)
		}
		return nil
	})
}

// waitExited waits until the container has ended by itself.
func (g *generator) waitExited(t *testing.T, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	got, err := g.Wait(ctx)
	must(t, err)
	if got != code {
		t.Fatalf("%s exited with %d, not %d: %s", g.Name, got, code, g.Output(ctx, 5))
	}
}

// lines returns what the Engine holds of the container, after what it held of its
// predecessors (see recreate).
func (g *generator) lines(t *testing.T) []jsonfile.Line {
	t.Helper()
	s, err := g.State(t.Context())
	must(t, err)
	if s.LogPath == "" { // not the driver json-file
		return g.told(t)
	}
	lines, err := jsonfile.Read(s.LogPath)
	if err != nil {
		// A line may be half on disk while the container runs: the next look sees it whole.
		if s.Running && strings.Contains(err.Error(), "unexpected end of JSON input") {
			return g.kept
		}
		t.Fatal(err)
	}
	if g.tty {
		// The container wrote \n; its terminal made \r\n of it.
		for i := range lines {
			lines[i].Text = strings.TrimSuffix(lines[i].Text, "\r")
		}
	}
	return append(g.kept[:len(g.kept):len(g.kept)], lines...)
}

// told returns what docker logs has of the stopped container, each stream in its order. There must be
// no line so long that the Engine takes it in pieces.
func (g *generator) told(t *testing.T) []jsonfile.Line {
	t.Helper()
	stdout, stderr, err := g.Logs(t.Context())
	must(t, err)
	var all []jsonfile.Line
	for stream, text := range map[string]string{"stdout": stdout, "stderr": stderr} {
		for line := range strings.Lines(text) {
			stamp, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			at, err := time.Parse(time.RFC3339Nano, stamp)
			must(t, err)
			all = append(all, jsonfile.Line{Nanos: at.UnixNano(), Stream: stream, Text: text})
		}
	}
	return all
}

// recreate removes the stopped container and starts another one in its name, as a deployment
// does. What the Engine held of the old one is remembered.
func (l *lab) recreate(t *testing.T, g *generator, o generatorOptions, args ...string) *generator {
	t.Helper()
	lines := g.lines(t)
	must(t, g.Remove(t.Context()))
	next := l.generate(t, g.Name, o, args...)
	next.kept = lines
	return next
}

// errStillWriting is returned while a generator has not written all of its lines.
var errStillWriting = errors.New("still writing")
