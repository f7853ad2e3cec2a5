package e2e

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// lastWords repeatedly starts programs that end in the middle of a line. The incomplete line must be
// delivered as a line, on each stream and with each log driver, and the text after it, on either stream,
// belongs to the next run. Nothing is missing, and the agent reports no gap.
func (l *lab) lastWords(t *testing.T) {
	ctx := t.Context()
	syslog, err := net.ListenPacket("udp", "127.0.0.1:0") // the Engine keeps a readable copy of such logs
	must(t, err)
	defer syslog.Close()
	a := l.agent(t, "words", agentOptions{include: "words-*"})

	out, errs := []string{"out:start %n\n", "wait:50ms", "err:last words %n", "wait:50ms", "exit:3"},
		[]string{"err:start %n\n", "wait:50ms", "out:last words %n", "wait:50ms", "exit:3"}
	both := []string{"out:start %n\n", "wait:50ms", "out:last words %n", "wait:50ms", "err:last words %n", "wait:50ms", "exit:3"}
	containers := []struct {
		name           string
		says           []string
		driver         []string
		stdout, stderr []string // of each run
	}{
		{"words-on-stderr", out, nil, []string{"start %d"}, []string{"last words %d"}},
		{"words-on-stdout", errs, nil, []string{"last words %d"}, []string{"start %d"}},
		{"words-on-both", both, nil, []string{"start %d", "last words %d"}, []string{"last words %d"}},
		{"words-local-stderr", out, []string{"--log-driver", "local"}, []string{"start %d"}, []string{"last words %d"}},
		{"words-local-both", both, []string{"--log-driver", "local"}, []string{"start %d", "last words %d"}, []string{"last words %d"}},
		{"words-syslog", out, []string{"--log-driver", "syslog", "--log-opt", "syslog-address=udp://" + syslog.LocalAddr().String()},
			[]string{"start %d"}, []string{"last words %d"}},
	}
	others := l.source != fromFiles && l.can(t, local)
	generators := make([]*generator, len(containers))
	for run := 1; run <= 5; run++ {
		if run == 4 { // the last two while the agent is stopped
			a.stop(t)
		}
		for i, c := range containers {
			switch {
			case c.driver != nil && !others:
				continue
			case run == 1:
				generators[i] = l.generate(t, c.name, generatorOptions{says: c.says, logging: c.driver})
			default:
				must(t, generators[i].Start(ctx))
			}
		}
		pass(t, 2*time.Second)
	}
	must(t, a.Start(ctx))
	a.waitReady(t)

	var all []*generator
	for i, c := range containers {
		g := generators[i]
		if g == nil {
			continue
		}
		all = append(all, g)
		a.gets(t, 20*time.Second, g, "stdout", ofRuns(5, c.stdout)...)
		a.gets(t, 20*time.Second, g, "stderr", ofRuns(5, c.stderr)...)
	}
	a.noGaps(t)
	a.verify(t, 10*time.Second, all...)
}

// ofRuns returns the lines of a container after n runs, each of which wrote the lines with its number.
func ofRuns(n int, lines []string) []string {
	var out []string
	for run := 1; run <= n; run++ {
		for _, line := range lines {
			out = append(out, fmt.Sprintf(line, run))
		}
	}
	return out
}
