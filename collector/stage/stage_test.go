package stage_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"lighter"
	"lighter/collector/stage"
)

// appending is a stage that appends to each line, in the memory of the batch.
type appending struct {
	text string
	next lighter.Logs
}

func (s *appending) Append(ctx context.Context, b *lighter.Batch) error {
	for i := range b.Entries {
		e := &b.Entries[i]
		e.Line = b.Copy(append(e.Line[:len(e.Line):len(e.Line)], s.text...))
	}
	return s.next.Append(ctx, b)
}

// counting is a stage that counts entries, keeps the count, and passes every other entry.
type counting struct {
	n    int
	next lighter.Logs
}

func (s *counting) Append(ctx context.Context, b *lighter.Batch) error {
	kept := b.Entries[:0]
	for _, e := range b.Entries {
		if s.n++; s.n%2 == 0 {
			kept = append(kept, e)
		}
	}
	b.Entries = kept
	return s.next.Append(ctx, b)
}

func (s *counting) Keep(b []byte) []byte { return strconv.AppendInt(b, int64(s.n), 10) }

// end holds the batches that it gets.
type end struct{ held []*lighter.Batch }

func (s *end) Append(_ context.Context, b *lighter.Batch) error {
	b.Hold()
	s.held = append(s.held, b)
	return nil
}

// origin records the state of a batch.
type origin struct{ state []byte }

func (o *origin) SetState(state []byte) { o.state = state }
func (o *origin) Rewind()               {}

func batch(lines ...string) *lighter.Batch {
	b := &lighter.Batch{Origin: &origin{}}
	for _, l := range lines {
		b.Entries = append(b.Entries, lighter.Entry{Line: []byte(l)})
	}
	return b
}

func TestChain(t *testing.T) {
	text := func(s string) stage.Maker {
		return stage.Maker{Name: s, New: func(_ stage.Log, next lighter.Logs) lighter.Logs { return &appending{s, next} }}
	}
	sink, acknowledged := &end{}, false
	b := batch("x", "y")
	b.Begin(func() { acknowledged = true })
	if err := stage.NewChain(sink, stage.Log{}, nil, text("1"), text("2")).Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.Done()
	var got []string
	for _, e := range sink.held[0].Entries {
		got = append(got, string(e.Line))
	}
	if got := strings.Join(got, " "); got != "x12 y12" {
		t.Errorf("lines = %q, want those that passed through both stages in their order", got)
	}
	if acknowledged {
		t.Error("acknowledged while the end of the chain holds the batch")
	}
	sink.held[0].Done()
	if !acknowledged {
		t.Error("not acknowledged by the last holder")
	}
}

// The state of the stages is recorded in each batch, and given to the stages with the same names in the
// next chain. A batch whose entries the stages have all dropped does not reach the end.
func TestChainKeepsStates(t *testing.T) {
	counter := func(name string) stage.Maker {
		return stage.Maker{Name: name, New: func(log stage.Log, next lighter.Logs) lighter.Logs {
			s := &counting{next: next}
			if log.State != nil {
				if _, err := fmt.Sscan(string(log.State), &s.n); err != nil {
					t.Errorf("state = %q: %v", log.State, err)
				}
			}
			return s
		}}
	}
	sink := &end{}
	chain := stage.NewChain(sink, stage.Log{}, nil, counter("first"), counter("second"))
	var state []byte
	for _, b := range []*lighter.Batch{batch("1"), batch("2", "3"), batch("4", "5")} {
		b.Begin(nil)
		if err := chain.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		state = b.Origin.(*origin).state
		b.Done()
	}
	if len(sink.held) != 1 || string(sink.held[0].Entries[0].Line) != "4" {
		t.Errorf("the end got %d batches, want the one with the line 4", len(sink.held))
	}
	idle := stage.Maker{Name: "idle", New: func(_ stage.Log, next lighter.Logs) lighter.Logs { return next }} // is not asked for its state, and the next stage is asked only once
	again := stage.NewChain(sink, stage.Log{}, state, idle, counter("second"), idle, counter("other"), counter("first"))
	b := batch("6", "7", "8", "9")
	b.Begin(nil)
	if err := again.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	// Stage second had counted 2, counts all four and passes two. Stage other passes one of them, which is
	// the sixth that stage first counts.
	if got := string(b.Origin.(*origin).state); got != "\x06second\x016\x05other\x012\x05first\x016" {
		t.Errorf("state = %q", got)
	}
	for n := range len(state) {
		stage.NewChain(sink, stage.Log{}, state[:n], stage.Maker{Name: "first", New: func(_ stage.Log, next lighter.Logs) lighter.Logs { return next }}) // a truncated state causes no panic
	}
}

func TestBatchAfter(t *testing.T) {
	var order []string
	named := func(name string) *lighter.Batch {
		b := batch()
		b.Begin(func() { order = append(order, name) })
		return b
	}
	first, second, third := named("first"), named("second"), named("third")
	third.After([]*lighter.Batch{second, first})
	if third.Done(); strings.Join(order, " ") != "third second first" {
		t.Errorf("acknowledged in the order %q", order)
	}
}
