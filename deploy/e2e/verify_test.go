package e2e

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/deploy/e2e/backend"
	"lighter/deploy/e2e/gate"
	"lighter/deploy/e2e/jsonfile"
)

// The longest line that is shipped, and how a longer one ends.
const (
	maxLine = 256 << 10
	cutMark = "…[cut]"
)

// tally is the outcome of a scenario, in lines.
type tally struct {
	scenario   string
	written    int // by the Engine's files
	delivered  int // those acknowledged by Loki, each counted once
	lost       int
	twice      int    // acknowledged again
	disordered int    // acknowledged after a later line of its stream
	first      string // the first line that was acknowledged again
	seconds    float64
}

func (c tally) String() string {
	return fmt.Sprintf("%s\twritten %d\tdelivered %d\tlost %d\tsent twice %d\tout of order %d\t%.0f s",
		c.scenario, c.written, c.delivered, c.lost, c.twice, c.disordered, c.seconds)
}

// stream is what a stream must contain: its labels, and its lines in the order in which they were written.
type stream struct {
	labels    string // as labels.Labels prints them
	container string
	lines     []jsonfile.Line
}

// streams returns what the agent must deliver of the generators. The tests define the contract's label set
// only here.
func (a *agent) streams(t *testing.T, generators []*generator) []stream {
	t.Helper()
	byLabels := make(map[string]*stream)
	var order []string
	for _, g := range generators {
		for _, line := range g.lines(t) {
			ls := labels.FromStrings("environment", a.environment, "host", a.host, "instance", a.host, "job", "integrations/docker",
				"service", g.service, "container", g.Name, "stream", line.Stream).String()
			s := byLabels[ls]
			if s == nil {
				s = &stream{labels: ls, container: g.Name}
				byLabels[ls] = s
				order = append(order, ls)
			}
			line.Text = expected(line.Text)
			s.lines = append(s.lines, line)
		}
	}
	var out []stream
	for _, ls := range order {
		out = append(out, *byLabels[ls])
	}
	return out
}

// expected is how a line must arrive.
func expected(text string) string {
	if len(text) <= maxLine {
		return text
	}
	return text[:maxLine-len(cutMark)] + cutMark
}

// sent is one line of one stream.
type sent struct {
	labels string
	nanos  int64
	text   string
}

// compare compares what Loki acknowledged with what it must have received. Entries that no generator wrote are
// unexpected.
func compare(want []stream, got []gate.Entry) (c tally, unexpected []gate.Entry) {
	places := placesOf(want)
	for _, s := range want {
		c.written += len(s.lines)
	}
	seen := make(map[sent]int)
	latest := make(map[string]int) // from stream to the place of its latest delivered line
	for _, e := range got {
		key := sent{e.Labels, e.Nanos, e.Text}
		p := places[key]
		if p == nil {
			unexpected = append(unexpected, e)
			continue
		}
		seen[key]++
		if seen[key] > len(p) {
			if c.twice++; c.first == "" {
				c.first = fmt.Sprintf("%s %d %q", e.Labels, e.Nanos, short(e.Text))
			}
			continue
		}
		c.delivered++
		if len(p) > 1 {
			continue // if some are sent again, it is unknown which of them this one is
		}
		at := p[0]
		if at < latest[e.Labels] {
			c.disordered++
		}
		latest[e.Labels] = max(latest[e.Labels], at)
	}
	c.lost = c.written - c.delivered
	return c, unexpected
}

// placesOf returns the places of each line in its stream. Only lines of an Engine whose times are whole seconds
// can have more than one place.
func placesOf(want []stream) map[sent][]int {
	places := make(map[sent][]int)
	for _, s := range want {
		for i, line := range s.lines {
			key := sent{s.labels, line.Nanos, line.Text}
			places[key] = append(places[key], i)
		}
	}
	return places
}

// verify waits until the agent has delivered what the stopped generators wrote, stops the agent, and checks
// that the gate and Loki have received exactly that. Lines that were sent twice are an error, unless the agent
// was killed: then only those that had been acknowledged well before are an error.
func (a *agent) verify(t *testing.T, within time.Duration, generators ...*generator) {
	t.Helper()
	want := a.streams(t, generators)
	for deadline := time.Now().Add(within); ; time.Sleep(200 * time.Millisecond) {
		if c, _ := compare(want, a.pushes.Entries()); c.lost == 0 || time.Now().After(deadline) {
			break
		}
	}
	a.stop(t)

	got := a.pushes.Entries()
	c, unexpected := compare(want, got)
	c.scenario, c.seconds = a.environment, time.Since(a.began).Seconds()
	a.lab.report(c)
	if c.lost > 0 || c.disordered > 0 || (c.twice > 0 && len(a.deaths) == 0) {
		t.Errorf("%s: lost %d, sent twice %d, out of order %d; the first sent twice: %s", a.environment, c.lost, c.twice, c.disordered, c.first)
	}
	if late := sentAgain(want, got, a.deaths); late > 0 {
		t.Errorf("%s: %d lines were sent again though nothing had died within %s of their acknowledgement", a.environment, late, settled)
	}
	for i, e := range unexpected {
		if i == 5 {
			t.Errorf("and %d more", len(unexpected)-i)
			break
		}
		t.Errorf("%s: an entry that nobody wrote: %s %d %q", a.environment, e.Labels, e.Nanos, short(e.Text))
	}
	for _, err := range a.pushes.Errors() {
		t.Errorf("%s: %v", a.environment, err)
	}
	if a.lab.loki != nil {
		a.inLoki(t, want)
	}
}

// settled is the time after its acknowledgement during which a line may still be sent again after a kill: the
// time in which an acknowledgement becomes a position on disk on a busy machine.
const settled = 5 * time.Second

// death is the time at which an agent was killed: during the request to the Engine.
type death struct{ began, ended time.Time }

// excused reports whether a line that was acknowledged at a time may arrive again because of a death: the agent
// may not have received the acknowledgement, or not have stored it on disk yet.
func excused(acknowledged time.Time, deaths []death) bool {
	return slices.ContainsFunc(deaths, func(d death) bool {
		return acknowledged.After(d.began.Add(-settled)) && acknowledged.Before(d.ended.Add(settled))
	})
}

// sentAgain counts entries that were acknowledged more often than they were written, without a death that
// excuses it.
func sentAgain(want []stream, got []gate.Entry, deaths []death) int {
	places := placesOf(want)
	before := make(map[sent]time.Time)
	seen := make(map[sent]int)
	n := 0
	for _, e := range got {
		key := sent{e.Labels, e.Nanos, e.Text}
		if seen[key]++; seen[key] > max(1, len(places[key])) && !excused(before[key], deaths) {
			n++
		}
		before[key] = e.At
	}
	return n
}

// inLoki checks that a query for the agent's whole environment returns exactly these streams.
func (a *agent) inLoki(t *testing.T, want []stream) {
	t.Helper()
	got, err := a.lab.loki.Query(t.Context(), fmt.Sprintf(`{environment=%q}`, a.environment), a.lab.began.Add(-time.Hour))
	must(t, err)
	sameStreams(t, want, got)
}

// sameStreams compares label sets, and line by line the times and bytes. Loki adds the label
// service_name to every stream, equal to service.
func sameStreams(t *testing.T, want []stream, got []backend.Stream) {
	t.Helper()
	found := make(map[string][]backend.Entry)
	for _, s := range got {
		if s.Labels["service_name"] != s.Labels["service"] {
			t.Errorf("stream %v: service_name is not the service", s.Labels)
		}
		delete(s.Labels, "service_name")
		found[labels.FromMap(s.Labels).String()] = s.Entries
	}
	for _, s := range want {
		entries, ok := found[s.labels]
		delete(found, s.labels)
		if !ok {
			t.Errorf("Loki has no stream %s, of %d lines", s.labels, len(s.lines))
			continue
		}
		// Loki returns lines of the same time in any order.
		lines := onceEach(s.lines)
		slices.SortFunc(lines, func(a, b jsonfile.Line) int {
			return cmp.Or(cmp.Compare(a.Nanos, b.Nanos), strings.Compare(a.Text, b.Text))
		})
		slices.SortFunc(entries, func(a, b backend.Entry) int {
			return cmp.Or(cmp.Compare(a.Nanos, b.Nanos), strings.Compare(a.Text, b.Text))
		})
		if len(entries) != len(lines) {
			t.Errorf("Loki has %d lines of %s, want %d", len(entries), s.labels, len(lines))
		}
		for i := range min(len(entries), len(lines)) {
			if entries[i].Nanos != lines[i].Nanos || entries[i].Text != lines[i].Text {
				t.Errorf("Loki's line %d of %s:\ngot  %d %q\nwant %d %q", i+1, s.labels,
					entries[i].Nanos, short(entries[i].Text), lines[i].Nanos, short(lines[i].Text))
				break
			}
		}
	}
	for ls, entries := range found {
		t.Errorf("Loki has a stream that nobody wrote: %s, of %d lines", ls, len(entries))
	}
}

// onceEach returns the lines without those that have the time and the text of an earlier one, because Loki
// stores such lines once. They exist on Engines whose times are whole seconds.
func onceEach(lines []jsonfile.Line) []jsonfile.Line {
	seen := make(map[jsonfile.Line]bool, len(lines))
	var out []jsonfile.Line
	for _, line := range lines {
		line.Record = jsonfile.Record{}
		if !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	return out
}

func TestOnceEach(t *testing.T) {
	line := func(offset int64, text string) jsonfile.Line {
		return jsonfile.Line{Nanos: 1, Stream: "stdout", Text: text, Record: jsonfile.Record{Offset: offset}}
	}
	got := onceEach([]jsonfile.Line{line(0, ""), line(10, "a"), line(20, "")})
	if want := []jsonfile.Line{line(0, ""), line(0, "a")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func short(s string) string {
	if len(s) <= 200 {
		return s
	}
	return fmt.Sprintf("%s … (%d bytes) … %s", s[:80], len(s), s[len(s)-80:])
}

// report prints a scenario's outcome and keeps it for the summary.
func (l *lab) report(c tally) {
	l.tallies = append(l.tallies, c)
	fmt.Println("e2e:", strings.ReplaceAll(c.String(), "\t", "  "))
}

// summary prints all outcomes.
func (l *lab) summary(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range l.tallies {
		fmt.Fprintln(w, c)
	}
	must(t, w.Flush())
	fmt.Fprintf(os.Stdout, "\n%s\ne2e: %d deliveries verified in %s\n", &b, len(l.tallies), time.Since(l.began).Round(time.Second))
}
