package logmetrics_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"lighter"
)

// holding is a stage that sometimes holds back the last entry of a batch, as a stage.Holder does.
type holding struct {
	t     *testing.T
	rand  *rand.Rand
	next  lighter.Logs
	keep  func() []byte
	entry *lighter.Entry
	held  []*lighter.Batch
}

func (s *holding) Append(ctx context.Context, b *lighter.Batch) error {
	gate := s.entry != nil
	if gate {
		b.Entries = append([]lighter.Entry{*s.entry}, b.Entries...)
		s.entry = nil
	}
	if n := len(b.Entries); s.rand.IntN(3) == 0 {
		s.entry = &lighter.Entry{Line: slices.Clone(b.Entries[n-1].Line)}
		b.Entries = b.Entries[:n-1]
		if n == 1 { // nothing remains to be handed on
			s.hold(b)
			return nil
		}
	}
	if err := s.next.Append(ctx, b); err != nil {
		s.entry = nil
		return err
	}
	if s.entry != nil {
		if gate { // the position waits for the entry that came in an earlier batch
			s.held[0].Hold()
			b.After(s.held[:1])
		}
		s.hold(b)
		return nil
	}
	b.After(s.give())
	return nil
}

func (s *holding) hold(b *lighter.Batch) {
	b.Hold()
	s.held = append(s.held, b)
}

// give returns the held batches, newest first, and no longer holds them.
func (s *holding) give() []*lighter.Batch {
	held := s.held
	s.held = nil
	slices.Reverse(held)
	return held
}

// release hands on what is held back in a batch of its own.
func (s *holding) release() {
	if s.entry == nil {
		return
	}
	b := &lighter.Batch{Entries: []lighter.Entry{*s.entry}}
	s.entry = nil
	b.Begin(nil)
	if err := s.next.Append(s.t.Context(), b); err != nil {
		s.t.Fatal(err)
	}
	s.held[len(s.held)-1].SetState(s.keep())
	b.After(s.give())
	b.Done()
}

func (s *holding) Release(context.Context) error {
	s.release()
	return nil
}

func (s *holding) Held() int {
	if s.entry == nil {
		return 0
	}
	return 1
}

func (s *holding) Drop() {
	s.entry = nil
	if len(s.held) > 0 {
		s.held[0].Origin.Rewind()
	}
	for _, b := range s.give() {
		b.Done()
	}
}
