package dockerfiles_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/discovery/docker"
	"lighter/discovery/dockerfiles"
)

// An agent that runs with network_mode: service:app has app's files mounted, and must not mistake app for
// itself.
func TestAnAgentOnTheNetworkOfAnotherContainerDoesNotTakeThatForItself(t *testing.T) {
	const (
		app   = `{"State":{"Running":true},"Name":"/app"}`
		agent = `{"State":{"Running":true},"Name":"/agent"}`
	)
	mounts := "650 632 254:0 /var/lib/docker/containers/" + idA + "/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n"
	for name, tc := range map[string]struct {
		networkMode string // of the agent
		groups      string
		want        []string
	}{
		"its own network":          {"bridge", "0::/\n", []string{"app"}}, // in this case idA is the agent's container, whatever its name is
		"app's network":            {"container:" + idA, "0::/\n", nil},
		"app's network, cgroup v1": {"container:" + idA, "4:memory:/docker/" + idB + "\n", []string{"agent"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := host{t, t.TempDir()}
			h.write(idA, app, hostA)
			h.write(idB, agent, strings.Replace(hostA, "bridge", tc.networkMode, 1))
			var log logBook
			d := dockerfiles.New(h.root, logger(&log))
			d.SetSelf(docker.FindSelf("box", mounts, tc.groups))
			targets, err := d.List()
			if err != nil {
				t.Fatal(err)
			}
			var own []string
			for _, target := range targets {
				if target.Container.Self {
					own = append(own, target.Container.Name)
				}
			}
			if diff := cmp.Diff(tc.want, own); diff != "" {
				t.Errorf("the agent's own containers (-want +got):\n%s", diff)
			}
			if doubt := strings.Contains(log.String(), docker.SelfDoubt); doubt != (tc.want == nil) {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}
