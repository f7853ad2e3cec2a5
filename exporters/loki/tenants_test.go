package loki_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
)

// byTenant records what a backend takes of each tenant, in order of arrival.
type byTenant struct {
	mu       sync.Mutex
	lines    map[string][]string
	requests int
}

func (b *byTenant) respond(t *testing.T) receiver.Respond {
	return func(r *http.Request, body []byte) (int, http.Header, string, bool) {
		req, err := receiver.DecodePush(body)
		if err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.requests++
		tenant := r.Header.Get("X-Scope-OrgID")
		for _, s := range req.Streams {
			for _, e := range s.Entries {
				line := s.Labels + " " + e.Line
				for _, f := range e.StructuredMetadata {
					line += " " + f.Name + "=" + f.Value
				}
				b.lines[tenant] = append(b.lines[tenant], line)
			}
		}
		return 0, nil, "", false
	}
}

// Entries go to the tenant named by a label of their stream, which is not sent.
func TestTenants(t *testing.T) {
	a := lighter.NewStream(labels.FromStrings("service", "a", lighter.LabelTenant, "one"))
	b := lighter.NewStream(labels.FromStrings("service", "b", lighter.LabelTenant, "two"))
	own := lighter.NewStream(labels.FromStrings("service", "c"))
	batch := func(streams []*lighter.Stream, of ...int32) *lighter.Batch {
		made := &lighter.Batch{Streams: streams, Bytes: 100 * len(of)}
		for i, s := range of {
			made.Entries = append(made.Entries, lighter.Entry{Time: int64(i + 1), Line: fmt.Appendf(nil, "line %d", i), Stream: s})
		}
		return made
	}
	line := func(service string, n int) string {
		return fmt.Sprintf(`{environment="test", service=%q} line %d`, service, n)
	}
	for name, tc := range map[string]struct {
		batches []*lighter.Batch
		want    map[string][]string
	}{
		"a stream of a tenant": {
			[]*lighter.Batch{batch([]*lighter.Stream{a}, 0, 0)},
			map[string][]string{"one": {line("a", 0), line("a", 1)}},
		},
		"batches of several tenants": {
			[]*lighter.Batch{batch([]*lighter.Stream{a}, 0), batch([]*lighter.Stream{own}, 0), batch([]*lighter.Stream{b}, 0)},
			map[string][]string{"one": {line("a", 0)}, "two": {line("b", 0)}, "default": {line("c", 0)}},
		},
		"a batch of several tenants": {
			[]*lighter.Batch{batch([]*lighter.Stream{a, nil, own, b}, 0, 3, 2, 0, 3)},
			map[string][]string{"one": {line("a", 0), line("a", 3)}, "two": {line("b", 1), line("b", 4)}, "default": {line("c", 2)}},
		},
		"a batch without entries": {
			[]*lighter.Batch{batch([]*lighter.Stream{a, b}), batch([]*lighter.Stream{a}, 0)},
			map[string][]string{"one": {line("a", 0)}},
		},
	} {
		for _, away := range []bool{false, true} { // what waits on disk carries its tenant
			t.Run(fmt.Sprintf("%s, away %v", name, away), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got := &byTenant{lines: map[string][]string{}}
					bench := newBench(t, func(c *loki.Config) { c.Tenant = "default" })
					bench.receiver.Respond(got.respond(t))
					bench.down.Store(away)
					var released []chan struct{}
					for _, one := range tc.batches {
						again := &lighter.Batch{Streams: one.Streams, Entries: slices.Clone(one.Entries), Bytes: one.Bytes}
						done := make(chan struct{})
						again.Begin(func() { close(done) })
						released = append(released, done)
						handOn(bench.Endpoint, again)
					}
					if away {
						time.Sleep(15 * time.Second)
						bench.down.Store(false)
						time.Sleep(time.Minute)
					}
					for _, done := range released {
						wait(t, done)
					}
					got.mu.Lock()
					defer got.mu.Unlock()
					if diff := cmp.Diff(tc.want, got.lines); diff != "" {
						t.Errorf("lines by tenant (-want +got):\n%s", diff)
					}
					if st := bench.Status(); st.Waiting.Items != 0 || st.Waiting.Bytes != 0 {
						t.Errorf("%+v waits, want nothing", st.Waiting)
					}
				})
			})
		}
	}
}

// Each entry keeps its metadata when its batch is divided.
func TestTenantsKeepMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &byTenant{lines: map[string][]string{}}
		bench := newBench(t, nil)
		bench.receiver.Respond(got.respond(t))
		b := &lighter.Batch{Streams: []*lighter.Stream{
			lighter.NewStream(labels.FromStrings("service", "a", lighter.LabelTenant, "one")),
			lighter.NewStream(labels.FromStrings("service", "b", lighter.LabelTenant, "two")),
		}}
		for i := range 2 {
			b.Entries = append(b.Entries, lighter.Entry{Time: 1, Line: []byte("x"), Stream: int32(i)})
			b.AddField(&b.Entries[i], "n", fmt.Append(nil, i))
		}
		done := make(chan struct{})
		b.Begin(func() { close(done) })
		handOn(bench.Endpoint, b)
		wait(t, done)
		want := map[string][]string{"one": {`{environment="test", service="a"} x n=0`}, "two": {`{environment="test", service="b"} x n=1`}}
		if diff := cmp.Diff(want, got.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Alternating tenants do not cause a request for each batch, and the lines of each stay in order.
func TestTenantsByTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &byTenant{lines: map[string][]string{}}
		bench := newBench(t, nil)
		bench.receiver.Respond(got.respond(t))
		want := map[string][]string{}
		var last chan struct{}
		for i := range 100 {
			tenant := fmt.Sprint("tenant", i%4)
			b := &lighter.Batch{
				Streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("service", "a", lighter.LabelTenant, tenant))},
				Entries: []lighter.Entry{{Time: int64(i + 1), Line: fmt.Append(nil, i)}},
			}
			done := make(chan struct{})
			last = done
			b.Begin(func() { close(done) })
			handOn(bench.Endpoint, b)
			want[tenant] = append(want[tenant], fmt.Sprintf(`{environment="test", service="a"} %d`, i))
		}
		time.Sleep(5 * time.Second)
		wait(t, last)
		if diff := cmp.Diff(want, got.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got.requests > 8 {
			t.Errorf("%d requests for 100 batches of four tenants, want 8 at most", got.requests)
		}
	})
}
