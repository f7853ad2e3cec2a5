package e2e

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// source is where an agent reads logs.
type source string

const (
	fromSocket source = "socket" // the Engine's API, as by default
	fromFiles  source = "file"   // the Engine's files, without a socket
	fromBoth   source = "auto"   // the files, and the socket for everything else
)

// reads selects the sources with which a scenario runs.
type reads int

const (
	socketAlone reads = iota // the scenario is about the socket, metrics or the start
	filesToo                 // with the source in LIGHTER_E2E_SOURCE, or else with the socket
	filesAlways              // without LIGHTER_E2E_SOURCE, with the socket and again with files
	bothAlways               // and again with both sources
)

// sourceVariable is the environment variable that selects a single source: socket, file or auto.
const sourceVariable = "LIGHTER_E2E_SOURCE"

// sources returns the sources of a scenario.
func sources(t *testing.T, r reads) []source {
	t.Helper()
	all := []source{fromSocket, fromFiles, fromBoth}
	asked := source(os.Getenv(sourceVariable))
	switch {
	case asked == "":
		return all[:max(1, int(r))]
	case !slices.Contains(all, asked):
		t.Fatalf("%s=%s: want one of %v", sourceVariable, asked, all)
	case asked != fromSocket && r == socketAlone:
		return nil
	}
	return []source{asked}
}

// play runs a scenario once for each of its sources; with the socket, under the scenario's own name. On other
// Engines than the machine's, it uses only the socket, unless the environment selects another source.
func (l *lab) play(t *testing.T, name string, r reads, scenario func(*testing.T)) {
	t.Helper()
	if _, cannot := l.cannot[files]; cannot || l.stage != l.machine {
		r = min(r, filesToo)
	}
	for _, s := range sources(t, r) {
		if s != fromSocket && !l.can(t, files) {
			continue
		}
		l.source = s
		t.Run(l.name(name), scenario)
	}
}

// name adds the source to the name of a scenario.
func (l *lab) name(name string) string {
	if l.source == fromSocket {
		return name
	}
	return name + "-" + string(l.source)
}

// environmentOf adds the source and the Engine to the name of an agent.
func (l *lab) environmentOf(name string) string {
	if l.stage == l.machine {
		return l.name(name)
	}
	return l.name(name) + "-" + l.kind
}

// docker returns the options of docker run that let an agent read logs: from a socket with the permissions of
// its group, or from the files in the Engine's data directory root as user root, which owns them and needs no
// capability.
func (s source) docker(socket, group, root, host string) []string {
	if s == fromSocket {
		return append(mountSocket(socket), "--user", "65532:65532", "--group-add", group)
	}
	files := []string{"--user", "0:0", "--volume", fmt.Sprintf("%s/containers:/var/lib/docker/containers:ro", root)}
	if s == fromBoth {
		return append(files, mountSocket(socket)...)
	}
	return append(files, "--env", "LIGHTER_LOG_SOURCE=file", "--env", "LIGHTER_HOST="+host) // without a socket, the host's name is unknown
}
