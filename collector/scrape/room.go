package scrape

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// room divides a number of bytes among the pages that are being read at the same time.
//
// A page requests what it needs next and waits until that is available. The waiting page that wants the
// least in total is served first, so that a large page never delays a small one. Mostly some page is
// complete within moments and the wait is over. A page whose patience is over makes another one give way: one
// whose target is slow, or else one that holds more than the page wants in total. A page that has arrived
// completely does not give way, because it waits only for the agent.
//
// So no target can keep room from the others, by sending nothing for a while, by sending slowly, or by
// sending endlessly. Its own scrape fails instead.
type room struct {
	size int64

	mu      sync.Mutex
	used    int64
	holders []*share // shares whose held is above 0
	waiting []*claim // those that want the least come first
	leaving *share   // has been told to give way and has not done so yet, or nil
}

// share is the part of a room that one page holds. All its fields but the first belong to the room.
type share struct {
	giveWay context.CancelCauseFunc // cancels the reading of the page, with errGaveWay

	held   int64
	since  time.Time     // when it got the first bytes that it holds
	waited time.Duration // total time spent waiting for room
	whole  bool
}

// claim is a share that waits for room.
type claim struct {
	share   *share
	want    int64 // in total
	urgent  bool  // its patience is over
	granted chan struct{}
}

const (
	// slowAfter is how long a page, however small, may take before it has to give way to another page that
	// has no room.
	slowAfter = 500 * time.Millisecond
	// lookAgain is how often a page whose patience is over searches for one that has to give way.
	lookAgain = 100 * time.Millisecond
)

var (
	// errTooLarge reports that a page is larger than the memory that all pages share.
	errTooLarge = errors.New("the page is larger than the memory that all pages share")
	// errGaveWay is the cause with which reading a page ends when it gives way.
	errGaveWay = errors.New("the page gave way to others")
)

// take gives s what it lacks of want bytes in total. It waits until ctx ends, and then returns the cause.
// After patience, other pages give way to s.
func (r *room) take(ctx context.Context, s *share, want int64, patience time.Duration) error {
	if want > r.size {
		return errTooLarge
	}
	r.mu.Lock()
	if len(r.waiting) == 0 && r.grantLocked(s, want) {
		r.mu.Unlock()
		return nil
	}
	c := &claim{share: s, want: want, granted: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(r.waiting, c, func(a, b *claim) int {
		return cmp.Or(cmp.Compare(a.want, b.want), -1) // behind those that want the same
	})
	r.waiting = slices.Insert(r.waiting, at, c)
	r.settleLocked()
	r.mu.Unlock()

	start := time.Now()
	defer func() { s.waited += time.Since(start) }()
	wait := time.NewTimer(max(patience-s.waited, 0))
	defer wait.Stop()
	for {
		select {
		case <-c.granted:
			return nil
		case <-wait.C:
			r.mu.Lock()
			c.urgent = true
			r.settleLocked()
			r.mu.Unlock()
			wait.Reset(lookAgain)
		case <-ctx.Done():
			r.mu.Lock()
			r.waiting = slices.DeleteFunc(r.waiting, func(other *claim) bool { return other == c })
			r.settleLocked()
			r.mu.Unlock()
			return context.Cause(ctx)
		}
	}
}

// grantLocked gives s what it lacks of want, if that is available.
func (r *room) grantLocked(s *share, want int64) bool {
	need := want - s.held
	if need > r.size-r.used {
		return false
	}
	if s.held == 0 {
		s.since = time.Now()
		r.holders = append(r.holders, s)
	}
	r.used += need
	s.held = want
	return true
}

// settleLocked serves waiting pages, and makes a page give way if necessary.
func (r *room) settleLocked() {
	for i := 0; i < len(r.waiting); {
		c := r.waiting[i]
		if r.grantLocked(c.share, c.want) {
			r.waiting = slices.Delete(r.waiting, i, i+1)
			close(c.granted)
			continue
		}
		if c.urgent {
			r.makeWayLocked(c)
			return // a page that wants more does not go first
		}
		i++
	}
}

// makeWayLocked makes one page give way to c, if any should: the largest of the slow ones, or else of those
// that hold more than c wants.
func (r *room) makeWayLocked(c *claim) {
	if r.leaving != nil {
		return
	}
	var victim *share
	isSlow := func(s *share) bool { return time.Since(s.since) >= slowAfter }
	for _, s := range r.holders {
		switch {
		case s == c.share || s.whole || !isSlow(s) && s.held <= c.want:
		case victim == nil, isSlow(s) && !isSlow(victim), isSlow(s) == isSlow(victim) && s.held > victim.held:
			victim = s
		}
	}
	if victim != nil {
		r.leaving = victim
		victim.giveWay(errGaveWay)
	}
}

// keep records that the page of s is complete and no longer waits for its target.
func (r *room) keep(s *share) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.whole = true
	r.leftLocked(s)
}

// release returns everything that s holds to the room.
func (r *room) release(s *share) {
	if s.held == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= s.held
	i := slices.Index(r.holders, s)
	r.holders = slices.Delete(r.holders, i, i+1)
	s.held = 0
	r.leftLocked(s)
}

// leftLocked settles the room after s has given way, or turned out not to.
func (r *room) leftLocked(s *share) {
	if r.leaving == s {
		r.leaving = nil
	}
	r.settleLocked()
}
