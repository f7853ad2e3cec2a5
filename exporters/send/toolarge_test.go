package send_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter/exporters/send"
)

// sixLarge returns a request with six items, a to f, each larger than what cannot be too large.
func sixLarge() send.Request {
	var body strings.Builder
	for _, letter := range "abcdef" {
		body.WriteString(strings.Repeat(string(letter), 64<<10+1))
	}
	return send.Request{Body: []byte(body.String()), Items: 6}
}

// short returns the letters of which a body of sixLarge consists.
func short(body string) string {
	var s strings.Builder
	last := rune(0)
	for _, letter := range body {
		if letter != last {
			s.WriteRune(letter)
		}
		last = letter
	}
	return s.String()
}

func TestTooLargeSplitsDownToOneItemInOrder(t *testing.T) {
	b := newBench(func(_ int, body string) (*http.Response, error) {
		if body = short(body); len(body) > 2 || strings.Contains(body, "d") {
			return status(413, "too much")
		}
		return status(204, "")
	})
	if err := b.Deliver(t.Context(), sixLarge()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, body := range b.backend.bodies {
		got = append(got, short(body))
	}
	if diff := cmp.Diff([]string{"abcdef", "abc", "a", "bc", "def", "d", "ef"}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if d, r := testutil.ToFloat64(b.delivered), testutil.ToFloat64(b.dropped.WithLabelValues("letters", "too_large")); d != 5 || r != 1 {
		t.Errorf("delivered = %v, too large = %v, want 5, 1", d, r)
	}
}

// An item that is too small to be too large is held if something responds that it is too large, and the
// endpoint reports what to do.
func TestSmallItemThatIsTooLargeIsHeld(t *testing.T) {
	for name, answer := range map[string][]string{
		"a page of nginx": {"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>", "Content-Type", "text/html"},
		"plain text":      {"request body too large", "Content-Type", "text/plain"},
		"no words":        {""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var away atomic.Bool
				away.Store(true)
				b := newBench(func(int, string) (*http.Response, error) {
					if away.Load() {
						return status(413, answer[0], answer[1:]...)
					}
					return status(204, "")
				})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- b.Deliver(ctx, six()) }()
				time.Sleep(5 * time.Second)
				if n := testutil.CollectAndCount(b.dropped); n != 0 || b.up(t) != 0 {
					t.Errorf("%d reasons to drop, up = %v, want neither", n, b.up(t))
				}
				for _, want := range []string{"status 413", "a post office", "client_max_body_size"} {
					if err := b.Err(); err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("ready: %v, want it to say %q", err, want)
					}
				}
				away.Store(false)
				if err := <-done; err != nil || testutil.ToFloat64(b.delivered) != 6 || b.Err() != nil {
					t.Errorf("when the limit is gone: err = %v, delivered = %v, ready = %v", err, testutil.ToFloat64(b.delivered), b.Err())
				}
			})
		})
	}
}

// A request without data, such as one with metadata, is not held.
func TestRequestWithoutDataThatIsTooLargeIsNotHeld(t *testing.T) {
	b := newBench(func(int, string) (*http.Response, error) { return status(413, "too large") })
	if err := b.Deliver(t.Context(), send.Request{Body: []byte("m")}); err != nil || b.Err() != nil {
		t.Errorf("err = %v, ready = %v", err, b.Err())
	}
}
