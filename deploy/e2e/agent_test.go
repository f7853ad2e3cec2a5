package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/docker"
	"lighter/deploy/e2e/gate"
)

// agent is lighter in its container, between gates of its own.
type agent struct {
	*docker.Container
	lab         *lab
	environment string // name of the scenario
	host        string // the host label
	logs        *gate.Gate
	metrics     *gate.Gate
	pushes      *gate.Pushes
	writes      *gate.Writes
	began       time.Time
	deaths      []death
}

// agentOptions configure an agent. The defaults are those of deploy/docker-compose.yml.
type agentOptions struct {
	include string                         // LIGHTER_INCLUDE
	env     []string                       // further variables, NAME=value
	docker  []string                       // further options of docker run
	engine  *docker.Engine                 // the Engine that runs the agent and is read by it; if nil, those of the stage
	socket  string                         // the socket that it reads, a file or a directory with docker.sock; the Engine's if empty
	root    string                         // data directory of the files that it reads, if it does; the Engine's if empty
	network string                         // the stage's if empty
	gateway string                         // of that network
	loki    string                         // base URL; if empty, a separate gate before the lab's Loki
	prom    string                         // likewise
	file    func(loki, prom string) string // returns the text of an Alloy file to run, with the addresses of its backends
	data    []string                       // docker run options that mount /var/lib/lighter; a volume if empty
}

// agent starts lighter for a scenario and waits until it is ready.
func (l *lab) agent(t *testing.T, environment string, o agentOptions) *agent {
	t.Helper()
	ctx := t.Context()
	reads := o.engine
	if o.engine == nil {
		o.engine, reads = l.home, l.engine
	}
	if o.socket == "" {
		o.socket = reads.Socket
	}
	if o.root == "" {
		var err error
		o.root, err = reads.Root(ctx)
		must(t, err)
	}
	if o.network == "" {
		o.network, o.gateway = l.network, l.gateway
	}
	environment = l.environmentOf(environment)
	a := &agent{lab: l, environment: environment, host: l.host, began: time.Now(), pushes: new(gate.Pushes), writes: new(gate.Writes)}
	if o.loki == "" {
		loki, prom := l.backends(t)
		var err error
		a.logs, err = gate.New(loki, a.pushes, o.gateway)
		must(t, err)
		t.Cleanup(func() { _ = a.logs.Shut(context.Background()) }) // nothing waits for it anymore
		a.metrics, err = gate.New(prom, a.writes, o.gateway)
		must(t, err)
		t.Cleanup(func() { _ = a.metrics.Shut(context.Background()) })
		o.loki, o.prom = a.logs.URL(), a.metrics.URL()
	}
	name := "lighter-" + environment
	if o.data == nil {
		must(t, o.engine.Volume(ctx, name))
		t.Cleanup(func() { _, _ = o.engine.Do(context.Background(), "volume", "rm", "--force", name) })
		o.data = []string{"--volume", name + ":/var/lib/lighter"}
	}
	run := []string{
		"--network", o.network,
		"--memory", "128m", "--memory-swap", "128m",
		"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--env", "GRAFANA_LOKI_URL=" + o.loki,
		"--env", "GRAFANA_PROM_URL=" + o.prom + "/api/v1/write",
		"--env", "ENVIRONMENT=" + environment,
		"--env", "LIGHTER_INCLUDE=" + o.include,
		"--env", "LIGHTER_LISTEN=0.0.0.0:12345",
		// The result is compared with the Engine's bytes, so nothing may change them on the way.
		"--env", "LIGHTER_REDACT=off", "--env", "LIGHTER_MULTILINE=off", "--env", "LIGHTER_CONTAINER_METRICS=off",
	}
	if o.file != nil {
		file := filepath.Join(t.TempDir(), "config.alloy")
		must(t, os.WriteFile(file, []byte(o.file(o.loki, o.prom)), 0o644))
		must(t, os.Chmod(filepath.Dir(file), 0o755))
		run = append(run, "--volume", file+":/etc/alloy/config.alloy:ro") // the image runs this file if it exists
	}
	run = append(run, l.source.docker(o.socket, l.group, o.root, l.host)...)
	run = append(run, o.data...)
	for _, e := range o.env {
		run = append(run, "--env", e)
	}
	var err error
	a.Container, err = o.engine.Run(ctx, name, append(append(run, o.docker...), agentImage)...)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			if err := a.alive(context.Background()); err != nil {
				t.Log(err)
			}
			t.Logf("the last lines of lighter in %s:\n%s", environment, a.Output(context.Background(), 40))
		}
		_ = a.Remove(context.Background()) // a private Engine may already be gone
	})
	a.waitReady(t)
	return a
}

// mountSocket returns the options of docker run that mount a socket, or a directory with one, into a
// container.
func mountSocket(socket string) []string {
	if strings.HasSuffix(socket, ".sock") {
		return []string{"--volume", socket + ":/var/run/docker.sock:ro"}
	}
	return []string{"--volume", socket + ":/run/engine:ro", "--env", "DOCKER_HOST=unix:///run/engine/docker.sock"}
}

// waitReady waits until /ready responds with 200.
func (a *agent) waitReady(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func(ctx context.Context) error {
		status, body, err := a.get(ctx, "/ready")
		if err != nil {
			return fmt.Errorf("%w; its log: %s", err, a.Output(ctx, 5))
		}
		if status != http.StatusOK {
			return fmt.Errorf("/ready is %d: %s", status, body)
		}
		return nil
	})
}

// get sends a request to the agent's own server.
func (a *agent) get(ctx context.Context, path string) (int, string, error) {
	s, err := a.State(ctx)
	if err != nil {
		return 0, "", err
	}
	if s.IP == "" {
		return 0, "", fmt.Errorf("%s is not running", a.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.IP+":12345"+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// alive returns nil while the agent is running, and an error with its exit status after that.
func (a *agent) alive(ctx context.Context) error {
	s, err := a.State(ctx)
	if err == nil && !s.Running {
		err = fmt.Errorf("lighter in %s has ended: exit code %d, killed for memory: %v", a.environment, s.ExitCode, s.OOMKilled)
	}
	return err
}

// stop stops the agent as docker stop does, and checks that it stops cleanly.
func (a *agent) stop(t *testing.T) {
	t.Helper()
	must(t, a.Stop(t.Context()))
	s, err := a.State(t.Context())
	must(t, err)
	if s.ExitCode != 0 || s.OOMKilled {
		t.Errorf("%s: a clean stop ended with exit code %d, killed for memory: %v", a.environment, s.ExitCode, s.OOMKilled)
	}
}

// kill kills the agent with SIGKILL and starts it again.
func (a *agent) kill(t *testing.T) {
	t.Helper()
	began := time.Now()
	must(t, a.Kill(t.Context()))
	a.deaths = append(a.deaths, death{began, time.Now()})
	must(t, a.Start(t.Context()))
}

// waitDelivered waits until Loki has acknowledged n more entries than before.
func (a *agent) waitDelivered(t *testing.T, n int) {
	t.Helper()
	had := a.pushes.Acknowledged()
	eventually(t, time.Minute, func(context.Context) error {
		if have := a.pushes.Acknowledged(); have < had+n {
			return fmt.Errorf("%s: %d entries were delivered, not %d", a.environment, have-had, n)
		}
		return nil
	})
}

// metric returns the sum of a metric of the agent over all series, or 0 if it has none.
func (a *agent) metric(t *testing.T, name string) float64 {
	t.Helper()
	var page string
	eventually(t, 30*time.Second, func(ctx context.Context) (err error) {
		_, page, err = a.get(ctx, "/metrics")
		return err
	})
	sum := 0.0
	for line := range strings.Lines(page) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		f := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		value, err := strconv.ParseFloat(f[0], 64)
		must(t, err)
		sum += value
	}
	return sum
}

// says waits until the agent's log has a line with all the words.
func (a *agent) says(t *testing.T, words ...string) {
	t.Helper()
	eventually(t, time.Minute, func(ctx context.Context) error {
		for line := range strings.Lines(a.Output(ctx, 1000)) {
			found := true
			for _, w := range words {
				found = found && strings.Contains(strings.ToLower(line), w)
			}
			if found {
				return nil
			}
		}
		return fmt.Errorf("no line of the agent's log has all of %q", words)
	})
}
