// Package tailtest provides helpers for tests of tailers.
package tailtest

import (
	"context"
	"slices"
	"sync"

	"lighter"
)

// Sink is a lighter.Logs that keeps lines and acknowledges them on request. While it is full, Append
// blocks.
type Sink struct {
	mu      sync.Mutex
	lines   []string
	times   []int64
	acks    []func()
	counts  []int // number of lines of each batch in acks
	batches int
	acked   int           // lines
	room    chan struct{} // closed while there is room
	asked   chan struct{}
}

// NewSink returns a Sink with room.
func NewSink() *Sink {
	s := &Sink{room: make(chan struct{}), asked: make(chan struct{}, 1000)}
	close(s.room)
	return s
}

// Append takes a batch, as lighter.Logs says.
func (s *Sink) Append(ctx context.Context, b *lighter.Batch) error {
	s.mu.Lock()
	room := s.room
	s.mu.Unlock()
	select {
	case <-room:
	default:
		s.asked <- struct{}{}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	for _, e := range b.Entries {
		s.lines = append(s.lines, b.Streams[e.Stream].Labels.Get("stream")+": "+string(e.Line))
		s.times = append(s.times, e.Time)
	}
	b.Hold()
	s.acks, s.counts = append(s.acks, b.Done), append(s.counts, len(b.Entries))
	return nil
}

// Block makes the Sink full until open is called.
func (s *Sink) Block() (open func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := make(chan struct{})
	s.room = room
	return sync.OnceFunc(func() { close(room) })
}

// Asked receives a value for each Append that found the Sink full.
func (s *Sink) Asked() <-chan struct{} { return s.asked }

// Lines returns the received lines, each after the label "stream" of its stream: "out: hello".
func (s *Sink) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// Times returns the times of the lines, Unix nanoseconds.
func (s *Sink) Times() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.times)
}

// Batches returns the number of batches received.
func (s *Sink) Batches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batches
}

// Ack acknowledges the first n unacknowledged batches, in order.
func (s *Sink) Ack(n int) {
	s.mu.Lock()
	n = min(n, len(s.acks))
	acks := slices.Clone(s.acks[:n])
	for _, lines := range s.counts[:n] {
		s.acked += lines
	}
	s.acks, s.counts = slices.Delete(s.acks, 0, n), slices.Delete(s.counts, 0, n)
	s.mu.Unlock()
	for _, ack := range acks {
		ack()
	}
}

// AckAll acknowledges all batches.
func (s *Sink) AckAll() {
	s.mu.Lock()
	n := len(s.acks)
	s.mu.Unlock()
	s.Ack(n)
}

// Acked returns the number of acknowledged lines.
func (s *Sink) Acked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}
