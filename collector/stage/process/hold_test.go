package process

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
)

// position is the position in a log: the end of the acknowledged batches without a gap.
type position struct {
	batches []*mark
	state   []byte
	to      int // lines
}

// mark is a batch of a log. It is a lighter.Origin.
type mark struct {
	p       *position
	to      int
	state   []byte
	acked   bool
	rewound bool
}

func (m *mark) SetState(state []byte) { m.state = slices.Clone(state) }
func (m *mark) Rewind()               { m.rewound = true }

func (m *mark) ack() {
	if m.rewound {
		return
	}
	m.acked = true
	for len(m.p.batches) > 0 && m.p.batches[0].acked {
		first := m.p.batches[0]
		m.p.batches, m.p.to, m.p.state = m.p.batches[1:], first.to, first.state
	}
}

func (p *position) begin(b *lighter.Batch, to int) {
	m := &mark{p: p, to: to}
	b.Origin = m
	p.batches = append(p.batches, m)
	b.Begin(m.ack)
}

// The position waits before a block that may get more lines, and passes the block when it is delivered.
func TestPositionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, `stage.multiline { firstline = "^S" }`, labels.FromStrings("a", "1"))
		p.end.holds = true
		pos := &position{}
		n := 0
		read := func(lines ...string) {
			var entries []in
			for _, l := range lines {
				entries = append(entries, in{line: l})
			}
			b := p.batch(entries...)
			n += len(lines)
			pos.begin(b, n)
			if err := p.chain.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Done()
		}
		deliver := func() {
			p.end.mu.Lock()
			held := p.end.held
			p.end.held = nil
			p.end.mu.Unlock()
			for _, b := range held {
				b.Done()
			}
		}
		want := func(to int, entries ...string) {
			t.Helper()
			p.end.mu.Lock()
			defer p.end.mu.Unlock()
			if diff := cmp.Diff(entries, p.end.got); diff != "" || pos.to != to {
				t.Fatalf("the position is %d, want %d; entries (-want +got):\n%s", pos.to, to, diff)
			}
			p.end.got = nil
		}
		read("S1")
		deliver()
		want(0)
		read("a", "S2") // the block of S1 has a line of this batch, and S2 is held back
		deliver()
		want(0, `{a="1"} S1`+"\na")
		read("S3") // S2 came in held batches, and is complete
		want(0, `{a="1"} S2`)
		deliver()
		want(3)
		time.Sleep(2 * time.Second)
		read("b")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(3)
		time.Sleep(time.Second)
		synctest.Wait()
		want(3, `{a="1"} S3`+"\nb")
		deliver()
		want(5)
		read("c") // the block is over
		deliver()
		want(6, `{a="1"} c`)
		read("S4")
		p.release()
		deliver()
		want(7, `{a="1"} S4`)
		read("S5")
		p.chain.Drop()
		if !pos.batches[0].rewound || pos.to != 7 {
			t.Errorf("the position is %d, and the batch is rewound: %t", pos.to, pos.batches[0].rewound)
		}
	})
}

// While the reader does not read, the clock stands still. It starts anew when the reader reads again. The
// chain pauses all stages, whatever their order.
func TestClockStandsWhileNothingIsRead(t *testing.T) {
	for name, text := range map[string]string{
		"alone":                `stage.multiline { firstline = "^S" }`,
		"in a match":           "stage.match {\n\tselector = \"{a=\\\"1\\\"}\"\n\tstage.match {\n\t\tselector = \"{a!=\\\"2\\\"}\"\n\t\tstage.multiline { firstline = \"^S\" }\n\t}\n}",
		"with a stage's clock": "stage.timestamp {\n\tsource = \"none\"\n\tformat = \"Unix\"\n}\nstage.multiline { firstline = \"^S\" }",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const wait = 3 * time.Second // the default of max_wait_time
				p := newPipe(t, text, labels.FromStrings("a", "1"))
				var clock stage.Clocked = p.chain
				want := func(when string, entries ...string) {
					t.Helper()
					synctest.Wait()
					p.end.mu.Lock()
					defer p.end.mu.Unlock()
					if diff := cmp.Diff(entries, p.end.got); diff != "" {
						t.Errorf("%s, entries (-want +got):\n%s", when, diff)
					}
					p.end.got = nil
				}
				p.read(in{line: "S1"})
				time.Sleep(wait / 2)
				clock.Pause()
				time.Sleep(time.Hour + wait/2)
				want("while nothing is read")
				p.read(in{line: "a"}) // the reader reads what was written in the meantime
				time.Sleep(time.Hour)
				want("while that is read")
				clock.Resume()
				time.Sleep(wait - 1)
				want("before the time")
				p.read(in{line: "b"})
				time.Sleep(wait - 1)
				want("before the time of the next line")
				time.Sleep(time.Nanosecond)
				want("after the time", `{a="1"} S1`+"\na\nb")

				p.read(in{line: "S2"})
				clock.Pause()
				time.Sleep(time.Hour)
				p.release()
				want("at the end", `{a="1"} S2`)
				p.read(in{line: "S3"})
				p.chain.Drop()
				time.Sleep(time.Hour)
				want("after Drop")
			})
		})
	}
}

// The paused clock of a log costs no more than one check per second, however short max_wait_time is.
func TestClockThatStandsIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, "stage.multiline {\n\tfirstline = \"^S\"\n\tmax_wait_time = \"1ns\"\n}", labels.FromStrings("a", "1"))
		p.chain.Pause()
		p.read(in{line: "S1"})
		time.Sleep(time.Hour) // does not end if the clock checks each nanosecond
		p.chain.Resume()
		time.Sleep(pausedWait)
		synctest.Wait()
		if len(p.end.got) != 1 {
			t.Errorf("entries = %q, want the one that was held back", p.end.got)
		}
		p.chain.Drop()
	})
}

// A log is read in batches of any size, delivered in part, killed, and read again from its position, many
// times. The output is the same as in one go, with the same times, and nothing is missing.
func TestKilled(t *testing.T) {
	for name, text := range map[string]string{
		"fudge": `
stage.regex { expression = "^(?P<t>\\d+) (?P<app>\\S+)" }
stage.labels { values = {app = ""} }
stage.timestamp {
	source = "t"
	format = "Unix"
}`,
		"multiline": `stage.multiline { firstline = "^\\d" }`,
		"fudge, multiline": `
stage.regex { expression = "^(?P<t>\\d+) " }
stage.timestamp {
	source = "t"
	format = "Unix"
}
stage.multiline { firstline = "^\\d" }`,
		"multiline, fudge, labels, structured metadata": `
stage.multiline { firstline = "^\\d" }
stage.regex { expression = "^(?P<t>\\d+) (?P<app>\\S+)" }
stage.labels { values = {app = ""} }
stage.timestamp {
	source = "t"
	format = "Unix"
}
stage.structured_metadata { values = {at = "t"} }`,
		"multiline in a match, and another one": `
stage.match {
	selector = "{stream=\"1\"}"
	stage.multiline { firstline = "^\\d" }
}
stage.multiline { firstline = "^1" }`,
		"two components": `
stage.multiline { firstline = "^\\d" }
=== and then
stage.regex { expression = "^(?P<t>\\d+) " }
stage.timestamp {
	source = "t"
	format = "Unix"
}`,
		"cri": `
stage.template {
	source   = "l"
	template = "2024-01-01T00:00:00Z stdout {{ if hasPrefix \" \" .Entry }}P{{ else }}F{{ end }} {{ .Entry }}"
}
stage.output { source = "l" }
stage.cri { }`,
		"split": "stage.template {\n\tsource = \"l\"\n\ttemplate = \"[{{ .Entry | toJson }}, 1]\"\n}\nstage.split_json { source = \"l\" }",
	} {
		t.Run(name, func(t *testing.T) {
			var makers []stage.Maker
			shared := NewShared(prometheus.NewRegistry())
			for i, component := range strings.Split(text, "\n=== and then\n") {
				a, err := decode(component)
				if err != nil {
					t.Fatal(err)
				}
				p, err := New(a, Options{Name: fmt.Sprint("p", i), Metrics: shared})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				makers = append(makers, p.Maker(Way{}))
			}
			for seed := range uint64(40) {
				killed(t, rand.New(rand.NewPCG(seed, 1)), makers...)
			}
		})
	}
}

func killed(t *testing.T, random *rand.Rand, makers ...stage.Maker) {
	streams := []*lighter.Stream{lighter.NewStream(labels.FromStrings("stream", "0")), lighter.NewStream(labels.FromStrings("stream", "1"))}
	var log []lighter.Entry
	for i := range 60 {
		line := fmt.Sprintf("  more %d", i)
		if random.IntN(3) > 0 {
			line = fmt.Sprintf("%d app%d line %d", 10+random.IntN(3), random.IntN(2), i)
		}
		log = append(log, lighter.Entry{Time: int64(i + 1), Line: []byte(line), Stream: int32(random.IntN(2))})
	}
	batch := func(entries []lighter.Entry) *lighter.Batch {
		b := &lighter.Batch{Streams: streams}
		for _, e := range entries {
			e.Line = slices.Clone(e.Line)
			b.Entries = append(b.Entries, e)
		}
		return b
	}
	all := &sink{}
	chain := stage.NewChain(all, stage.Log{}, nil, makers...)
	b := batch(log)
	b.Begin(nil)
	if err := chain.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.Done()
	if err := chain.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	expected := map[string]bool{}
	for _, e := range all.got {
		expected[e] = true
	}

	got := map[string]bool{}
	pos := &position{}
	for run := 0; pos.to < len(log) && run < 1000; run++ {
		from, ends := pos.to, 1+random.IntN(len(log))
		pos.batches = nil
		end := &sink{holds: true}
		chain := stage.NewChain(end, stage.Log{}, pos.state, makers...)
		deliver := func(n int) {
			for ; n > 0 && len(end.held) > 0; n-- { // out of order, too
				i := random.IntN(len(end.held))
				b := end.held[i]
				end.held = slices.Delete(end.held, i, i+1)
				b.Done()
			}
		}
		for at := from; at < len(log) && at < from+ends; {
			n := min(1+random.IntN(6), len(log)-at)
			b := batch(log[at : at+n])
			at += n
			pos.begin(b, at)
			if err := chain.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Done()
			if random.IntN(2) == 0 {
				deliver(random.IntN(4))
			}
			if at == len(log) {
				if err := chain.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				deliver(len(log))
			}
		}
		for _, e := range end.got {
			if got[e] = true; !expected[e] {
				t.Fatalf("run %d from line %d gave %q, which is not among\n%s", run, from, e, strings.Join(all.got, "\n"))
			}
		}
	}
	for _, e := range all.got {
		if !got[e] {
			t.Fatalf("%q never came", e)
		}
	}
	if pos.to != len(log) {
		t.Fatalf("the position is %d of %d", pos.to, len(log))
	}
}

// The held batches are bounded.
func TestHeldIsBounded(t *testing.T) {
	p := newPipe(t, `stage.multiline { firstline = "^S" }`, labels.FromStrings("a", "1"), labels.FromStrings("a", "2"))
	pos := &position{}
	for i := range 1000 {
		b := p.batch(in{line: "S"}, in{line: "S", stream: 1}, in{line: "x"})
		if i > 0 {
			b = p.batch(in{line: "y"}, in{line: "S"})
		}
		pos.begin(b, i+1)
		if err := p.chain.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.Done()
	}
	if pos.to < 1000-256-1 { // 256 batches are held at most
		t.Errorf("the position is %d of 1000", pos.to)
	}
	p.release()
	if pos.to != 1000 || p.pipeline.metrics.held.Load() != 0 {
		t.Errorf("the position is %d, %d bytes are held", pos.to, p.pipeline.metrics.held.Load())
	}
	lines := 0
	for _, e := range p.end.got {
		lines += 1 + strings.Count(e, "\n")
	}
	if lines != 3+999*2 {
		t.Errorf("%d lines, want all", lines)
	}
}

// A limit without drop waits, and gives up when its context ends.
func TestLimitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, "stage.limit {\n\trate = 2\n\tburst = 2\n}", labels.EmptyLabels())
		begun := time.Now()
		p.read(in{line: "1"}, in{line: "2"}, in{line: "3"}, in{line: "4"})
		if d := time.Since(begun); d != time.Second || len(p.end.got) != 4 {
			t.Errorf("%d entries after %v, want 4 after 1s", len(p.end.got), d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		b := p.batch(in{line: "5"}, in{line: "6"})
		if err := p.chain.Append(ctx, b); err != context.Canceled {
			t.Errorf("err = %v, want the context's", err)
		}
		b.Done()
	})
}

// What one stage finishes joins the entry that a later stage holds back, at the end of the log and by the
// clock.
func TestStagesThatHoldOneAfterTheOther(t *testing.T) {
	for name, tc := range map[string]struct {
		stages string
		lines  []in
		want   []string
	}{
		"cri before multiline": {
			stages: "stage.cri { }\nstage.multiline {\n\tfirstline = \"^S\"\n}",
			lines:  []in{{line: "2026-01-02T03:04:05Z stdout F S"}, {line: "2026-01-02T03:04:05Z stdout P  at "}},
			want:   []string{`{stream="stdout"} 2026-01-02T03:04:05Z S` + "\n at "},
		},
		"multiline before multiline": {
			stages: "stage.multiline {\n\tfirstline = \"^[^ ]\"\n}\nstage.multiline {\n\tfirstline = \"^S\"\n}",
			lines:  []in{{line: "S"}, {line: "a"}, {line: " b"}},
			want:   []string{"{} S\na\n b"},
		},
	} {
		for _, how := range []string{"release", "clock"} {
			if how == "clock" && strings.HasPrefix(tc.stages, "stage.cri") {
				continue // it waits forever for the rest of its line
			}
			t.Run(name+" by "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPipe(t, tc.stages, labels.EmptyLabels())
					for range 2 {
						p.end.got = nil
						p.read(tc.lines...)
						if how == "release" {
							p.release()
						} else {
							time.Sleep(time.Minute)
							synctest.Wait()
						}
						if d := cmp.Diff(tc.want, p.end.got); d != "" {
							t.Errorf("entries (-want +got):\n%s", d)
						}
					}
					p.chain.Drop()
				})
			})
		}
	}
}

// What the stages keep alive is always counted: by themselves up to their bound, and by the endpoint for as long as
// that has not acknowledged the entry whose lines were held back.
func TestHeldMemoryIsCounted(t *testing.T) {
	const size = 64 << 10 // of the memory that a batch was read into, of which few lines are left
	const block = "stage.multiline {\n\tfirstline = \"^S\"\n\tmax_wait_time = \"1h\"\n}"
	for name, tc := range map[string]struct {
		stages    string
		even, odd []string // lines of every other batch
	}{
		"each batch begins a block":        {block, []string{"S"}, []string{"S"}},
		"every other one goes on with one": {block, []string{"S"}, []string{"more", "S"}},
		"other lines are dropped":          {"stage.drop { expression = \"^x\" }\n" + block, []string{"x", "S", "x"}, []string{"x", "more", "x", "S"}},
		"every other one ends a line":      {"stage.cri { }", []string{"2026-01-02T03:04:05Z stdout P a"}, []string{"2026-01-02T03:04:05Z stdout F b"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t, tc.stages, labels.FromStrings("a", "1"))
			p.end.holds = true
			alive := 0
			for i := range 200 {
				text := tc.even
				if i%2 == 1 {
					text = tc.odd
				}
				var entries []in
				for _, l := range text {
					entries = append(entries, in{line: l})
				}
				b := p.batch(entries...)
				b.Bytes = size
				b.Begin(func() { alive -= size })
				alive += size
				if err := p.chain.Append(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				b.Done()
				counted := 0
				for _, one := range p.end.held {
					counted += one.Bytes
				}
				if alive > counted+2*size {
					t.Fatalf("after %d batches %d bytes are alive, and the endpoint counts %d", i+1, alive, counted)
				}
			}
			p.chain.Drop()
			for _, one := range p.end.held {
				one.Done()
			}
			if alive != 0 {
				t.Errorf("%d bytes are still alive when all is acknowledged", alive)
			}
		})
	}
}

// The memory of held batches is counted once, even if there was no room for their entry at first.
func TestHeldMemoryIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counted []int
		for _, failures := range []int{0, 3} {
			p := newPipe(t, "stage.multiline {\n\tfirstline = \"^S\"\n\tmax_wait_time = \"1h\"\n}", labels.FromStrings("a", "1"))
			b := p.batch(in{line: "S"})
			b.Bytes = 64 << 10
			if err := p.chain.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Done()
			for range failures {
				p.end.shut = true
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if err := p.chain.Release(ctx); err == nil {
					t.Fatal("Release has found room")
				}
				cancel()
			}
			p.end.shut, p.end.holds = false, true
			p.release()
			counted = append(counted, p.end.held[0].Bytes)
			p.end.held[0].Done()
			p.chain.Drop()
		}
		if counted[0] < 64<<10 || counted[1] != counted[0] {
			t.Errorf("%d bytes are counted at once, %d after failures", counted[0], counted[1])
		}
	})
}

// Held returns the lines that are held back, also when they could not be handed on.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, "stage.cri { }\n"+`stage.multiline { firstline = "^S" }`, labels.FromStrings("a", "1"))
		want := func(when string, n int) {
			t.Helper()
			synctest.Wait()
			if held := p.chain.Held(); held != n {
				t.Errorf("%s: %d lines are held back, want %d", when, held, n)
			}
		}
		line := func(text string) in { return in{line: "2026-01-02T03:04:05Z stdout " + text} }
		want("at the beginning", 0)
		p.read(line("F S1"), line("F a"))
		want("with a block", 2)
		p.read(line("P b"))
		want("with a line of which the rest is still to come", 3)
		p.end.shut = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.chain.Release(ctx); err == nil {
			t.Fatal("Release has found room")
		}
		want("after Release has failed", 3)
		if err := p.chain.Append(ctx, p.batch(line("F S2"))); err == nil {
			t.Fatal("Append has found room")
		}
		want("after Append has failed", 3)
		p.chain.Drop()
		want("after Drop", 0)

		p = newPipe(t, `stage.multiline { firstline = "^S" }`, labels.FromStrings("a", "1"))
		p.read(in{line: "S1"})
		p.release()
		want("after Release", 0)
		p.read(in{line: "S2"})
		time.Sleep(time.Hour)
		want("when the clock has handed it on", 0)
		p.chain.Drop()
	})
}
