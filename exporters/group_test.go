package exporters_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/exporters"
)

// holder is an endpoint that keeps batches until it is told to release them.
type holder struct{ held []*lighter.Batch }

func (h *holder) Append(b *lighter.Batch)       { h.held = append(h.held, b) }
func (h *holder) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (h *holder) release() {
	b := h.held[0]
	h.held = h.held[1:]
	b.Release()
}

func TestAcknowledgedByAllEndpoints(t *testing.T) {
	one, two := &holder{}, &holder{}
	g := exporters.NewLogGroup(100, one, two)
	acked := 0
	if err := g.Append(t.Context(), &lighter.Batch{Bytes: 10}, func() { acked++ }); err != nil {
		t.Fatal(err)
	}
	two.release()
	if acked != 0 {
		t.Error("acknowledged while one endpoint still has it")
	}
	one.release()
	if acked != 1 {
		t.Errorf("acknowledged %d times, want once", acked)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &holder{}
		g := exporters.NewLogGroup(100, h)
		add := func(ctx context.Context, bytes int) error {
			return g.Append(ctx, &lighter.Batch{Bytes: bytes}, func() {})
		}
		if err := add(t.Context(), 60); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := add(ctx, 60); !errors.Is(err, context.DeadlineExceeded) || len(h.held) != 1 {
			t.Fatalf("err = %v with %d held, want to wait for room", err, len(h.held))
		}
		done := make(chan error)
		go func() { done <- add(t.Context(), 5000) }() // larger than the limit: it goes alone
		synctest.Wait()
		if len(h.held) != 1 {
			t.Fatal("went beside another")
		}
		h.release()
		if err := <-done; err != nil || len(h.held) != 1 {
			t.Fatalf("err = %v, held = %d", err, len(h.held))
		}
		h.release()
		if err := add(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		h.release()
	})
}
