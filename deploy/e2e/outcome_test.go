package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// outcome is the result of a scenario for its lines.
type outcome struct {
	written    int
	delivered  int // each line counts once
	lost       int // neither delivered nor refused by the backend
	refused    int // named in a response as refused
	torn       int // left out by a follower of Podman, which has returned a part of a record; see tears
	thrown     int // deleted by the Engine's rotation before they were delivered
	twice      int // arrived again unchanged
	changed    int // entries that nobody wrote: other bytes, another time, another stream
	disordered int // arrived after a later line of their stream
	late       int // arrived again although nothing was killed at about the time of arrival, and no response was cut off
	first      string
}

// of formats the outcome as the line of a scenario.
func (o outcome) of(scenario string, peak int64, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "chaos: %-14s  written %7d  delivered %7d  lost %d", scenario, o.written, o.delivered, o.lost)
	if o.refused > 0 {
		fmt.Fprintf(&b, " (refused by the backend %d)", o.refused)
	}
	if o.torn > 0 {
		fmt.Fprintf(&b, " (torn by Podman %d)", o.torn)
	}
	if o.thrown > 0 {
		fmt.Fprintf(&b, " (deleted by Docker %d)", o.thrown)
	}
	fmt.Fprintf(&b, "  sent twice %d", o.twice+o.changed)
	if o.twice+o.changed > 0 {
		fmt.Fprintf(&b, " (%d identical)", o.twice)
	}
	fmt.Fprintf(&b, "  out of order %d  peak %d MiB  %.0f s", o.disordered, peak>>20, took.Seconds())
	return b.String()
}

// key is a line of a stream.
type key struct {
	nanos int64
	hash  uint64
}

// account compares everything that a backend has accepted with what it must have received.
func account(want []stream, backend *fault.Server, deaths []death) outcome {
	o := accountOf(want, backend, deaths)
	got := backend.Lines.Streams()
	for _, s := range want {
		delete(got, s.labels)
	}
	for name, entries := range got { // of no known stream
		o.changed += len(entries)
		o.first = fmt.Sprintf("stream %s of %d lines", name, len(entries))
	}
	return o
}

// accountOf is account for only these streams.
func accountOf(want []stream, backend *fault.Server, deaths []death) outcome {
	var o outcome
	got, refused := backend.Lines.Streams(), backend.Lines.Refused()
	t := newTears()
	for _, s := range want {
		places := make(map[key]int, len(s.lines)) // from line to its place in its stream
		for i, line := range s.lines {
			places[key{line.Nanos, fault.Hash(line.Text)}] = i
		}
		o.written += len(s.lines)
		no := make(map[key]bool)
		for _, e := range refused[s.labels] {
			no[key{e.Nanos, e.Hash}] = true
		}
		missing, unknown := o.stream(places, got[s.labels], no, deaths)
		t.add(s, missing, unknown)
	}
	torn, parts := t.find()
	o.torn = len(torn)
	o.lost -= o.torn
	o.changed -= parts
	for _, s := range want {
		if o.first == "" && o.lost > 0 {
			o.first = firstLost(s, got[s.labels], torn)
		}
	}
	return o
}

// stream adds the outcome of one stream. It returns the lines that were lost, and how often each entry
// arrived that nobody wrote.
func (o *outcome) stream(places map[key]int, got []fault.Entry, refused map[key]bool, deaths []death) (missing map[key]bool, unknown map[key]int) {
	missing, unknown = make(map[key]bool), make(map[key]int)
	last := make(map[key]fault.Entry, len(got)) // the last arrival of each line
	latest := -1
	for _, e := range got {
		k := key{e.Nanos, e.Hash}
		i, ok := places[k]
		if !ok {
			o.changed++
			unknown[k]++
			continue
		}
		before, again := last[k]
		last[k] = e
		if again {
			o.twice++
			if !before.Cut && !excused(time.UnixMilli(before.At), deaths) {
				o.late++
			}
			continue
		}
		o.delivered++
		if i < latest {
			o.disordered++
		}
		latest = max(latest, i)
	}
	for k := range places {
		if _, ok := last[k]; ok {
			continue
		}
		if refused[k] {
			o.refused++
		} else {
			o.lost++
			missing[k] = true
		}
	}
	return missing, unknown
}

// firstLost returns the first missing line of a stream that was not torn.
func firstLost(s stream, got []fault.Entry, torn map[tornKey]bool) string {
	have := make(map[key]bool, len(got))
	for _, e := range got {
		have[key{e.Nanos, e.Hash}] = true
	}
	for i, line := range s.lines {
		if k := (key{line.Nanos, fault.Hash(line.Text)}); !have[k] && !torn[tornKey{s.labels, k}] {
			return fmt.Sprintf("line %d of %d of %s, of %s: %s", i+1, len(s.lines), s.labels, time.Unix(0, line.Nanos).UTC().Format(time.RFC3339Nano), short(line.Text))
		}
	}
	return ""
}

// verify waits until the agent has delivered what the stopped generators wrote, stops it, prints the
// scenario's line, and checks that nothing was lost, changed or disordered, and that lines arrived twice only
// after a kill or a response that was cut off.
func (v *victim) verify(t *testing.T, within time.Duration, generators ...*generator) outcome {
	t.Helper()
	want := v.streams(t, generators)
	o := account(want, v.loki, v.deaths)
	for deadline := time.Now().Add(within); o.lost > 0 && time.Now().Before(deadline); o = account(want, v.loki, v.deaths) {
		if err := v.alive(t.Context()); err != nil {
			t.Error(err)
			break
		}
		pass(t, 500*time.Millisecond)
	}
	if v.alive(t.Context()) == nil {
		v.stop(t)
	}
	o = account(want, v.loki, v.deaths)
	v.judge(t, o)
	return o
}

// judge prints an outcome and checks that it is as promised.
func (v *victim) judge(t *testing.T, o outcome) {
	t.Helper()
	fmt.Println(o.of(v.environment, v.peak, time.Since(v.began)))
	if o.lost > 0 || o.changed > 0 || o.disordered > 0 || o.late > 0 {
		t.Errorf("lost %d, changed %d, out of order %d, sent again although nothing was killed within %s of their response, which was complete, %d; first: %s",
			o.lost, o.changed, o.disordered, settled, o.late, o.first)
	}
	if o.torn > max(10, o.written/10_000) {
		t.Errorf("Podman tore or left out %d of %d lines, which is more than its defect explains", o.torn, o.written)
	}
	for _, b := range []*fault.Server{v.loki, v.prom} {
		for _, err := range b.Errors() {
			t.Error(err)
		}
	}
	t.Logf("responses for logs %v, for metrics %v", sorted(v.loki.Statuses()), sorted(v.prom.Statuses()))
}

// sorted formats the number of responses by status.
func sorted(m map[int]int) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d×%d", status, m[status]))
	}
	return strings.Join(parts, " ")
}
