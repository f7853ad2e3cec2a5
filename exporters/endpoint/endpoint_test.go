package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"

	"lighter/exporters/endpoint"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
	"lighter/exporters/send"
)

// nothing is a protocol for tests that send nothing.
type nothing struct{}

func (nothing) Header() http.Header { return nil }
func (nothing) Split(r send.Request) (send.Request, send.Request, error) {
	return r, r, send.ErrOneItem
}
func (nothing) Refused(send.Request, string) []send.Refusal { return nil }

func options(t *testing.T, log *bytes.Buffer) endpoint.Options {
	t.Helper()
	reg := prometheus.NewRegistry()
	return endpoint.Options{
		Name: "letters", URL: "http://user:hidden@backend/push?token=hidden", HTTP: promconfig.DefaultHTTPClientConfig,
		Timeout: time.Second, Protocol: nothing{}, Backend: "a post office",
		Words: endpoint.Words{Items: "letters", Full: "they stay where they are", Failed: "they wait"},
		Dir:   t.TempDir(), MaxBytes: 1 << 20, Lanes: 1, Full: queue.Refuse,
		Metrics: &endpoint.Metrics{
			Delivered: prometheus.NewCounter(prometheus.CounterOpts{Name: "delivered"}),
			Dropped:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dropped"}, []string{"endpoint", "reason"}),
			Queue:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "queue"}, []string{"endpoint", "in"}),
		},
		Reasons: []string{"too_heavy"},
		Send:    send.NewMetrics(reg),
		Logger:  slog.New(slog.NewTextHandler(log, nil)),
	}
}

func mustNew(t *testing.T, o endpoint.Options) *endpoint.Endpoint {
	t.Helper()
	e, err := endpoint.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFlushing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, options(t, &bytes.Buffer{}))
		ctx, cancel := context.WithCancel(t.Context())
		sending, stop := e.Flushing(ctx, 5*time.Second)
		defer stop()
		time.Sleep(time.Minute)
		cancel()
		time.Sleep(5*time.Second - time.Nanosecond)
		if sending.Err() != nil {
			t.Error("it ends before its time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if sending.Err() == nil {
			t.Error("it does not end")
		}
		sending, stop = e.Flushing(t.Context(), 5*time.Second)
		stop()
		if sending.Err() == nil {
			t.Error("stop does not end it")
		}
		if err := e.Disk.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Losses of waiting items are counted each time, and logged when they change.
func TestLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		o := options(t, log)
		e := mustNew(t, o)
		for i := range 3 {
			e.Dropped(queue.ReasonFull, 2)
			e.Dropped(stored.ReasonFormat, 1)
			e.Damaged(1, errors.New("torn"))
			e.DiskFailed(&fs.PathError{Op: "write", Path: fmt.Sprint("file ", i), Err: syscall.ENOSPC})
			time.Sleep(time.Minute)
		}
		e.DiskFailed(fmt.Errorf("%w: 7 of 7 bytes", queue.ErrFull))
		e.RoomAgain()
		e.Readable()
		e.DiskWorks()
		e.DiskWorks()
		e.Acknowledged(nil)
		time.Sleep(time.Minute)
		e.Acknowledged(errors.New("torn"))
		e.Count("too_heavy", 5)
		want := map[string]int64{queue.ReasonFull: 6, stored.ReasonFormat: 3, "too_heavy": 5}
		if diff := cmp.Diff(want, e.Status(endpoint.Waiting{}).Dropped); diff != "" {
			t.Errorf("dropped (-want +got):\n%s", diff)
		}
		if n := testutil.ToFloat64(o.Metrics.Dropped.WithLabelValues("letters", queue.ReasonFull)); n != 6 {
			t.Errorf("%v are counted in the metric, want 6", n)
		}
		for _, words := range []string{
			"the buffer is full, the oldest letters are dropped", "letters that waited are dropped: another version", "letters that waited on disk are damaged",
			"the disk does not take letters: they wait", "the buffer on disk is full (buffer_max): they stay where they are",
			"the buffer has room again", "the disk takes letters again", "letters that are delivered cannot be taken off the disk",
		} {
			if n := strings.Count(log.String(), words); n != 1 {
				t.Errorf("%q is logged %d times, want once:\n%s", words, n, log)
			}
		}
		if err := e.Disk.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A record on disk has its header, even after a restart, and lighter_queue_bytes is 0 when nothing waits.
func TestDisk(t *testing.T) {
	o := options(t, &bytes.Buffer{})
	e := mustNew(t, o)
	if err := e.Disk.Put(0, stored.Header{Items: 3, Tenant: "a"}, []byte("body")); err != nil {
		t.Fatal(err)
	}
	if err := e.Disk.Close(); err != nil {
		t.Fatal(err)
	}
	e = mustNew(t, o)
	if w := e.Status(endpoint.Waiting{Items: 1, Bytes: 2}).Waiting; w.Items != 4 || w.Bytes <= 2 {
		t.Errorf("the status reports %+v as waiting, want the sum of memory and disk: 4 items", w)
	}
	size := func() float64 { return testutil.ToFloat64(o.Metrics.Queue.WithLabelValues("letters", "disk")) }
	if size() == 0 {
		t.Error("nothing is said to wait")
	}
	r, ok, err := e.Disk.TryNext(0)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	record, err := r.Body(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, body, err := stored.Parse(record, r.Items)
	if err != nil || h != (stored.Header{Items: 3, Tenant: "a"}) || string(body) != "body" {
		t.Errorf("%+v, %q, err = %v", h, body, err)
	}
	if err := e.Disk.Ack(r); err != nil {
		t.Fatal(err)
	}
	if e.Disk.Show(); size() != 0 || e.Status(endpoint.Waiting{Items: 1, Bytes: 2}).Waiting != (endpoint.Waiting{Items: 1, Bytes: 2}) {
		t.Errorf("%v bytes are said to wait", size())
	}
	if err := e.Disk.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStatusHidesSecrets(t *testing.T) {
	o := options(t, &bytes.Buffer{})
	o.Dir = ""
	e := mustNew(t, o)
	if st := e.Status(endpoint.Waiting{}); st.URL != "http://backend/push" || st.Name != "letters" || e.Disk != nil {
		t.Errorf("%+v, disk %v", st, e.Disk)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*endpoint.Options){
		"two kinds of auth": func(o *endpoint.Options) { o.HTTP.BearerToken, o.HTTP.BearerTokenFile = "a", "b" },
		"a proxy":           func(o *endpoint.Options) { o.Proxy = "::" },
		"no room":           func(o *endpoint.Options) { o.MaxBytes = 0 },
	} {
		o := options(t, &bytes.Buffer{})
		change(&o)
		if _, err := endpoint.New(o); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}
