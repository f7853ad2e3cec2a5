package loki_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
)

// writer is one container. It counts its refused lines, as its tailer does.
type writer struct {
	b                 *bench
	stream            *lighter.Stream
	written           int
	finished, refused count
}

// count is a number that an endpoint's goroutines write and a test reads.
type count struct{ atomic.Int64 }

func (c *count) String() string { return fmt.Sprint(c.Load()) }

func (b *bench) writer(service string) *writer {
	return &writer{b: b, stream: lighter.NewStream(labels.FromStrings("service", service))}
}

func (w *writer) write(n int) {
	var lines [][]byte
	for i := range n {
		lines = append(lines, fmt.Appendf(nil, "line %d", w.written+i+1))
	}
	w.writeLines(lines...)
}

func (w *writer) writeLines(lines ...[]byte) {
	n := len(lines)
	batch := &lighter.Batch{Streams: []*lighter.Stream{nil, w.stream}}
	for _, line := range lines {
		w.written++
		batch.Entries = append(batch.Entries, lighter.Entry{Time: int64(w.written), Line: line, Stream: 1})
		batch.Bytes += 100 + len(line)
	}
	batch.Begin(func() {
		w.finished.Add(int64(n))
		w.refused.Add(int64(batch.Refused()))
	})
	handOn(w.b.Endpoint, batch)
}

// tooMany is Loki's text about streams with too many labels. It names a stream with Loki's own label
// service_name added, which does not count.
func tooMany(t *testing.T, body []byte, has func(stream string) bool) string {
	req, err := receiver.DecodePush(body)
	if err != nil {
		t.Error(err)
	}
	var all []string
	for _, s := range req.Streams {
		if has(s.Labels) {
			named := strings.TrimSuffix(s.Labels, "}") + `, service_name="api"}`
			all = append(all, fmt.Sprintf("1 errors like: entry for stream '%s' has 17 label names; limit 15", named))
		}
	}
	return strings.Join(all, "; ")
}

// Loki refuses everything, because each stream has too many labels. Then no counter shows any delivery, and
// the endpoint is unhealthy after a minute, although reading continues.
func TestEveryStreamIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			return 400, nil, tooMany(t, body, func(string) bool { return true }), true
		})
		one, other := b.writer("api"), b.writer("web")
		for range 150 {
			one.write(2)
			other.write(1)
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		if one.finished.Load() != 300 || one.refused.Load() != 300 || other.finished.Load() != 150 || other.refused.Load() != 150 {
			t.Errorf("of 300 and 150 lines %v and %v are finished, %v and %v refused; want all to be both", &one.finished, &other.finished, &one.refused, &other.refused)
		}
		if st := b.Status(); st.Delivered != 0 || st.Dropped["too_many_labels"] != 450 || st.Up {
			t.Errorf("status = %+v, want 450 lines dropped for too_many_labels, none delivered, and down", st)
		}
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), "has 17 label names; limit 15") {
			t.Errorf("ready: %v, want Loki's words", err)
		}
		b.receiver.Respond(nil)
		one.write(1)
		time.Sleep(5 * time.Second)
		if st := b.Status(); b.Err() != nil || !st.Up || st.Delivered != 1 || one.refused.Load() != 300 {
			t.Errorf("once Loki takes a line: ready = %v, status = %+v", b.Err(), st)
		}
	})
}

// What Loki refuses of one stream counts only for its writer.
func TestOneStreamIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		refusal func(t *testing.T, body []byte) string
		refused int // of ten lines
	}{
		"the stream": {func(t *testing.T, body []byte) string {
			return tooMany(t, body, func(stream string) bool { return strings.Contains(stream, `service="bad"`) })
		}, 10},
		"lines that are too old": {func(*testing.T, []byte) string {
			return `3 errors like: entry for stream '{environment="test", service="bad"}' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-08T00:00:00Z`
		}, 3},
		"a line that is too long": {func(*testing.T, []byte) string {
			return `1 errors like: Max entry size '10' bytes exceeded for stream '{environment="test", service="bad", service_name="bad"}' while adding an entry with length '20' bytes`
		}, 1},
		"lines that are too far behind": {func(*testing.T, []byte) string {
			return "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind',\nuser 'fake', total ignored: 2 out of 10 for stream: " + `{environment="test", service="bad"}`
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(c *loki.Config) { c.BatchWait = time.Second })
				b.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
					text := tc.refusal(t, body)
					return 400, nil, text, strings.Contains(string(body), "bad")
				})
				good, bad := b.writer("good"), b.writer("bad")
				good.write(3)
				bad.write(10)
				good.write(4)
				time.Sleep(5 * time.Second)
				if good.finished.Load() != 7 || good.refused.Load() != 0 || bad.finished.Load() != 10 || bad.refused.Load() != int64(tc.refused) {
					t.Errorf("good: %v finished, %v refused; bad: %v finished, %v refused; want 7, 0, 10, %d", &good.finished, &good.refused, &bad.finished, &bad.refused, tc.refused)
				}
				if st := b.Status(); st.Delivered != int64(17-tc.refused) || !st.Up || b.Err() != nil {
					t.Errorf("status = %+v, ready = %v", st, b.Err())
				}
			})
		})
	}
}

// The parts of a request that is too large are refused separately.
func TestAPartIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			req, err := receiver.DecodePush(body)
			if err != nil {
				t.Error(err)
			}
			if n := len(req.Streams); n > 1 {
				return 413, nil, "too large", true
			}
			return 400, nil, "something is wrong", strings.Contains(req.Streams[0].Labels, "bad")
		})
		good, bad := b.writer("good"), b.writer("bad")
		good.write(7)
		bad.write(10)
		good.write(4)
		time.Sleep(5 * time.Second)
		if good.finished.Load() != 11 || good.refused.Load() != 0 || bad.finished.Load() != 10 || bad.refused.Load() != 10 {
			t.Errorf("good: %v finished, %v refused; bad: %v finished, %v refused; want 11, 0, 10, 10", &good.finished, &good.refused, &bad.finished, &bad.refused)
		}
	})
}

// Something in Loki's place, such as a proxy or another service, causes no line to be dropped or counted as
// delivered.
func TestAnswersInLokisPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		text   string
	}{
		"a 400 with an empty body": {400, ""},
		"a 200 with a JSON error":  {200, `{"error":"no such tenant"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.receiver.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) { return tc.status, nil, tc.text, true })
				b.append(0, 100)
				time.Sleep(10 * time.Minute)
				if st := b.Status(); st.Delivered != 0 || len(st.Dropped) != 0 || st.Waiting.Items != 100 {
					t.Errorf("status = %+v, want 100 lines to wait", st)
				}
				if err := b.Err(); err == nil || !strings.Contains(err.Error(), "this does not look like Loki") {
					t.Errorf("ready: %v", err)
				}
				b.receiver.Respond(nil)
				time.Sleep(time.Minute)
				if st := b.Status(); st.Delivered != 100 || b.Err() != nil {
					t.Errorf("when Loki is back: status = %+v, ready = %v", st, b.Err())
				}
			})
		})
	}
}

// A 413 for everything drops no small line; a single large line is dropped, and what follows it is not.
func TestTooLargeForAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		var limit atomic.Int64
		b.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			return 413, http.Header{"Content-Type": {"text/html"}}, "<html><title>413 Request Entity Too Large</title></html>", int64(len(body)) > limit.Load()
		})
		small := b.writer("small")
		small.write(78)
		time.Sleep(10 * time.Minute)
		if st := b.Status(); st.Delivered != 0 || len(st.Dropped) != 0 || st.Waiting.Items != 78 {
			t.Errorf("status = %+v, want 78 lines to wait", st)
		}
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), "client_max_body_size") {
			t.Errorf("ready: %v, want it to say what to do", err)
		}
		limit.Store(64 << 10)
		time.Sleep(time.Minute)
		line := make([]byte, 100<<10)
		for i := range line {
			line[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[rand.N(36)]
		}
		large := b.writer("large")
		large.writeLines(line)
		small.write(1)
		time.Sleep(time.Minute)
		if st := b.Status(); st.Delivered != 79 || st.Dropped["too_large"] != 1 || b.Err() != nil || small.refused.Load() != 0 || large.refused.Load() != 1 {
			t.Errorf("with a limit of 64 KiB: status = %+v, ready = %v, want 79 lines delivered and the large one dropped", st, b.Err())
		}
	})
}
