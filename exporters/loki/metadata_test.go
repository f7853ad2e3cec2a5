package loki_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/receiver"
)

// Structured metadata stays with its line: sent from memory, in parts, and from disk after a restart.
func TestStructuredMetadata(t *testing.T) {
	for name, tc := range map[string]struct{ away, tooLarge bool }{
		"from memory": {},
		"in parts":    {tooLarge: true},
		"from disk":   {away: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, r := t.TempDir(), receiver.New(receiver.Options{})
				var mu sync.Mutex
				var got, want []string
				r.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
					mu.Lock()
					defer mu.Unlock()
					req, err := receiver.DecodePush(body)
					if err != nil || len(req.Streams) != 1 {
						t.Fatalf("%d streams, err = %v", len(req.Streams), err)
					}
					if tc.tooLarge && len(req.Streams[0].Entries) > 1 {
						return 413, nil, "", true
					}
					for _, e := range req.Streams[0].Entries {
						got = append(got, fmt.Sprintf("%s %v", e.Line, e.StructuredMetadata))
					}
					return 204, nil, "", true
				})
				o := newOutage(t, dir, 64<<20, r)
				o.down.Store(tc.away)
				b := &lighter.Batch{Streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("service", "api"))}, Bytes: 1000}
				for i := range 10 {
					b.Entries = append(b.Entries, lighter.Entry{Time: int64(i + 1), Line: fmt.Appendf(nil, "line %d", i)})
					id := fmt.Sprint("id-", i)
					b.SetFields(&b.Entries[i], []lighter.Field{{Name: "trace_id", Value: b.Copy([]byte(id))}})
					want = append(want, fmt.Sprintf("line %d %v", i, []push.LabelAdapter{{Name: "trace_id", Value: id}}))
				}
				b.Begin(nil)
				handOn(o.Endpoint, b)
				time.Sleep(20 * time.Second)
				if tc.away {
					o.stop()
					o = newOutage(t, dir, 64<<20, r)
					time.Sleep(20 * time.Second)
				}
				o.stop()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("lines with their metadata (-want +got):\n%s", diff)
				}
			})
		})
	}
}
