package remotewrite_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/exporters/receiver"
)

// A backend over its ingestion limit continues to accept the metadata sent each minute. That must not make
// the endpoint look healthy while it takes no sample.
func TestNoSampleIsTakenButMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, testConfig())
		var limited atomic.Bool
		var metadata atomic.Int64
		limited.Store(true)
		e.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			req, err := receiver.DecodeWrite(body)
			if err != nil {
				t.Error(err)
				return 0, nil, "", false
			}
			if len(req.Timeseries) == 0 {
				metadata.Add(1)
				return 204, nil, "", true
			}
			return 429, nil, "ingestion rate limit exceeded", limited.Load()
		})
		stop := e.run(t)
		defer stop()
		e.Metadata([]lighter.Metadata{{Family: "metric", Type: "gauge", Help: "h"}})
		up := func() float64 {
			return e.metric(t, "lighter_endpoint_up", "endpoint", "cloud").GetGauge().GetValue()
		}
		time.Sleep(time.Millisecond) // so that no look is at the moment of a change
		var first time.Time
		for i := range 240 {
			e.mustAppend(t, 1, block(t, "a", 10, int64(i+1)*15_000))
			if first.IsZero() {
				first = time.Now()
			}
			time.Sleep(15 * time.Second)
			after := time.Since(first)
			if after > 5*time.Second && up() != 0 {
				t.Fatalf("lighter_endpoint_up is 1 after %s without a sample taken", after)
			}
			if err := e.Err(); after > 65*time.Second && (err == nil || !strings.Contains(err.Error(), "rate limit")) {
				t.Fatalf("ready after %s without a sample taken: %v", after, err)
			}
		}
		if n := metadata.Load(); n < 59 || e.Status().Delivered != 0 {
			t.Errorf("%d requests of metadata, %d samples delivered; want one a minute and none", n, e.Status().Delivered)
		}
		for what, want := range map[string]int{"does not take data": 1, "works again": 0} {
			if n := strings.Count(e.log.String(), what); n != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", what, n, want, e.log)
			}
		}
		limited.Store(false)
		time.Sleep(time.Minute)
		if e.Err() != nil || up() != 1 || e.Status().Delivered != 2400 {
			t.Errorf("after samples are taken: ready = %v, up = %v, status = %+v", e.Err(), up(), e.Status())
		}
	})
}

// Something in the receiver's place, such as a proxy or another service, causes no sample to be dropped or
// counted as delivered.
func TestAnswersInTheReceiversPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		text   string
	}{
		"a 400 with an empty body": {400, ""},
		"a 200 with a JSON error":  {200, `{"error":"no such tenant"}`},
		"a 200 with a login page":  {200, "<!doctype html><title>Log in</title>"},
		"a 400 of nginx":           {400, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := mustNew(t, testConfig())
				e.receiver.Respond(always(tc.status, tc.text))
				stop := e.run(t)
				defer stop()
				e.mustAppend(t, 0, block(t, "api", 42, 1000))
				time.Sleep(10 * time.Minute)
				if st := e.Status(); st.Delivered != 0 || len(st.Dropped) != 0 || st.Waiting.Items != 42 {
					t.Errorf("status %+v, want 42 samples to wait", st)
				}
				if err := e.Err(); err == nil || !strings.Contains(err.Error(), "this does not look like a receiver of remote write") {
					t.Errorf("ready: %v", err)
				}
				e.receiver.Respond(nil)
				time.Sleep(time.Minute)
				if st := e.Status(); st.Delivered != 42 || e.Err() != nil {
					t.Errorf("when the receiver is back: status %+v, ready = %v", st, e.Err())
				}
			})
		})
	}
}
