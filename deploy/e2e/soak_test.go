package e2e

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// TestSoak causes random floods, restarts and faults for the time in LIGHTER_E2E_SOAK, as make soak does;
// LIGHTER_E2E_SEED repeats a run's choices. Two agents read the same containers: one always runs, and must
// not grow; the other one is killed and stopped repeatedly. Neither may lose a line.
func TestSoak(t *testing.T) {
	lasts, seed := soakSettings(t)
	began := time.Now()
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < lasts+10*time.Minute {
		t.Fatalf("this takes longer than go test's timeout: run go test -timeout %s", lasts+20*time.Minute)
	}
	fmt.Printf("soak: %s with LIGHTER_E2E_SEED=%d\n", lasts, seed)
	c := &chaos{lab: openLab(t)}
	target := c.target(t)
	o := everySecond(target)
	o.include = "soak-*"
	s := &soak{chaos: c, random: rand.New(rand.NewPCG(seed, 0)),
		steady: c.victim(t, "soak-steady", o), mortal: c.victim(t, "soak-mortal", agentOptions{include: "soak-*"})}
	for round := 1; time.Since(began) < lasts && !t.Failed(); round++ {
		s.round(t, round)
	}
	for i, v := range s.victims() {
		s.retire(i)
		v.remember(t)
		v.judge(t, s.sums[i])
	}
	s.flat(t)
	s.steady.verifySamples(t, target)
	s.mortal.stop(t)
}

// soakSettings reads the environment.
func soakSettings(t *testing.T) (lasts time.Duration, seed uint64) {
	t.Helper()
	setting := os.Getenv("LIGHTER_E2E_SOAK")
	if setting == "" {
		t.Skip("LIGHTER_E2E_SOAK is not set: use make soak")
	}
	lasts, err := time.ParseDuration(setting)
	must(t, err)
	seed = uint64(time.Now().UnixNano())
	if setting := os.Getenv("LIGHTER_E2E_SEED"); setting != "" {
		seed, err = strconv.ParseUint(setting, 10, 64)
		must(t, err)
	}
	return lasts, seed
}

// soak is the state of a run.
type soak struct {
	*chaos
	random *rand.Rand
	steady *victim // never restarted
	mortal *victim
	before [2][]stream // by agent, of the previous round, whose lines may still arrive again
	sums   [2]outcome  // by agent, of the rounds before the previous one
	sizes  []size
}

// size is the resource usage of the steady agent at the end of a round.
type size struct{ memory, goroutines, descriptors float64 }

// round starts a few containers, breaks something while they write, repairs it, and waits until both backends
// have all lines.
func (s *soak) round(t *testing.T, number int) {
	var group []*generator
	for i := range 1 + s.random.IntN(3) {
		rate, lasts := 20+s.random.IntN(2000), time.Duration(3+s.random.IntN(15))*time.Second
		group = append(group, s.flood(t, fmt.Sprintf("soak-%04d-%d", number, i), rate, generatorOptions{}, "-for", lasts.String()))
	}
	what, mend := s.breakSomething(t)
	pass(t, time.Duration(2+s.random.IntN(13))*time.Second)
	mend()
	for _, g := range group {
		g.waitExited(t, 0)
	}
	for i, v := range s.victims() {
		now := v.streams(t, group)
		all := slices.Concat(s.before[i], now)
		err := poll(t.Context(), 3*time.Minute, func(ctx context.Context) error {
			if o := account(all, v.loki, v.deaths); o.lost+o.changed+o.disordered > 0 {
				return fmt.Errorf("lost %d, changed %d, out of order %d: %s; the agent: %v", o.lost, o.changed, o.disordered, o.first, v.alive(ctx))
			}
			return nil
		})
		if err != nil {
			t.Errorf("round %d (%s), %s: %v", number, what, v.environment, err)
		}
		s.retire(i)
		s.before[i] = now
	}
	removeAll(group)
	s.sizes = append(s.sizes, size{s.steady.metric(t, "process_resident_memory_bytes"),
		s.steady.metric(t, "go_goroutines"), s.steady.metric(t, "process_open_fds")})
	last := s.sizes[len(s.sizes)-1]
	fmt.Printf("soak: round %3d  %-14s  %d lines delivered  %.1f MiB  %.0f goroutines  %.0f descriptors\n", number, what,
		s.sums[0].delivered, last.memory/(1<<20), last.goroutines, last.descriptors)
}

// breakSomething breaks a random thing and returns its name and a function that repairs it.
func (s *soak) breakSomething(t *testing.T) (what string, mend func()) {
	misbehave := func(f fault.Fault) func() {
		s.steady.loki.Misbehave(f)
		s.mortal.loki.Misbehave(f)
		return func() {
			s.steady.loki.Misbehave(nil)
			s.mortal.loki.Misbehave(nil)
		}
	}
	nothing := func() {}
	faults := []struct {
		name string
		do   func() func()
	}{
		{"nothing", func() func() { return nothing }},
		{"refuse", func() func() {
			must(t, s.steady.loki.Refuse())
			must(t, s.mortal.loki.Refuse())
			return func() {
				must(t, s.steady.loki.Open())
				must(t, s.mortal.loki.Open())
			}
		}},
		{"metrics refuse", func() func() {
			must(t, s.steady.prom.Refuse())
			return func() { must(t, s.steady.prom.Open()) }
		}},
		{"500", func() func() { return misbehave(fault.Status(http.StatusInternalServerError, "broken")) }},
		{"429", func() func() { return misbehave(fault.RetryAfterSeconds(2 * time.Second)) }},
		{"401", func() func() { return misbehave(fault.Status(http.StatusUnauthorized, "invalid token")) }},
		{"413", func() func() { return misbehave(fault.TooLarge(4 << 10)) }},
		{"black hole", func() func() { return misbehave(fault.BlackHole()) }},
		{"slow", func() func() { return misbehave(fault.Slow(2 * time.Second)) }},
		{"cut", func() func() {
			return misbehave(fault.InTurn(fault.CutBody(), fault.CutAnswer(), nil))
		}},
		{"kill", func() func() { s.mortal.kill(t); return nothing }},
		{"kill again", func() func() { s.mortal.kill(t); return func() { s.mortal.kill(t) } }},
		{"stop and start", func() func() {
			s.mortal.stop(t)
			return func() { must(t, s.mortal.Start(t.Context())) }
		}},
	}
	f := faults[s.random.IntN(len(faults))]
	return f.name, f.do()
}

// retire adds the previous round to the sum of an agent; its lines must not arrive again.
func (s *soak) retire(i int) {
	v := s.victims()[i]
	s.sums[i] = s.sums[i].plus(accountOf(s.before[i], v.loki, v.deaths))
	for _, one := range s.before[i] {
		v.loki.Lines.Forget(one.labels)
	}
}

// victims returns both agents.
func (s *soak) victims() []*victim { return []*victim{s.steady, s.mortal} }

// flat compares the last quarter of the run with the second one, because the agent warms up in the first. It
// allows an increase of a tenth and a little more.
func (s *soak) flat(t *testing.T) {
	quarter := len(s.sizes) / 4
	if quarter < 3 {
		t.Logf("%d rounds are too few to compare their quarters", len(s.sizes))
		return
	}
	for _, m := range []struct {
		name  string
		of    func(size) float64
		slack float64
	}{
		{"resident memory (MiB)", func(z size) float64 { return z.memory / (1 << 20) }, 4},
		{"goroutines", func(z size) float64 { return z.goroutines }, 5},
		{"descriptors", func(z size) float64 { return z.descriptors }, 5},
	} {
		var medians [4]float64
		for q := range medians {
			values := make([]float64, 0, quarter)
			for _, z := range s.sizes[q*quarter : (q+1)*quarter] {
				values = append(values, m.of(z))
			}
			slices.SortFunc(values, cmp.Compare[float64])
			medians[q] = values[len(values)/2]
		}
		fmt.Printf("soak: %s by quarter: %.1f\n", m.name, medians)
		if most := medians[1]*1.1 + m.slack; medians[3] > most {
			t.Errorf("%s grew: the median of the last quarter is %.1f, at most %.1f is allowed", m.name, medians[3], most)
		}
	}
}
