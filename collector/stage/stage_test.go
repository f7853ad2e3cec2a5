package stage_test

import (
	"context"
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

func (s appending) Append(ctx context.Context, b *lighter.Batch) error {
	for i := range b.Entries {
		e := &b.Entries[i]
		e.Line = b.Copy(append(e.Line[:len(e.Line):len(e.Line)], s.text...))
	}
	return s.next.Append(ctx, b)
}

// end holds what it gets.
type end struct{ held []*lighter.Batch }

func (s *end) Append(_ context.Context, b *lighter.Batch) error {
	b.Hold()
	s.held = append(s.held, b)
	return nil
}

func TestChain(t *testing.T) {
	text := func(s string) stage.Maker { return func(next lighter.Logs) lighter.Logs { return appending{s, next} } }
	sink, acknowledged := &end{}, false
	b := &lighter.Batch{Entries: []lighter.Entry{{Line: []byte("x")}, {Line: []byte("y")}}}
	b.Begin(func() { acknowledged = true })
	if err := stage.Chain(sink, text("1"), stage.PassThrough, text("2")).Append(t.Context(), b); err != nil {
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
	if stage.Chain(sink) != lighter.Logs(sink) {
		t.Error("a chain without stages is not its end")
	}
}
