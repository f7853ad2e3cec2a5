package send

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// attemptBody is the body of one attempt. An HTTP client may continue to read a body after it has returned
// an early response (net/http, RoundTripper), but the memory is the caller's again when Deliver returns.
// Therefore it is taken away from the client when the attempt ends.
type attemptBody struct {
	mu    sync.Mutex
	bytes []byte
	over  bool
}

var errAttemptOver = errors.New("the attempt is over")

// attach makes b the body of a request.
func (b *attemptBody) attach(r *http.Request) {
	if len(b.bytes) == 0 {
		r.Body = http.NoBody
		return
	}
	r.ContentLength = int64(len(b.bytes))
	r.GetBody = func() (io.ReadCloser, error) { return &attemptReader{body: b}, nil }
	r.Body = &attemptReader{body: b}
}

// takeAway returns when nobody reads the body's memory, and prevents further reads.
func (b *attemptBody) takeAway() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes, b.over = nil, true
}

// attemptReader reads an attemptBody from its beginning.
type attemptReader struct {
	body *attemptBody
	at   int
}

// Read implements io.Reader.
func (r *attemptReader) Read(p []byte) (int, error) {
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	switch {
	case r.body.over:
		return 0, errAttemptOver
	case r.at == len(r.body.bytes):
		return 0, io.EOF
	}
	n := copy(p, r.body.bytes[r.at:])
	r.at += n
	return n, nil
}

// Close implements io.Closer.
func (r *attemptReader) Close() error { return nil }
