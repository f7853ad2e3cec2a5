package e2e

import (
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// rotations are the log options with which the Engine deletes lines, by max-file.
var rotations = map[string][]string{
	"1": {"--log-opt", "max-size=100k", "--log-opt", "max-file=1"},
	"3": {"--log-opt", "max-size=100k", "--log-opt", "max-file=3"},
}

// rotateFollow follows a log that is rotated about once a second.
func (c *chaos) rotateFollow(t *testing.T) {
	c.need(t, rotating)
	for files, options := range rotations {
		t.Run("max-file="+files, func(t *testing.T) {
			scenario := "rotated-" + files
			v := c.victim(t, scenario, agentOptions{})
			g := c.flood(t, scenario+"-flood", 300, generatorOptions{docker: options})
			pass(t, span(c, 45*time.Second, 8*time.Second))
			must(t, g.Stop(t.Context()))
			v.verifyRotated(t, g)
		})
	}
}

// rotateStopped stops the agent while a log is rotated past its position.
func (c *chaos) rotateStopped(t *testing.T) {
	c.need(t, rotating)
	for files, options := range rotations {
		t.Run("max-file="+files, func(t *testing.T) {
			scenario := "missed-" + files
			v := c.victim(t, scenario, agentOptions{})
			g := c.flood(t, scenario+"-flood", 300, generatorOptions{docker: options})
			v.waitTaken(t, 500)
			v.stop(t)
			pass(t, span(c, 20*time.Second, 6*time.Second)) // about a megabyte; the Engine keeps 100 to 300 kB of it
			must(t, v.Start(t.Context()))
			v.waitReady(t)
			v.waitTaken(t, 500)
			must(t, g.Stop(t.Context()))
			if v.verifyRotated(t, g) == 0 {
				t.Error("the Engine deleted no line, so the scenario tests nothing")
			}
		})
	}
}

// rotateCompress reads a json-file log that is rotated and compressed several times a second.
func (c *chaos) rotateCompress(t *testing.T) {
	c.need(t, rotating)
	c.rotateFast(t, "compressed", "--log-opt", "compress=true")
}

// rotateLocal does the same with the driver local, which compresses by default.
func (c *chaos) rotateLocal(t *testing.T) {
	c.need(t, local)
	c.rotateFast(t, "local", "--log-driver", "local")
}

// rotateFast writes faster than the Engine's followers can read, but never so much that the Engine deletes
// lines. The agent is stopped once, so that it has to continue within a compressed file.
func (c *chaos) rotateFast(t *testing.T, scenario string, options ...string) {
	v := c.victim(t, scenario, agentOptions{})
	g := c.flood(t, scenario+"-flood", 2000, generatorOptions{docker: append([]string{"--log-opt", "max-size=100k", "--log-opt", "max-file=100"}, options...)})
	v.waitTaken(t, 2000)
	pass(t, span(c, 30*time.Second, 5*time.Second))
	v.stop(t)
	must(t, v.Start(t.Context()))
	v.waitReady(t)
	v.waitTaken(t, 2000)
	must(t, g.Stop(t.Context()))
	if thrown := v.verifyRotated(t, g); thrown > 0 {
		t.Errorf("%d lines were not delivered and the Engine no longer has them", thrown)
	}
}

// verifyRotated verifies the delivery of a log of which the Engine has deleted some lines. The lines are
// numbered from 1: a line that is neither in the Engine's files nor delivered was deleted, and the agent
// must count and log such gaps. It returns the number of these lines.
func (v *victim) verifyRotated(t *testing.T, g *generator) int {
	t.Helper()
	held := v.streams(t, []*generator{g})
	last := 0
	for _, s := range held {
		for _, line := range s.lines {
			last = max(last, fault.Seq(line.Text))
		}
	}
	// It is not known how many lines were deleted, so wait until nothing has arrived for three seconds.
	for had := -1; had != v.loki.Lines.Taken(); pass(t, 3*time.Second) {
		had = v.loki.Lines.Taken()
	}
	o := account(held, v.loki, nil)
	for deadline := time.Now().Add(time.Minute); o.lost > 0 && time.Now().Before(deadline); o = account(held, v.loki, nil) {
		pass(t, 500*time.Millisecond)
	}
	gaps := v.metric(t, "lighter_log_gaps_total")
	if v.alive(t.Context()) == nil {
		v.stop(t)
	}

	lost, first := o.lost, o.first
	o = outcome{written: last, lost: lost, first: first}
	come := make(map[int]fault.Entry)
	for name, entries := range v.loki.Lines.Streams() {
		if !strings.Contains(name, g.Name) {
			t.Errorf("a stream that nobody wrote: %s", name)
		}
		latest := 0
		for _, e := range entries {
			before, again := come[e.Seq]
			switch {
			case again && before.Nanos == e.Nanos && before.Hash == e.Hash:
				o.twice++
				o.late++ // nothing died
				continue
			case again || e.Seq == 0 || e.Seq > last:
				o.changed++
				continue
			}
			come[e.Seq] = e
			if e.Seq < latest {
				o.disordered++
			}
			latest = max(latest, e.Seq)
		}
	}
	for _, s := range held { // lines that are still in the files must have arrived unchanged
		for _, line := range s.lines {
			if e, ok := come[fault.Seq(line.Text)]; ok && (e.Nanos != line.Nanos || e.Hash != fault.Hash(line.Text)) {
				o.changed++
			}
		}
	}
	o.delivered = len(come)
	o.thrown = o.written - o.delivered - o.lost
	v.judge(t, o)
	if (o.thrown > 0) != (gaps > 0) {
		t.Errorf("%d lines were deleted before they were delivered, and lighter_log_gaps_total is %v", o.thrown, gaps)
	}
	if o.thrown > 0 {
		v.says(t, "rotated", g.Name)
	}
	return o.thrown
}
