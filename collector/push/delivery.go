package push

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"lighter"
)

// delivery holds the entries of one request while they are on their way to the endpoints.
type delivery struct {
	batches []*lighter.Batch
	entries int
	left    error         // why streams of the request were left out; nil if none were
	release func()        // gives the request's lease back
	done    chan struct{} // closed when all batches are acknowledged

	mu      sync.Mutex
	waiting int // batches that are not acknowledged
	refused int // entries that a backend has refused for good
}

func newDelivery(t *taken) *delivery {
	l := t.lease
	d := &delivery{batches: t.batches, entries: t.entries, left: t.err(), release: func() { l.shrinkTo(0) }, done: make(chan struct{}), waiting: len(t.batches)}
	if d.waiting == 0 {
		d.finish()
	}
	return d
}

// acknowledge notes that one batch is acknowledged, of which backends have refused so many entries for good.
func (d *delivery) acknowledge(refused int) {
	d.mu.Lock()
	d.refused += refused
	d.waiting--
	last := d.waiting == 0
	d.mu.Unlock()
	if last {
		d.finish()
	}
}

func (d *delivery) finish() {
	d.batches = nil
	d.release()
	close(d.done)
}

// err returns what the sender is told once all batches are acknowledged; nil if nothing was refused or left out.
func (d *delivery) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refused == 0 {
		return d.left
	}
	refused := fmt.Errorf("the backend has refused %d of %d entries for good", d.refused, d.entries)
	if d.left != nil {
		return fmt.Errorf("%w; %w", refused, d.left)
	}
	return refused
}

// requestKey identifies a request. A request that is sent again has the same key.
type requestKey [sha256.Size]byte

func keyOf(r *http.Request, tenant string, body []byte) requestKey {
	h := sha256.New()
	for _, text := range []string{r.URL.Path, tenant, r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding")} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	_, _ = h.Write(body)
	return requestKey(h.Sum(nil))
}

const (
	// maxUnanswered is how many deliveries are remembered, and keepUnanswered is how long each is. That is longer
	// than senders wait before they try again.
	maxUnanswered  = 1024
	keepUnanswered = 15 * time.Minute
)

// unanswered remembers deliveries whose senders do not know yet how they ended, because the entries were not
// acknowledged in time or the sender went away before.
type unanswered struct {
	mu   sync.Mutex
	list []remembered // the oldest first
}

type remembered struct {
	key   requestKey
	d     *delivery
	until time.Time
}

// remember keeps a delivery until its request comes again.
func (u *unanswered) remember(key requestKey, d *delivery) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	u.list = slices.DeleteFunc(u.list, func(r remembered) bool { return now.After(r.until) })
	if len(u.list) == maxUnanswered {
		u.list = slices.Delete(u.list, 0, 1)
	}
	u.list = append(u.list, remembered{key, d, now.Add(keepUnanswered)})
}

// claim returns the delivery of a request that came before, and forgets it. It returns nil if there is none.
func (u *unanswered) claim(key requestKey) *delivery {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.list, func(r remembered) bool { return r.key == key })
	if i < 0 {
		return nil
	}
	d := u.list[i].d
	u.list = slices.Delete(u.list, i, i+1)
	return d
}
