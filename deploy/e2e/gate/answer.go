package gate

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// canceler is the context key of the function that cancels a request.
type canceler struct{}

// errQuiet is the cause of the end of a quiet response.
var errQuiet = errors.New("the response was quiet for too long")

// answer is the body of an Engine's response on its way to the client.
type answer struct {
	io.ReadCloser
	socket *Socket
	url    *url.URL
	ctx    context.Context
	mute   atomic.Bool

	quiet time.Duration
	timer *time.Timer // ends the response; may be nil

	change func(frame []byte) []byte // nil if the frames are not changed
	frame  []byte                    // changed, but not read yet
}

// take wraps the body of a response in an answer.
func (s *Socket) take(res *http.Response) error {
	ctx := res.Request.Context()
	cancel, ok := ctx.Value(canceler{}).(context.CancelCauseFunc)
	if !ok {
		return errors.New("a request that did not come through the socket")
	}
	a := &answer{ReadCloser: res.Body, socket: s, url: res.Request.URL, ctx: ctx}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.quiet = s.quiet; a.quiet > 0 {
		a.timer = time.AfterFunc(a.quiet, func() { cancel(errQuiet) })
	}
	if a.logs() {
		a.change = s.change
	}
	s.open[a] = true
	res.Body = a
	return nil
}

// logs reports whether the response is a container's log.
func (a *answer) logs() bool { return strings.HasSuffix(a.url.Path, "/logs") }

// follows reports whether the response follows the log of that container.
func (a *answer) follows(id string) bool {
	follow := a.url.Query().Get("follow")
	return a.logs() && strings.Contains(a.url.Path, "/"+id+"/") && (follow == "1" || follow == "true")
}

// Read passes on the Engine's response.
func (a *answer) Read(p []byte) (int, error) {
	for {
		n, err := a.read(p)
		if errors.Is(context.Cause(a.ctx), errQuiet) {
			err = io.EOF
		}
		if a.timer != nil {
			a.timer.Reset(a.quiet)
		}
		if a.mute.Load() {
			if n = 0; err == nil {
				continue
			}
		}
		return n, err
	}
}

// read reads from the Engine, frame by frame if frames may be changed.
func (a *answer) read(p []byte) (int, error) {
	if a.change == nil {
		return a.ReadCloser.Read(p)
	}
	for len(a.frame) == 0 {
		var head [8]byte // the stream, three zeros, the length
		if _, err := io.ReadFull(a.ReadCloser, head[:]); err != nil {
			return 0, err
		}
		text := make([]byte, binary.BigEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(a.ReadCloser, text); err != nil {
			return 0, err
		}
		text = a.change(text)
		binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
		a.frame = append(head[:], text...)
	}
	n := copy(p, a.frame)
	a.frame = a.frame[n:]
	return n, nil
}

// Close ends it.
func (a *answer) Close() error {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.socket.mu.Lock()
	delete(a.socket.open, a)
	a.socket.mu.Unlock()
	return a.ReadCloser.Close()
}
