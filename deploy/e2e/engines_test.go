package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"lighter/deploy/e2e/docker"
)

// kind is an Engine that the suite knows.
type kind struct {
	name string
	// open starts it beside the machine's own Engine. It ends with t.
	open func(t *testing.T, machine *stage) *stage
}

// kinds are the Engines that the suite knows. The first one is this machine's own, of any kind.
var kinds = []kind{
	{"machine", func(_ *testing.T, machine *stage) *stage { return machine }},
	{"28", openCurrent},
	{"podman", openPodman},
}

// engineVariable is the environment variable that selects a single Engine.
const engineVariable = "LIGHTER_E2E_ENGINE"

// askedKinds returns the Engines to use: the one that the environment selects, or else those of the caller.
func askedKinds(t *testing.T, otherwise []kind) []kind {
	t.Helper()
	asked := os.Getenv(engineVariable)
	if asked == "" {
		return otherwise
	}
	var names []string
	for _, k := range kinds {
		if k.name == asked {
			return []kind{k}
		}
		names = append(names, k.name)
	}
	t.Fatalf("%s=%s: want one of %v", engineVariable, asked, names)
	return nil
}

// missing ends a test for which the machine lacks an Engine. The test is skipped, unless somebody relies on it: the
// environment names the Engine, or this is CI, which installs all of them.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv(engineVariable) != "" || os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// stage is an Engine whose logs are read, and the Engine that runs the agents.
type stage struct {
	kind    string
	engine  *docker.Engine // the Engine whose containers are read
	program string         // dockerd of that kind
	host    string         // the Engine's name for this machine, the host label
	group   string         // of the Engine's socket
	within  string         // network of the containers that are read
	logging []string       // options of docker run for their logs
	whole   bool           // the Engine's times are whole seconds

	home    *docker.Engine // the Engine that runs the agents
	network string         // of the agents
	gateway string         // of that network: the address of this machine for the agents

	// cannot contains the reasons why parts of scenarios cannot run on this Engine.
	cannot map[string]string
}

// Parts of scenarios that an Engine may not support.
const (
	scraping = "scraping"       // scraping a container
	files    = "reading files"  // reading json-file logs from the Engine's directory
	damage   = "telling damage" // the API shows that a log record is damaged
	killing  = "being killed"   // the Engine is killed with its containers
	rotating = "rotation"       // logs are rotated
	local    = "driver local"   // a log driver whose files only the Engine can read
)

// need skips a test if the Engine does not support its subject.
func (s *stage) need(t *testing.T, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if why, cannot := s.cannot[part]; cannot {
			t.Skipf("skipped on %s: %s: %s", s.kind, part, why)
		}
	}
}

// can reports whether the Engine supports a part of a scenario, and logs the reason if not.
func (s *stage) can(t *testing.T, part string) bool {
	t.Helper()
	why, cannot := s.cannot[part]
	if cannot {
		t.Logf("on %s without %s: %s", s.kind, part, why)
	}
	return !cannot
}

// openMachine returns a stage of this machine's own Engine, cleaned up, with the images. It ends with t,
// except for the images: TestMain removes those, because all tests share them.
func openMachine(t *testing.T) *stage {
	ctx := t.Context()
	e := docker.Default()
	s := &stage{kind: kinds[0].name, engine: e, program: "dockerd", home: e, within: network, network: network,
		logging: jsonFile}
	var err error
	if s.host, err = e.Name(ctx); err != nil {
		missing(t, "there is no Docker Engine here: %v", err)
	}
	must(t, s.findGroup())
	must(t, e.Clean(ctx, false))
	t.Cleanup(func() {
		if err := e.Clean(context.Background(), false); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	s.gateway, err = e.Network(ctx, network)
	must(t, err)
	must(t, buildImages(ctx, e))
	return s
}

// jsonFile keeps everything that a container writes in one file.
var jsonFile = []string{"--log-driver", "json-file", "--log-opt", "max-size=1g", "--log-opt", "max-file=1"}

// openCurrent starts a current Docker Engine, which also runs the agents.
func openCurrent(t *testing.T, machine *stage) *stage {
	ctx := t.Context()
	if _, err := exec.LookPath("containerd"); err != nil {
		missing(t, "a current Docker Engine needs containerd (Debian package containerd): %v", err)
	}
	program, err := docker.Current(ctx)
	must(t, err)
	e, gateway := privateEngine(t, machine.engine, program, "lighter-e2e-28")
	s := &stage{kind: "28", engine: &e.Engine, program: program, home: &e.Engine, within: "bridge", network: "bridge", gateway: gateway,
		logging: jsonFile}
	s.host, err = e.Name(ctx)
	must(t, err)
	must(t, s.findGroup())
	return s
}

// openPodman starts Podman. Its containers have no network, so the agents that read it run on the
// machine's own Engine.
func openPodman(t *testing.T, machine *stage) *stage {
	ctx := t.Context()
	if _, err := exec.LookPath("podman"); err != nil {
		missing(t, "there is no Podman here (Debian package podman): %v", err)
	}
	p, err := docker.NewPodman(ctx)
	if p != nil {
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Errorf("close Podman: %v", err)
			}
		})
	}
	must(t, err)
	must(t, machine.engine.Copy(ctx, &p.Engine, generatorImage))
	const noFiles = "Podman's logs are not in Docker's format"
	s := &stage{kind: "podman", engine: &p.Engine, home: machine.engine, within: "none", network: machine.network, gateway: machine.gateway,
		logging: []string{"--log-driver", "k8s-file"}, whole: true,
		cannot: map[string]string{
			scraping: "its containers have no network here",
			files:    noFiles,
			damage:   "Podman passes over a damaged record in silence",
			local:    "Podman has no such driver",
			killing:  "Podman has no daemon that containers die with",
			rotating: "Podman empties a full log and keeps nothing of it",
		}}
	s.host, err = p.Name(ctx)
	must(t, err)
	must(t, s.findGroup())
	return s
}

// findGroup returns the group that may use the Engine's socket.
func (s *stage) findGroup() error {
	info, err := os.Stat(s.engine.Socket)
	if err != nil {
		return fmt.Errorf("the Engine's socket: %w", err)
	}
	s.group = fmt.Sprint(info.Sys().(*syscall.Stat_t).Gid)
	return nil
}

// private starts another Engine of the stage's kind, which may be killed, and returns it and the address at
// which its containers reach this machine.
func (l *lab) privateEngine(t *testing.T) (engine *docker.Private, gateway string) {
	t.Helper()
	l.need(t, killing)
	return privateEngine(t, l.machine.engine, l.program, "lighter-e2e-engine")
}

// privateEngine starts an Engine with the images of the machine's Engine, and returns it and the address at
// which its containers reach this machine. It ends with t.
func privateEngine(t *testing.T, machine *docker.Engine, program, name string) (engine *docker.Private, gateway string) {
	t.Helper()
	bridge := "le2e-" + name[strings.LastIndexByte(name, '-')+1:] // an interface's name has 15 characters at most
	gateway, err := machine.Network(t.Context(), bridge)          // only for its bridge
	must(t, err)
	t.Cleanup(func() { _, _ = machine.Do(context.Background(), "network", "rm", bridge) })
	engine, err = docker.NewPrivate(t.Context(), program, name, bridge)
	if engine != nil {
		t.Cleanup(func() {
			if err := engine.Close(); err != nil {
				t.Errorf("close the private Engine: %v", err)
			}
		})
	}
	must(t, err)
	for _, image := range []string{agentImage, generatorImage} {
		must(t, machine.Copy(t.Context(), &engine.Engine, image))
	}
	return engine, gateway
}
