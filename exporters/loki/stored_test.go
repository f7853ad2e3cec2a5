package loki_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/exporters/loki"
	"lighter/exporters/queue"
	"lighter/exporters/receiver"
)

// Records of another version in an unknown form are dropped and counted, and the rest is sent.
func TestRecordsOfAnotherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		q, err := queue.Open(queue.Options{Dir: dir, MaxBytes: 64 << 20, Lanes: 1, Full: queue.Refuse, Dropped: func(string, int, int) {}})
		if err != nil {
			t.Fatal(err)
		}
		old, err := (&push.PushRequest{Streams: []push.Stream{{Labels: `{service="old"}`, Entries: []push.Entry{{Timestamp: time.Now(), Line: "old"}}}}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for key := range uint64(4) { // of either lane
			if err := q.Append(key, 1, snappy.Encode(nil, old)); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		o := newOutage(t, dir, 64<<20, receiver.New(receiver.Options{}))
		o.append(0, 1000)
		time.Sleep(10 * time.Second)
		o.want(10)
		if n := o.dropped("buffer_format"); n != 4 || o.Status().Waiting.Items != 0 {
			t.Errorf("%d lines dropped, want 4; status = %+v", n, o.Status())
		}
		if n := strings.Count(o.log.String(), "another version of lighter"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, o.log)
		}
		o.stop()
	})
}

// Data on disk is sent for its tenant, including data that waits because Loki limits its stream.
func TestStoredTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, r := t.TempDir(), receiver.New(receiver.Options{})
		r.Limit(func(l labels.Labels) bool { return l.Get("service") == "noisy" })
		got := map[string]int{}
		var mu sync.Mutex
		r.Respond(func(req *http.Request, body []byte) (int, http.Header, string, bool) {
			p, err := receiver.DecodePush(body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range p.Streams {
				got[req.Header.Get("X-Scope-OrgID")+s.Labels] += len(s.Entries)
			}
			return 0, nil, "", false
		})
		o := newOutageOf(t, dir, 64<<20, r, func(c *loki.Config) { c.Tenant = "a" })
		o.service("noisy").write(1)
		time.Sleep(5 * time.Second)
		o.down.Store(true)
		o.service("api").write(10)
		o.stop()
		r.Limit(nil)
		clear(got) // the refused attempts
		o = newOutageOf(t, dir, 64<<20, r, func(c *loki.Config) { c.Tenant = "b" })
		o.service("noisy").write(2)
		o.service("api").write(20)
		time.Sleep(time.Minute)
		o.stop()
		want := map[string]int{`a{service="noisy"}`: 1, `a{service="api"}`: 10, `b{service="noisy"}`: 2, `b{service="api"}`: 20}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lines by tenant (-want +got):\n%s", diff)
		}
	})
}
