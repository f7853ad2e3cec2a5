package gate

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// follow is an Engine whose log stream has one line for each value of say.
func follow(t *testing.T, say <-chan string) *Socket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	engine := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case line, ok := <-say:
				if !ok {
					return
				}
				head := []byte{1, 0, 0, 0, 0, 0, 0, 0}
				binary.BigEndian.PutUint32(head[4:], uint32(len(line)))
				_, _ = w.Write(append(head, line...))
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})}
	go func() { _ = engine.Serve(l) }()
	t.Cleanup(func() { engine.Close() })
	s, err := NewSocket(filepath.Join(t.TempDir(), "s"), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// get requests a log through the socket.
func get(t *testing.T, s *Socket) io.ReadCloser {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.Path)
	}}}
	res, err := client.Get("http://docker/containers/abc/logs?follow=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res.Body
}

// text returns the content of a reader without the headers of frames.
func text(b []byte) string {
	var out strings.Builder
	for len(b) >= 8 {
		n := binary.BigEndian.Uint32(b[4:])
		out.Write(b[8 : 8+n])
		b = b[8+n:]
	}
	return out.String()
}

func TestSocketEndsQuietAnswersInGoodOrder(t *testing.T) {
	say := make(chan string, 1)
	s := follow(t, say)
	s.EndQuiet(50 * time.Millisecond)
	say <- "one\n"
	b, err := io.ReadAll(get(t, s))
	if got := text(b); err != nil || got != "one\n" {
		t.Errorf("got %q, %v; want one line and the end", got, err)
	}
}

func TestSocketChangesFrames(t *testing.T) {
	say := make(chan string, 2)
	s := follow(t, say)
	s.Change(func(frame []byte) []byte { return fmt.Appendf(nil, "<%s>", frame) })
	say <- "one"
	say <- "two"
	close(say)
	b, err := io.ReadAll(get(t, s))
	if got := text(b); err != nil || got != "<one><two>" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSocketMutesWhatIsOpen(t *testing.T) {
	say := make(chan string)
	s := follow(t, say)
	first := get(t, s)
	if n := s.Mute("abc"); n != 1 {
		t.Fatalf("%d answers were muted, want 1", n)
	}
	say <- "one"
	say <- "two"
	close(say)
	if b, err := io.ReadAll(first); err != nil || len(b) > 0 {
		t.Errorf("a muted answer carried %q, %v", b, err)
	}
	if n := s.Mute("abc"); n != 0 {
		t.Errorf("%d answers are open, want none", n)
	}
}
