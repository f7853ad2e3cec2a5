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
	"lighter/deploy/e2e/k8sfile"
)

// generator is a container that writes lines.
type generator struct {
	*docker.Container
	service string // the service label of its lines
	tty     bool
	whole   bool            // the Engine's times are whole seconds
	starts  []time.Time     // times just before each start
	kept    []jsonfile.Line // lines of its predecessors; see recreate
}

// generatorOptions configure a generator.
type generatorOptions struct {
	engine  *docker.Engine // the lab's if nil
	service string         // its Compose service; without one the service is the name
	docker  []string       // further options of docker run
	logging []string       // its log driver and options; if nil, ones that keep everything
	network string         // if empty, that of the Engine's generators
	tty     bool           // its output is a terminal
	says    []string       // steps of the generator's say, instead of numbered lines
}

// generate starts a generator with args. It is removed when t ends.
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
		o.network = l.within
	}
	g := &generator{service: name, tty: o.tty, whole: l.whole, starts: []time.Time{time.Now()}}
	if o.logging == nil {
		o.logging = l.logging
	}
	run := append([]string{"--network", o.network}, o.logging...)
	if o.service != "" {
		g.service = o.service
		run = append(run, "--label", "com.docker.compose.service="+o.service)
	}
	if o.tty {
		run = append(run, "--tty")
	}
	run = append(append(run, o.docker...), generatorImage)
	if o.says != nil {
		run = append(append(run, "say"), o.says...)
	} else {
		run = append(append(run, "-run", name), args...)
	}
	var err error
	g.Container, err = o.engine.Run(ctx, name, run...)
	return g, err
}

// Start starts it again after it has stopped.
func (g *generator) Start(ctx context.Context) error {
	g.starts = append(g.starts, time.Now())
	return g.Container.Start(ctx)
}

// Restart stops it within ten seconds and starts it again, as docker restart does.
func (g *generator) Restart(ctx context.Context) error { return g.restart(ctx, 10) }

// restart is Restart within that many seconds. A container that writes until it ends must end with a
// newline: text that it writes between this call and its end is attributed to the next run.
func (g *generator) restart(ctx context.Context, seconds int) error {
	g.starts = append(g.starts, time.Now())
	return g.RestartWithin(ctx, seconds)
}

// count returns the generator's own count of what it wrote since its last start.
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

// waitWritten waits until the container has written at least n lines since it was created.
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

// lines returns the Engine's log of the container, after the logs of its predecessors (see recreate).
func (g *generator) lines(t *testing.T) []jsonfile.Line {
	t.Helper()
	s, err := g.State(t.Context())
	must(t, err)
	if s.LogPath == "" { // not the driver json-file
		return g.told(t)
	}
	lines, err := g.read(s.LogPath)
	if err != nil {
		// While the container runs, a line may be incomplete on disk: the next read gets it whole.
		if s.Running && strings.Contains(err.Error(), "unexpected end of JSON input") {
			return g.kept
		}
		t.Fatal(err)
	}
	if g.tty {
		// The terminal converts the container's \n to \r\n.
		for i := range lines {
			lines[i].Text = strings.TrimSuffix(lines[i].Text, "\r")
		}
	}
	return append(g.kept[:len(g.kept):len(g.kept)], lines...)
}

// read reads the Engine's log file.
func (g *generator) read(path string) ([]jsonfile.Line, error) {
	if g.whole {
		return k8sfile.Read(path, g.starts)
	}
	return jsonfile.Read(path)
}

// told returns the stopped container's log from the Engine's API.
func (g *generator) told(t *testing.T) []jsonfile.Line {
	t.Helper()
	records, err := g.Records(t.Context())
	must(t, err)
	var j jsonfile.Joiner
	for _, r := range records {
		j.Add(r.At, r.Stream, r.Text)
	}
	return j.Lines()
}

// recreate removes the stopped container and starts another one with its name, as a deployment does. The log
// of the old one is remembered.
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
