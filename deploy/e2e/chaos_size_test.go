package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// diskFull gives the agent two megabytes of disk and stops Loki until they are full: reading stops, and the
// Engine keeps the lines.
func (c *chaos) diskFull(t *testing.T) {
	v := c.victim(t, "diskfull", agentOptions{data: []string{"--tmpfs", "/var/lib/lighter:size=2m,uid=65532,gid=0,mode=0770"}})
	g := c.flood(t, "diskfull-flood", 8000, generatorOptions{})
	v.waitTaken(t, 1000)
	must(t, v.loki.Refuse())
	v.says(t, "no space left")
	pass(t, span(c, 60*time.Second, 10*time.Second))
	must(t, v.loki.Open())
	v.waitTaken(t, 20_000)
	must(t, g.Stop(t.Context()))
	v.verify(t, 3*time.Minute, g)
}

// mostMemory is the limit for the peak memory of the agent's process, which always runs with a limit of
// 128 MiB.
const mostMemory = 64 << 20

// flood128 lets two containers flood while Loki is away for a minute.
func (c *chaos) flood128(t *testing.T) {
	v := c.victim(t, "flood128", agentOptions{})
	a := c.flood(t, "flood128-a", 5000, generatorOptions{})
	b := c.flood(t, "flood128-b", 5000, generatorOptions{})
	v.waitTaken(t, 1000)
	must(t, v.loki.Refuse())
	pass(t, span(c, 60*time.Second, 15*time.Second))
	must(t, v.loki.Open())
	v.waitTaken(t, 50_000)
	must(t, a.Stop(t.Context()))
	must(t, b.Stop(t.Context()))
	v.verify(t, 4*time.Minute, a, b)
	if v.peak > mostMemory {
		t.Errorf("the process used %d MiB at its peak, at most %d are allowed", v.peak>>20, mostMemory>>20)
	}
}

// hundred runs a hundred containers, each of which writes ten lines a second.
func (c *chaos) hundred(t *testing.T) {
	v := c.victim(t, "hundred", agentOptions{})
	all := make([]*generator, 100)
	work, ctx := errgroup.WithContext(t.Context())
	work.SetLimit(4)
	for i := range all {
		work.Go(func() (err error) {
			all[i], err = c.startGenerator(ctx, fmt.Sprintf("hundred-%03d", i), generatorOptions{network: "none"},
				"-rate", "10", "-size", "200", "-stderr", "5", "-format", "mix")
			return err
		})
	}
	err := work.Wait()
	t.Cleanup(func() { removeAll(all) })
	must(t, err)
	pass(t, 30*time.Second)
	work, ctx = errgroup.WithContext(t.Context())
	work.SetLimit(4)
	for _, g := range all {
		work.Go(func() error { return g.Stop(ctx) })
	}
	must(t, work.Wait())
	v.verify(t, 2*time.Minute, all...)
	if v.peak > mostMemory {
		t.Errorf("the process used %d MiB at its peak, at most %d are allowed", v.peak>>20, mostMemory>>20)
	}
}

// thousand runs a thousand containers, each for a moment, and removes each when its lines have arrived. The
// agent must forget them: its memory after the last one must be the same as after two hundred.
func (c *chaos) thousand(t *testing.T) {
	const all, early, batch = 1000, 200, 50
	v := c.victim(t, "thousand", agentOptions{})
	sum := outcome{}
	var settledMemory, settledGoroutines float64
	for n := 0; n < all; n += batch {
		group := make([]*generator, batch)
		work, ctx := errgroup.WithContext(t.Context())
		work.SetLimit(4)
		for i := range group {
			work.Go(func() error {
				g, err := c.startGenerator(ctx, fmt.Sprintf("thousand-%04d", n+i), generatorOptions{network: "none"}, "-count", "20", "-stderr", "4", "-format", "mix")
				if err != nil {
					return err
				}
				group[i] = g
				_, err = g.Wait(ctx)
				return err
			})
		}
		err := work.Wait()
		t.Cleanup(func() { removeAll(group) })
		must(t, err)
		sum = sum.plus(v.arrived(t, group))
		for _, one := range v.streams(t, group) {
			v.loki.Lines.Forget(one.labels)
		}
		removeAll(group)
		if n+batch == early {
			settledMemory, settledGoroutines = v.metric(t, "process_resident_memory_bytes"), v.metric(t, "go_goroutines")
		}
	}
	memory, goroutines := v.metric(t, "process_resident_memory_bytes"), v.metric(t, "go_goroutines")
	v.stop(t)
	v.judge(t, sum)
	t.Logf("after %d containers %.1f MiB and %v goroutines, after %d %.1f MiB and %v", early, settledMemory/(1<<20), settledGoroutines, all, memory/(1<<20), goroutines)
	if memory > settledMemory+8<<20 {
		t.Errorf("memory grew from %.1f MiB after %d containers to %.1f after %d", settledMemory/(1<<20), early, memory/(1<<20), all)
	}
	if goroutines > settledGoroutines+20 {
		t.Errorf("goroutines grew from %v after %d containers to %v after %d", settledGoroutines, early, goroutines, all)
	}
}

// arrived waits until the backend has received everything that the stopped generators wrote.
func (v *victim) arrived(t *testing.T, generators []*generator) outcome {
	t.Helper()
	want := v.streams(t, generators)
	var o outcome
	err := poll(t.Context(), 2*time.Minute, func(ctx context.Context) error {
		if o = account(want, v.loki, v.deaths); o.lost > 0 {
			return fmt.Errorf("%d lines are not delivered: %s; the agent: %v", o.lost, o.first, v.alive(ctx))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return o
}

// plus adds two outcomes.
func (o outcome) plus(p outcome) outcome {
	o.written += p.written
	o.delivered += p.delivered
	o.lost += p.lost
	o.torn += p.torn
	o.refused += p.refused
	o.thrown += p.thrown
	o.twice += p.twice
	o.changed += p.changed
	o.disordered += p.disordered
	o.late += p.late
	if o.first == "" {
		o.first = p.first
	}
	return o
}

// removeAll removes the generators that were started, a few at a time.
func removeAll(all []*generator) {
	var work errgroup.Group
	work.SetLimit(4)
	for _, g := range all {
		if g != nil {
			work.Go(func() error { return g.Remove(context.Background()) })
		}
	}
	_ = work.Wait() // some may be gone, and the others are removed at the end of the lab
}
