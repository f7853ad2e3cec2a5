package docker_test

import (
	"strings"
	"testing"

	"lighter/discovery/docker"
)

// In a user namespace without the socket's group, adding a group does not help.
func TestAdviceForASocketThatMayNotBeUsed(t *testing.T) {
	const host, remapped = "         0          0 4294967295\n", "         0     100000      65536\n"
	for name, tc := range map[string]struct {
		gid     uint32
		uidMap  string
		want    string
		without string
	}{
		"a group":                     {998, host, "--group-add 998", "userns"},
		"nobody's on the host":        {65534, host, "--group-add 65534", "userns"},
		"userns-remap":                {65534, remapped, "userns_mode: host", "65534"},
		"userns-remap, another group": {998, remapped, "--group-add 998", "userns"},
		"no uid_map":                  {65534, "", "--group-add 65534", "userns"},
	} {
		if got := docker.GroupAdvice(tc.gid, tc.uidMap); !strings.Contains(got, tc.want) || strings.Contains(got, tc.without) {
			t.Errorf("%s: %q, want in it %q and not %q", name, got, tc.want, tc.without)
		}
	}
}
