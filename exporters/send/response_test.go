package send_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter/exporters/send"
)

var errUnknown = errors.New("it does not know letters")

// stampedLetters are letters whose endpoint reports how many it has stored, and responds with 415 to what
// it does not support.
type stampedLetters struct{ letters }

func (stampedLetters) ReadResponse(r send.Request, status int, h http.Header) (int, error) {
	if status == http.StatusUnsupportedMediaType && r.Header.Get("X-Stamp") == "" {
		return 0, errUnknown
	}
	n, err := strconv.Atoi(h.Get("X-Stored"))
	if err != nil {
		return -1, nil
	}
	return n, nil
}

func TestResponseReader(t *testing.T) {
	for name, tc := range map[string]struct {
		code               int
		stored             string
		header             http.Header
		err                error
		delivered, dropped float64
	}{
		"some are stored, the others refused":    {400, "3", nil, nil, 3, 1},
		"none are stored":                        {400, "", nil, nil, 0, 4},
		"more than there are":                    {400, "9", nil, nil, 4, 0},
		"fewer than none":                        {400, "-9", nil, nil, 0, 4},
		"none are stored, it says":               {400, "0", nil, nil, 0, 4},
		"success counts all":                     {200, "1", nil, nil, 4, 0},
		"success that stored nothing":            {200, "0", nil, nil, 0, 4},
		"a request that is not known":            {415, "", nil, errUnknown, 0, 0},
		"its header makes it one that is":        {415, "", http.Header{"X-Stamp": {"1"}}, context.DeadlineExceeded, 0, 0}, // held, as ever
		"a header goes over that of the options": {200, "", http.Header{"X-More": {"2"}}, nil, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBenchOf(stampedLetters{}, func(int, string) (*http.Response, error) {
					return status(tc.code, map[bool]string{true: "no"}[tc.code >= 300], "X-Stored", tc.stored)
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := b.Deliver(ctx, send.Request{Body: []byte("abcd"), Items: 4, Header: tc.header})
				if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
					t.Errorf("err = %v, want %v", err, tc.err)
				}
				if got, dropped := testutil.ToFloat64(b.delivered), testutil.ToFloat64(b.dropped.WithLabelValues("letters", "rejected")); got != tc.delivered || dropped != tc.dropped {
					t.Errorf("%v delivered, %v dropped, want %v and %v", got, dropped, tc.delivered, tc.dropped)
				}
				if tc.err == errUnknown && (len(b.backend.bodies) != 1 || !b.Status().Up) {
					t.Errorf("%d attempts, status %+v: another request is to come", len(b.backend.bodies), b.Status())
				}
				for name := range tc.header {
					if got := b.backend.headers[0].Get(name); got != tc.header.Get(name) {
						t.Errorf("header %s is %q", name, got)
					}
				}
			})
		})
	}
}
