package docker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

// The IDs of the containers in the tests of this file.
var (
	appID   = strings.Repeat("a", 64)
	agentID = strings.Repeat("b", 64)
	debugID = strings.Repeat("c", 64)
)

// mountsOf returns the /proc/self/mountinfo of a process whose container is on the network of the container
// with the given ID. root is the line of the root file system.
func mountsOf(id, root string) string {
	return fmt.Sprintf(root+"649 632 254:0 /var/lib/docker/containers/%[1]s/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n"+
		"650 632 254:0 /var/lib/docker/containers/%[1]s/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"+
		"651 632 254:0 /var/lib/docker/containers/%[1]s/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n", id)
}

const (
	overlayRoot  = "632 500 0:60 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X:/var/lib/docker/overlay2/l/Y,upperdir=/var/lib/docker/overlay2/0123/diff,workdir=/var/lib/docker/overlay2/0123/work\n"
	relativeRoot = "632 500 0:60 / / rw,relatime - overlay overlay rw,lowerdir=l/X:l/Y,upperdir=0123/diff,workdir=0123/work\n"
	fuseRoot     = "103 55 0:49 / / rw,nodev,noatime master:3 - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0,group_id=0\n"
	groupsV2     = "0::/\n"
)

// A container counts as the agent's own only if that is certain.
func TestOwnContainer(t *testing.T) {
	app := docker.Candidate{ID: appID, Name: "app", NetworkMode: "bridge", UpperDir: "/var/lib/docker/overlay2/4567/diff"}
	alone := docker.Candidate{ID: agentID, Name: "agent", NetworkMode: "default", UpperDir: "/var/lib/docker/overlay2/0123/diff"}
	onApp := docker.Candidate{ID: agentID, Name: "agent", NetworkMode: "container:" + appID, UpperDir: "/var/lib/docker/overlay2/0123/diff"}
	onAgent := docker.Candidate{ID: debugID, Name: "debug", NetworkMode: "container:" + agentID}
	hidden := docker.Candidate{ID: debugID, Name: "hidden"}
	without := func(c docker.Candidate) docker.Candidate { c.UpperDir = ""; return c } // an Engine with the containerd image store does not report it
	for name, tc := range map[string]struct {
		hostname, mounts, groups string
		all                      []docker.Candidate
		want                     string
		doubt                    string
	}{
		"host name alone":            {agentID[:12], "", groupsV2, []docker.Candidate{app, alone}, agentID, ""},
		"mounts":                     {"box", mountsOf(agentID, fuseRoot), groupsV2, []docker.Candidate{app, without(alone)}, agentID, ""},
		"mounts before a given name": {appID[:12], mountsOf(agentID, fuseRoot), groupsV2, []docker.Candidate{app, without(alone)}, agentID, ""},
		"overlay":                    {"box", mountsOf(agentID, overlayRoot), groupsV2, []docker.Candidate{app, alone}, agentID, ""},

		"app's network":                         {appID[:12], mountsOf(appID, fuseRoot), groupsV2, []docker.Candidate{app, without(onApp)}, "", "container agent shares the network of container app"},
		"app's network, the host name alone":    {appID[:12], "", groupsV2, []docker.Candidate{app, without(onApp)}, "", "container agent shares the network of container app"},
		"app's network, overlay":                {appID[:12], mountsOf(appID, overlayRoot), groupsV2, []docker.Candidate{app, onApp}, agentID, ""},
		"app's network, overlay by short paths": {appID[:12], mountsOf(appID, relativeRoot), groupsV2, []docker.Candidate{app, onApp}, agentID, ""},
		"app's network, cgroup v1":              {appID[:12], mountsOf(appID, fuseRoot), "5:cpu:/docker/" + agentID + "\n4:memory:/docker/" + agentID + "\n", []docker.Candidate{app, onApp}, agentID, ""},
		"app's network, another Engine's agent": {appID[:12], mountsOf(appID, fuseRoot), "5:cpu:/docker/" + debugID + "\n", []docker.Candidate{app}, "", ""},
		"another on the agent's network":        {agentID[:12], mountsOf(agentID, fuseRoot), groupsV2, []docker.Candidate{app, without(alone), onAgent}, "", "container debug shares the network of container agent"},
		"another on it, overlay":                {agentID[:12], mountsOf(agentID, overlayRoot), groupsV2, []docker.Candidate{app, alone, onAgent}, agentID, ""},
		"one of which nothing is known":         {agentID[:12], mountsOf(agentID, fuseRoot), groupsV2, []docker.Candidate{app, without(alone), hidden}, "", "it is not known whether container hidden shares the network of container agent"},

		"systemd":                  {"box", "", "0::/system.slice/docker-" + agentID + ".scope\n", []docker.Candidate{app, alone}, agentID, ""},
		"a container in another":   {"box", "", "5:cpu:/docker/" + appID + "/docker/" + agentID + "\n", []docker.Candidate{app, alone}, agentID, ""},
		"Podman":                   {"box", "", "0::/machine.slice/libpod-" + agentID + ".scope/container\n", []docker.Candidate{app, alone}, agentID, ""},
		"Podman's mounts":          {"box", "621 599 0:25 /containers/overlay-containers/x/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n", groupsV2, []docker.Candidate{app, alone}, "", ""},
		"in no container":          {"box", "40 24 0:40 / /var/lib/docker/containers/" + appID + "/mounts/shm rw - tmpfs shm rw\n", "0::/user.slice\n", []docker.Candidate{app}, "", ""},
		"the host's overlay mount": {"box", strings.Replace(overlayRoot, " / / ", " / /var/lib/docker/overlay2/0123/merged ", 1), "0::/user.slice\n", []docker.Candidate{alone}, "", ""},
	} {
		got, doubt := docker.FindSelf(tc.hostname, tc.mounts, tc.groups).Find(tc.all)
		if got != tc.want || doubt != tc.doubt {
			t.Errorf("%s: %.4q, %q; want %.4q, %q", name, got, doubt, tc.want, tc.doubt)
		}
	}
}

// selves returns the names of the containers that a Discoverer takes for the agent's own.
func selves(t *testing.T, e *dockersim.Engine, c *docker.Client, log *logBook) (own []string) {
	t.Helper()
	got, err := docker.New(config(e.Host()), c, log.logger()).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range got {
		if target.Container.Self {
			own = append(own, target.Container.Name)
		}
	}
	return own
}

// An agent that runs with network_mode: service:app sees app's host name and app's mounts, and must not
// take app for itself.
func TestAnAgentOnTheNetworkOfAnotherContainerDoesNotTakeThatForItself(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	app := e.Create(dockersim.Spec{Name: "app", UpperDir: "/var/lib/docker/overlay2/4567/diff"})
	app.Start()
	agent := e.Create(dockersim.Spec{Name: "agent", NetworkMode: "container:" + app.ID(), UpperDir: "/var/lib/docker/overlay2/0123/diff"})
	agent.Start()

	var log logBook
	c.SetProcess(app.ID()[:12], mountsOf(app.ID(), fuseRoot), groupsV2)
	if got := selves(t, e, c, &log); got != nil {
		t.Errorf("the agent's own containers are %v, want none: app shares its network", got)
	}
	if s := log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "container agent shares the network of container app") || !strings.Contains(s, "lighter.logs=false") {
		t.Errorf("want one line with why and what to do:\n%s", s)
	}
	c.SetProcess(app.ID()[:12], mountsOf(app.ID(), overlayRoot), groupsV2)
	if diff := cmp.Diff([]string{"agent"}, selves(t, e, c, &log)); diff != "" {
		t.Errorf("with an overlay root (-want +got):\n%s", diff)
	}
}

// While the agent runs, it can become uncertain which container is its own. That is logged once.
func TestAContainerThatJoinsTheAgentsNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		agent := b.engine.Create(dockersim.Spec{Name: "agent"})
		agent.Start()
		b.client.SetProcess(agent.ID()[:12], mountsOf(agent.ID(), fuseRoot), groupsV2)
		b.run(t, cfg)
		self := func() bool {
			calls := b.calls()
			return calls[len(calls)-1].targets[0].Container.Self
		}
		time.Sleep(time.Minute)
		if !self() {
			t.Error("the agent's own container is not known")
		}
		debug := b.engine.Create(dockersim.Spec{Name: "debug", NetworkMode: "container:" + agent.ID()})
		debug.Start()
		time.Sleep(time.Hour)
		if self() {
			t.Error("a container is taken for the agent's own although another one may be")
		}
		if n := strings.Count(b.log.String(), docker.SelfDoubt); n != 1 {
			t.Errorf("logged %d times in an hour, want once:\n%s", n, b.log)
		}
		debug.Remove()
		time.Sleep(time.Second)
		if !self() {
			t.Error("the agent's own container is not known again")
		}
	})
}
