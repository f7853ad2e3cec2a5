package loki_test

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lighter/exporters/receiver"
)

// narrow makes a receiver answer 413 to more than three lines, and be away after a number of
// requests that it has taken, until that is set again.
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

// What the endpoint has taken of a request that was too large is not sent again, wherever the
// request was, and however the process ended.
func TestPartsOfARequestAreSentOnce(t *testing.T) {
	const manyParts = 1000
	fill := func(o *outage) {
		o.append(0, 1000)
		time.Sleep(100 * time.Millisecond) // it is a request of its own
		for i := 1; i < 10; i++ {
			o.append(10*i, 1000)
		}
	}
	for name, begin := range map[string]func(*outage, *narrow, int32){
		"from memory": func(o *outage, n *narrow, parts int32) {
			n.left.Store(parts)
			fill(o)
		},
		"from memory, then to disk": func(o *outage, n *narrow, parts int32) {
			n.left.Store(parts)
			fill(o)
			time.Sleep(20 * time.Second)
		},
		"to disk between parts": func(o *outage, n *narrow, parts int32) {
			n.left.Store(1)
			fill(o)
			time.Sleep(20 * time.Second)
			n.left.Store(parts - 1)
			time.Sleep(20 * time.Second)
		},
		"from disk": func(o *outage, n *narrow, parts int32) {
			o.down.Store(true)
			fill(o)
			time.Sleep(20 * time.Second)
			n.left.Store(parts)
			o.down.Store(false)
			time.Sleep(20 * time.Second)
		},
	} {
		for _, killed := range []bool{false, true} {
			if killed && name == "from memory" {
				continue // its position has not moved: who reads the log sends it all again
			}
			for _, parts := range []int32{1, 2, 4, 7} {
				t.Run(fmt.Sprintf("%s, killed=%v, parts=%d", name, killed, parts), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r, n := receiver.New(receiver.Options{}), &narrow{t: t}
						r.Respond(n.respond)
						dir := t.TempDir()
						o := newOutage(t, dir, 64<<20, r)
						begin(o, n, parts)
						if killed {
							next := t.TempDir()
							if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
								t.Fatal(err)
							}
							dir = next
						}
						o.stop()
						n.left.Store(1) // and once more
						o = newOutage(t, dir, 64<<20, r)
						time.Sleep(20 * time.Second)
						o.stop()
						n.left.Store(manyParts)
						o = newOutage(t, dir, 64<<20, r)
						time.Sleep(30 * time.Second)
						o.want(100)
						if _, err := os.Stat(dir + "/progress"); !os.IsNotExist(err) {
							t.Errorf("all is sent, and a file says how far it is: %v", err)
						}
						o.stop()
					})
				})
			}
		}
	}
}
