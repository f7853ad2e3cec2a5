package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/jsonfile"
)

// runtime is a language runtime whose programs print stack traces when they fail.
type runtime struct {
	name    string
	debian  string // the package of the runtime; empty if it is built here
	command []string
	fails   []string // the failures of the program, one per run
}

// runtimes are real runtimes and programs in runtimes/ for them.
var runtimes = []runtime{
	{"python", "python3-minimal", []string{"/usr/bin/python3", "/runtimes/trace.py"}, []string{"pay", "during", "group", "endless", "threaded", "printed", "syntax"}},
	{"node", "nodejs", []string{"/usr/bin/node", "/runtimes/trace.js"}, []string{"uncaught", "cause", "rejected", "aggregate", "logged", "loggedWithCause", "notFound"}},
	{"java", "default-jre-headless", []string{"/usr/bin/java", "-XX:MaxJavaStackTraceDepth=200", "/runtimes/Trace.java"}, []string{"chained", "suppressed", "pooled", "printed", "endless"}},
	{"ruby", "ruby", []string{"/usr/bin/ruby", "/runtimes/trace.rb"}, []string{"uncaught", "cause", "missing", "printed", "endless"}},
	{"php", "php-cli", []string{"/usr/bin/php", "-n", "-d", "display_errors=stderr", "-d", "log_errors=0", "/runtimes/trace.php"}, []string{"uncaught", "chained", "typed", "logged"}},
	{"php-log", "php-cli", []string{"/usr/bin/php", "-n", "-d", "display_errors=0", "-d", "log_errors=1", "/runtimes/trace.php"}, []string{"uncaught", "chained", "typed"}},
	{"go", "", []string{"/gotrace"}, []string{"panic", "nil", "goroutines", "again", "deadlock", "concurrent", "recovered"}},
}

// Lines before and after each run of a program.
const (
	traceBegins = "== trace "
	traceEnds   = "== end "
)

// runtimesThrow lets programs of real runtimes print stack traces: each must be one entry, and each line
// around it another one.
func (l *lab) runtimesThrow(t *testing.T) {
	ctx := t.Context()
	a := l.agent(t, "runtimes", agentOptions{include: "run-*", env: []string{"LIGHTER_MULTILINE=auto"}})
	programs, err := filepath.Abs("runtimes")
	must(t, err)
	gotrace := filepath.Join(t.TempDir(), "gotrace")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", gotrace, "./runtimes/gotrace")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build runtimes/gotrace: %v: %s", err, out)
	}
	started := map[string]*generator{}
	for _, r := range runtimes {
		if _, err := os.Stat(r.command[0]); r.debian != "" && err != nil {
			t.Logf("%s is skipped: %v; install Debian's package %s", r.name, err, r.debian)
			continue
		}
		script := fmt.Sprintf("for what in %s; do echo '%s'$what; %s $what; echo '%s'$what; done >&2",
			strings.Join(r.fails, " "), traceBegins, strings.Join(r.command, " "), traceEnds)
		run := append([]string{"--network", l.within, "--volume", programs + ":/runtimes:ro", "--volume", gotrace + ":/gotrace:ro", "--env", "GOTRACEBACK=all",
			"--tmpfs", "/tmp", "--entrypoint", "/usr/bin/sh"}, machinesPrograms(t)...)
		g := &generator{service: "run-" + r.name, starts: []time.Time{time.Now()}}
		g.Container, err = l.engine.Run(ctx, g.service, append(append(run, l.logging...), generatorImage, "-c", script)...)
		must(t, err)
		t.Cleanup(func() { _ = g.Remove(context.Background()) })
		started[r.name] = g
	}
	for _, r := range runtimes {
		g, ok := started[r.name]
		if !ok {
			continue
		}
		g.waitExited(t, 0)
		want, traces := wholeTraces(g.lines(t))
		if traces != len(r.fails) {
			t.Errorf("%s has printed %d stack traces of several lines, want %d:\n%s", r.name, traces, len(r.fails), strings.Join(want, "\n"))
		}
		a.gets(t, 30*time.Second, g, "stderr", want...)
	}
}

// machinesPrograms returns the options of docker run that mount this machine's programs read-only.
func machinesPrograms(t *testing.T) (options []string) {
	for _, pattern := range []string{"/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/java-*"} {
		dirs, err := filepath.Glob(pattern)
		must(t, err)
		for _, dir := range dirs {
			options = append(options, "--volume", dir+":"+dir+":ro")
		}
	}
	return options
}

// wholeTraces returns the entries that lines should become: the lines between two marks are one entry. traces
// is the number of entries with several lines.
func wholeTraces(lines []jsonfile.Line) (entries []string, traces int) {
	var trace []string
	for _, line := range lines {
		if !strings.HasPrefix(line.Text, traceBegins) && !strings.HasPrefix(line.Text, traceEnds) {
			trace = append(trace, line.Text)
			continue
		}
		if len(trace) > 0 {
			entries = append(entries, strings.Join(trace, "\n"))
		}
		if len(trace) > 1 {
			traces++
		}
		trace = nil
		entries = append(entries, line.Text)
	}
	return entries, traces
}
