package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set at build time: -ldflags "-X main.version=v1.2.3 -X main.commit=0a1b2c3". If unset, the module's own
// build information is used.
var version, commit string

// build is the build information of a binary.
type build struct {
	Version string // "devel" if unknown
	Commit  string // "unknown" if unknown
}

func currentBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildFrom(version, commit, info)
}

// buildFrom prefers the values set by the linker over those recorded by the toolchain.
func buildFrom(version, commit string, info *debug.BuildInfo) build {
	b := build{version, commit}
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && b.Commit == "":
			b.Commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true" && commit == "":
			dirty = "-dirty"
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	if b.Commit == "" {
		return build{b.Version, "unknown"}
	}
	b.Commit += dirty
	return b
}

// line says all of it.
func (b build) line() string {
	return fmt.Sprintf("lighter %s (commit %s, %s)", b.Version, b.Commit, runtime.Version())
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the Go version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(c.stdout, currentBuild().line())
			return err
		},
	}
}
