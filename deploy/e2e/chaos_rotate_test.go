package e2e

import (
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// rotations are the log options under which the Engine throws lines away, by max-file.
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

// rotateStopped stops the agent while a log is rotated away under its position.
func (c *chaos) rotateStopped(t *testing.T) {
	c.need(t, rotating)
	for files, options := range rotations {
		t.Run("max-file="+files, func(t *testing.T) {
			scenario := "missed-" + files
			v := c.victim(t, scenario, agentOptions{})
			g := c.flood(t, scenario+"-flood", 300, generatorOptions{docker: options})
			v.waitTaken(t, 500)
			v.stop(t)
			pass(t, span(c, 20*time.Second, 6*time.Second)) // about a megabyte, of which the Engine keeps 100 to 300 kB
			must(t, v.Start(t.Context()))
			v.waitReady(t)
			v.waitTaken(t, 500)
			must(t, g.Stop(t.Context()))
			if v.verifyRotated(t, g) == 0 {
				t.Error("the Engine has thrown nothing away: the scenario shows nothing")
			}
		})
	}
}

// rotateCompress reads a json-file log that is rotated and compressed several times a second.
func (c *chaos) rotateCompress(t *testing.T) {
	c.need(t, rotating)
	c.rotateFast(t, "compressed", "--log-opt", "compress=true")
}

// rotateLocal does so with the driver local, which compresses unless it is told not to.
func (c *chaos) rotateLocal(t *testing.T) {
	c.need(t, local)
	c.rotateFast(t, "local", "--log-driver", "local")
}

// rotateFast writes faster than the Engine can have its log followed, but never so much that it
// throws anything away. The agent is stopped once, so that it has to go on within a compressed file.
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
		t.Errorf("%d lines were never delivered and the Engine holds them no more", thrown)
	}
}

// verifyRotated verifies the delivery of a log of which the Engine has thrown some away. The
// lines are numbered from 1: one that is neither in the Engine's files nor delivered was thrown
// away, and that there are such must be counted and said. It returns how many.
func (v *victim) verifyRotated(t *testing.T, g *generator) int {
	t.Helper()
	held := v.streams(t, []*generator{g})
	last := 0
	for _, s := range held {
		for _, line := range s.lines {
			last = max(last, fault.Seq(line.Text))
		}
	}
	// What the files no longer hold nobody can wait for: until nothing has come for three seconds.
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
	for _, s := range held { // what the files still hold must have come as it is there
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
		t.Errorf("%d lines were thrown away before they were delivered, and lighter_log_gaps_total is %v", o.thrown, gaps)
	}
	if o.thrown > 0 {
		v.says(t, "rotated", g.Name)
	}
	return o.thrown
}
