package scrape

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// room divides a number of bytes among the pages that are being read at one time.
//
// A page asks for what it needs next and waits while there is not enough. Of those that
// wait, the one that wants least in all is served first, so that a large page never holds up
// a small one. Mostly some page is complete within moments and the wait is over. A page that
// has been patient for long enough makes another one give way: one whose target is slow, or
// else one that holds more than the page wants in all. A page that its target has sent whole
// does not give way; it only waits for us.
//
// So no target can keep room from the others, by sending nothing for a while, by sending
// slowly, or by sending without end. It is its own scrape that fails.
type room struct {
	size int64

	mu      sync.Mutex
	used    int64
	holders []*share // whose held is above 0
	waiting []*claim // those that want least come first
	leaving *share   // was told to give way and has not done so yet; nil if none
}

// share is what one page holds of a room. Its fields belong to the room, but for the first.
type share struct {
	giveWay context.CancelCauseFunc // ends the reading of the page, with errGaveWay

	held   int64
	since  time.Time     // when it was given the first of that
	waited time.Duration // for room, in all
	whole  bool
}

// claim is a share that waits.
type claim struct {
	share   *share
	want    int64 // in all
	urgent  bool  // it has waited for long enough
	granted chan struct{}
}

const (
	// slowAfter is how long a page may be under way before it has to give way to another
	// that has no room, however small it is.
	slowAfter = 500 * time.Millisecond
	// lookAgain is how often a page whose patience is over looks for one that has to give way.
	lookAgain = 100 * time.Millisecond
)

var (
	// errTooLarge says that a page is larger than the memory that all pages share.
	errTooLarge = errors.New("the page is larger than the memory that all pages share")
	// errGaveWay is the cause with which the reading of a page ends that gives way.
	errGaveWay = errors.New("the page gave way to others")
)

// take gives s what is missing of want bytes in all. It waits until ctx ends, and then
// returns the cause. Once s has waited for its patience, others give way to it.
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
		return cmp.Or(cmp.Compare(a.want, b.want), -1) // behind those that want as much
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

// grantLocked gives s what is missing of want, if there is as much.
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

// settleLocked serves those that wait, and makes a page give way if that is called for.
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
			return // nobody who wants more goes first
		}
		i++
	}
}

// makeWayLocked makes one page give way to c, if there is one that should: the largest of
// those that are slow, or else of those that hold more than c wants.
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

// keep says that the page of s is whole and will not wait for its target any more.
func (r *room) keep(s *share) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.whole = true
	r.leftLocked(s)
}

// release takes back all that s holds.
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

// leftLocked settles after s has given way, or will not.
func (r *room) leftLocked(s *share) {
	if r.leaving == s {
		r.leaving = nil
	}
	r.settleLocked()
}
