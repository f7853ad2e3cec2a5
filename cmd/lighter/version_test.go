package main

import (
	"regexp"
	"runtime/debug"
	"testing"
)

func TestBuildFrom(t *testing.T) {
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}
	for name, tc := range map[string]struct {
		version, commit string
		info            debug.BuildInfo
		want            build
	}{
		"linker":          {"v1.2.3", "abc", debug.BuildInfo{Main: debug.Module{Version: "v9"}, Settings: vcs}, build{"v1.2.3", "abc"}},
		"nothing":         {"", "", debug.BuildInfo{}, build{"devel", "unknown"}},
		"go build":        {"", "", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs}, build{"devel", "0123456789ab-dirty"}},
		"clean tree":      {"", "", debug.BuildInfo{Settings: vcs[:1]}, build{"devel", "0123456789ab"}},
		"go install":      {"", "", debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}}, build{"v1.0.0", "unknown"}},
		"a short commit":  {"", "", debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}}}, build{"devel", "abc"}},
		"modified, no id": {"", "", debug.BuildInfo{Settings: vcs[1:]}, build{"devel", "unknown"}},
	} {
		if got := buildFrom(tc.version, tc.commit, &tc.info); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestVersionCommand(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		code, stdout, stderr := command(t, nil, arg)
		if !regexp.MustCompile(`^lighter \S+ \(commit \S+, go1\.\S+\)\n$`).MatchString(stdout) || code != exitOK || stderr != "" {
			t.Errorf("%s = %d %q %q", arg, code, stdout, stderr)
		}
	}
}
