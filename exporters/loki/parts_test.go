package loki_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lighter/exporters/receiver"
)

// narrow makes a receiver respond with 413 to more than three lines, and become unavailable after it has
// taken a number of requests, until the number is set again.
type narrow struct {
	t    *testing.T
	left atomic.Int32
}

func (n *narrow) respond(_ *http.Request, body []byte) (int, http.Header, string, bool) {
	r, err := receiver.DecodePush(body)
	if err != nil {
		n.t.Error(err)
	}
	lines := 0
	for _, s := range r.Streams {
		lines += len(s.Entries)
	}
	switch {
	case lines > 3:
		return 413, nil, "", true
	case n.left.Load() == 0:
		return 503, nil, "", true
	}
	n.left.Add(-1)
	return 0, nil, "", false
}

// If the process ends after the endpoint has taken some parts of a request, the request is sent again from
// its start: nothing is lost, and what is stored is in order.
func TestStopBetweenThePartsOfARequest(t *testing.T) {
	for name, lag := range map[string]time.Duration{"in memory": 0, "on disk": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, n := receiver.New(receiver.Options{}), &narrow{t: t}
				r.Respond(n.respond)
				dir := t.TempDir()
				o := newOutage(t, dir, 64<<20, r)
				n.left.Store(2)
				o.append(0, 1000)
				time.Sleep(100 * time.Millisecond) // it is a request of its own
				o.append(10, 1000)
				time.Sleep(lag)
				o.stop()
				n.left.Store(1000)
				o = newOutage(t, dir, 64<<20, r)
				time.Sleep(20 * time.Second)
				o.wantStored(20)
				o.stop()
			})
		})
	}
}
