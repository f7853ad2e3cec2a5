package send_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"lighter/exporters/send"
)

// earlyAnswer is an HTTP client whose server responds before it has read the body. As net/http permits, the
// client continues to read the body after RoundTrip has returned.
type earlyAnswer struct {
	status   int
	goOn     chan struct{} // closed: the rest of the body may be read
	ended    chan struct{}
	read     []byte
	err      error
	again    io.ReadCloser // what GetBody returned
	declared int64
}

func (e *earlyAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	first := make([]byte, 2)
	if _, err := io.ReadFull(r.Body, first); err != nil {
		return nil, err
	}
	e.declared = r.ContentLength
	var err error
	if e.again, err = r.GetBody(); err != nil {
		return nil, err
	}
	go func() {
		defer close(e.ended)
		<-e.goOn
		rest, err := io.ReadAll(r.Body)
		e.read, e.err = append(first, rest...), errors.Join(err, r.Body.Close())
	}()
	return status(e.status, "")
}

// When Deliver has returned, the memory of the body is the caller's again, however early the response came.
func TestBodyIsTheCallersAfterDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &earlyAnswer{status: 204, goOn: make(chan struct{}), ended: make(chan struct{})}
		b := newBench(nil)
		b.Client.Transport = client
		body := []byte("abcdef")
		if err := b.Deliver(t.Context(), send.Request{Body: body, Items: 6}); err != nil {
			t.Fatal(err)
		}
		copy(body, "ABCDEF") // the next request
		close(client.goOn)
		<-client.ended
		if strings.ContainsAny(string(client.read), "CDEF") || client.err == nil {
			t.Errorf("the HTTP client has read %q, err = %v; want an error in place of the next request", client.read, client.err)
		}
		if rest, err := io.ReadAll(client.again); len(rest) > 0 || err == nil {
			t.Errorf("the body to be sent again is %q, err = %v; want an error", rest, err)
		}
		if client.declared != 6 {
			t.Errorf("Content-Length is %d, want 6", client.declared)
		}
	})
}

// An HTTP client that finds its connection closed sends the body again, from its beginning.
func TestBodyIsSentAgainByTheClient(t *testing.T) {
	b := newBench(nil)
	var read []string
	b.Client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		again, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		for _, body := range []io.Reader{r.Body, again} {
			all, err := io.ReadAll(body)
			if err != nil {
				return nil, err
			}
			read = append(read, string(all))
		}
		return status(204, "")
	})
	if err := b.Deliver(t.Context(), six()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"abcdef", "abcdef"}, read); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
