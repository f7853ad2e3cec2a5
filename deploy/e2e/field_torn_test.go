package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// torn overwrites a part of a stopped container's log with zero bytes, as after a power failure, and starts
// the container again. Only the overwritten lines may be missing, whether or not the agent has read the log
// before, and the agent must report that the log is damaged.
func (l *lab) torn(t *testing.T) {
	ctx := t.Context()
	// A record on the same line as the zeros is lost with them, except for an agent that reads files.
	for name, tc := range map[string]struct {
		damage func(log []byte) []byte
		lost   []string // for the Engine, of the 60 lines of the first run and the 5 of each later one
		spared []string // those of them that an agent that reads files still finds
	}{
		"record": {func(log []byte) []byte { return zeroRecord(log, 20, true) }, []string{"1 line 20", "1 line 21"}, []string{"1 line 21"}},
		"text":   {func(log []byte) []byte { return zeroRecord(log, 20, false) }, []string{"1 line 20"}, nil},
		"end":    {func(log []byte) []byte { return append(log, make([]byte, 700)...) }, []string{"2 line 1"}, []string{"2 line 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			lost := tc.lost
			if l.source != fromSocket {
				lost = without(tc.lost, tc.spared)
			}
			scenario := "torn-" + name
			seen := l.generate(t, scenario+"-seen", sixtyLines)
			fresh := l.generate(t, scenario+"-fresh", sixtyLines)
			both := []*generator{seen, fresh}
			a := l.agent(t, scenario, agentOptions{include: scenario + "-*", env: []string{"LIGHTER_EXCLUDE=" + fresh.Name}})
			want := numbered(1, 60)
			a.gets(t, halfMinute, seen, "stdout", want...)
			a.stop(t)
			for _, g := range both {
				g.waitExited(t, 0)
				must(t, g.damage(t, tc.damage))
				if l.whole {
					pass(t, time.Second) // lines of the same second cannot be distinguished if some of them are missing
				}
				must(t, g.Start(ctx))
				g.waitExited(t, 0)
			}
			want = append(want, numbered(2, 5)...)

			// The agent that has read the log before continues after the damage.
			must(t, a.Start(ctx))
			a.waitReady(t)
			behind := lost
			if name != "end" {
				behind = nil // the lost lines had been delivered before
			}
			a.gets(t, halfMinute, seen, "stdout", without(want, behind)...)
			if t.Failed() {
				return // the rest would fail after the same wait
			}

			// Another agent reads both logs for the first time. While it is stopped, five more lines are written.
			first := l.agent(t, scenario+"-first", agentOptions{include: scenario + "-*"})
			for _, g := range both {
				first.gets(t, halfMinute, g, "stdout", without(want, lost)...)
			}
			if t.Failed() {
				return
			}
			if l.can(t, damage) {
				first.says(t, "damaged", fresh.Name)
			}
			first.stop(t)
			for _, g := range both {
				must(t, g.Start(ctx))
				g.waitExited(t, 0)
			}
			want = append(want, numbered(3, 5)...)
			must(t, first.Start(ctx))
			first.waitReady(t)
			for _, g := range both {
				first.gets(t, halfMinute, g, "stdout", without(want, lost)...)
			}
			a.gets(t, halfMinute, seen, "stdout", without(want, behind)...)
		})
	}
}

const halfMinute = 30 * time.Second

// sixtyLines writes sixty lines in the first run and five in each later one; see numbered.
var sixtyLines = generatorOptions{says: []string{"lines:60,5"}}

// numbered returns the lines that a run of sixtyLines writes.
func numbered(run, n int) []string {
	var out []string
	for i := 1; i <= n; i++ {
		out = append(out, fmt.Sprintf("%d line %d", run, i))
	}
	return out
}

// without returns the lines except the lost ones.
func without(lines, lost []string) []string {
	gone := make(map[string]bool)
	for _, line := range lost {
		gone[line] = true
	}
	var out []string
	for _, line := range lines {
		if !gone[line] {
			out = append(out, line)
		}
	}
	return out
}

// damage changes the Engine's log file of a stopped container.
func (g *generator) damage(t *testing.T, change func([]byte) []byte) error {
	t.Helper()
	s, err := g.State(t.Context())
	if err != nil {
		return err
	}
	if s.Running || s.LogPath == "" {
		return errors.New(g.Name + " is running, or has no log file")
	}
	log, err := os.ReadFile(s.LogPath)
	if err != nil {
		return err
	}
	if !strings.Contains(string(log), "1 line 20") {
		return fmt.Errorf("%s is not the log of %s", s.LogPath, g.Name)
	}
	return os.WriteFile(s.LogPath, change(log), 0o600)
}

// zeroRecord overwrites the nth record of a log with zero bytes, optionally including its newline.
func zeroRecord(log []byte, n int, newline bool) []byte {
	from := 0
	for range n - 1 {
		from += bytes.IndexByte(log[from:], '\n') + 1
	}
	to := from + bytes.IndexByte(log[from:], '\n')
	if newline {
		to++
	}
	clear(log[from:to])
	return log
}
