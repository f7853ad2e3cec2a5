package quietconn_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"time"

	"lighter/discovery/docker/quietconn"
)

// kinds makes the connections to compare: package net's, as the reference, and ours.
var kinds = map[string]func(net.Conn) net.Conn{
	"net":   func(c net.Conn) net.Conn { return c },
	"quiet": quietconn.Wrap,
}

// connected returns both ends of a connection. Only the first end is of the given kind.
func connected(t *testing.T, kind func(net.Conn) net.Conn) (ours, theirs net.Conn) {
	t.Helper()
	ours, theirs = pair(t, kind)
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
	})
	return ours, theirs
}

func pair(t *testing.T, kind func(net.Conn) net.Conn) (ours, theirs net.Conn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lighter-conn-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return kind(c), theirs
}

// outcome describes everything about the result of an operation that a caller can see.
func outcome(n int, err error) string {
	text := fmt.Sprint(n)
	var op *net.OpError
	if errors.As(err, &op) {
		text += fmt.Sprintf(" OpError %s %s, timeout %t", op.Op, op.Net, op.Timeout())
		if (op.Source == nil) != (op.Addr == nil) {
			text += fmt.Sprintf(", %v -> %v", op.Source, op.Addr)
		}
	}
	for _, is := range []error{io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, is) {
			text += ", " + is.Error()
		}
	}
	if err != nil {
		var system *os.SyscallError
		if errors.As(err, &system) {
			text += ", of " + system.Syscall
		}
	}
	return text
}

const past = -time.Hour

// A quiet connection behaves like an ordinary one, whatever the caller does with it.
func TestConnBehavesLikeAnOrdinaryOne(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // more than a socket holds
	for name, do := range map[string]func(ours, theirs net.Conn) []string{
		"reads what arrived": func(ours, theirs net.Conn) []string {
			_, _ = theirs.Write([]byte("hello"))
			b := make([]byte, 3)
			first, second := outcome(ours.Read(b)), outcome(ours.Read(b))
			return []string{first, second, string(b)}
		},
		"reads into an empty slice": func(ours, _ net.Conn) []string { return []string{outcome(ours.Read(nil))} },
		"writes an empty slice":     func(ours, _ net.Conn) []string { return []string{outcome(ours.Write(nil))} },
		"reads to the end": func(ours, theirs net.Conn) []string {
			_, _ = theirs.Write([]byte("bye"))
			_ = theirs.Close()
			b, err := io.ReadAll(ours)
			return []string{string(b), outcome(0, err), outcome(ours.Read(make([]byte, 1)))}
		},
		"reads after the other end closed without reading": func(ours, theirs net.Conn) []string {
			_, _ = ours.Write([]byte("unread"))
			_ = theirs.Close()
			return []string{outcome(ours.Read(make([]byte, 1)))}
		},
		"writes after the other end closed": func(ours, theirs net.Conn) []string {
			_ = theirs.Close()
			return []string{outcome(ours.Write([]byte("x")))}
		},
		"the other end's close ends a write that waits": func(ours, theirs net.Conn) []string {
			return []string{during(func() string {
				_, err := ours.Write(big)
				return outcome(0, err)
			}, func() { _ = theirs.Close() })}
		},
		"a close ends a read that waits": func(ours, _ net.Conn) []string {
			return []string{during(func() string { return outcome(ours.Read(make([]byte, 1))) }, func() { _ = ours.Close() })}
		},
		"a close ends a write that waits": func(ours, _ net.Conn) []string {
			return []string{during(func() string {
				_, err := ours.Write(big)
				return outcome(0, err)
			}, func() { _ = ours.Close() })}
		},
		"the other end's close ends a read that waits": func(ours, theirs net.Conn) []string {
			return []string{during(func() string { return outcome(ours.Read(make([]byte, 1))) }, func() { _ = theirs.Close() })}
		},
		"the other end sees the close": func(ours, theirs net.Conn) []string {
			_ = ours.Close()
			return []string{outcome(theirs.Read(make([]byte, 1)))}
		},
		"everything fails after a close": func(ours, _ net.Conn) []string {
			first := outcome(0, ours.Close())
			return []string{
				first, outcome(0, ours.Close()), outcome(ours.Read(make([]byte, 1))), outcome(ours.Write([]byte("x"))),
				outcome(0, ours.SetDeadline(time.Now())), outcome(0, ours.SetReadDeadline(time.Time{})), outcome(0, ours.SetWriteDeadline(time.Time{})),
			}
		},
		"a deadline ends a read": func(ours, theirs net.Conn) []string {
			_ = ours.SetReadDeadline(time.Now().Add(time.Millisecond))
			late := outcome(ours.Read(make([]byte, 1)))
			_, _ = theirs.Write([]byte("x"))
			still := outcome(ours.Read(make([]byte, 1)))
			writes := outcome(ours.Write([]byte("x")))
			_ = ours.SetReadDeadline(time.Time{})
			return []string{late, still, writes, outcome(ours.Read(make([]byte, 1)))}
		},
		"a deadline ends a write": func(ours, theirs net.Conn) []string {
			var n int
			var err error
			written := make(chan struct{})
			go func() {
				defer close(written)
				n, err = ours.Write(big)
			}()
			_, _ = theirs.Read(make([]byte, 1)) // then a part is written
			_ = ours.SetWriteDeadline(time.Now().Add(time.Millisecond))
			<-written
			_, _ = theirs.Write([]byte("x"))
			all := []string{fmt.Sprint(n > 0 && n < len(big)), outcome(0, err), outcome(ours.Write([]byte("x"))), outcome(ours.Read(make([]byte, 1)))}
			_ = ours.SetDeadline(time.Time{})
			got := make(chan []byte)
			go func() {
				b, _ := io.ReadAll(theirs)
				got <- b
			}()
			all = append(all, outcome(ours.Write([]byte("end"))))
			_ = ours.Close()
			b := <-got
			return append(all, fmt.Sprint(1+len(b) == n+3), string(b[len(b)-3:]))
		},
		"a deadline ends a read that waits already": func(ours, _ net.Conn) []string {
			return []string{during(func() string { return outcome(ours.Read(make([]byte, 1))) }, func() { _ = ours.SetDeadline(time.Now().Add(past)) })}
		},
		"a deadline that is past": func(ours, theirs net.Conn) []string {
			_, _ = theirs.Write([]byte("x"))
			_ = ours.SetDeadline(time.Now().Add(past))
			return []string{outcome(ours.Read(make([]byte, 1))), outcome(ours.Write([]byte("x")))}
		},
		"what arrives ends a read that waits": func(ours, theirs net.Conn) []string {
			var all []string
			for range 3 {
				all = append(all, during(func() string { return outcome(ours.Read(make([]byte, 9))) }, func() { _, _ = theirs.Write([]byte("hello")) }))
			}
			return all
		},
		"its addresses": func(ours, _ net.Conn) []string {
			return []string{ours.LocalAddr().Network(), ours.LocalAddr().String(), ours.RemoteAddr().Network()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string][]string{}
			for kind, of := range kinds {
				got[kind] = do(connected(t, of))
			}
			if !reflect.DeepEqual(got["net"], got["quiet"]) {
				t.Errorf("quiet: %q\nnet:   %q", got["quiet"], got["net"])
			}
		})
	}
}

// during calls f, and calls end when f has probably begun to wait. If f has not, the outcome is the
// same and proves less.
func during(f func() string, end func()) string {
	done := make(chan string)
	go func() { done <- f() }()
	select {
	case early := <-done:
		return "did not wait: " + early
	case <-time.After(20 * time.Millisecond):
	}
	end()
	return <-done
}

// Data that arrives while nobody reads wakes nobody.
func TestConnIsQuiet(t *testing.T) {
	ours, theirs := connected(t, quietconn.Wrap)
	reports := func(when string) {
		t.Helper()
		if n, err := quietconn.Reports(ours); n != 0 || err != nil {
			t.Errorf("%s: %d pollers have something to report (%v), want none", when, n, err)
		}
	}
	b := make([]byte, 64)
	reports("at first")
	for round := range 3 {
		if got := during(func() string { return outcome(ours.Read(b)) }, func() { _, _ = theirs.Write([]byte("line")) }); got != "4" {
			t.Fatalf("round %d: read %s, want 4", round, got)
		}
		for range 3 {
			_, _ = theirs.Write([]byte("line"))
			reports("while nobody reads")
		}
		if n, err := ours.Read(b); n != 12 || err != nil {
			t.Fatalf("read %d, %v, want 12", n, err)
		}
		reports("after a read that need not wait")
	}
	_ = ours.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _ = ours.Read(b)
	_ = ours.SetReadDeadline(time.Time{})
	_, _ = theirs.Write([]byte("line"))
	_, _ = ours.Read(b)
	_, _ = theirs.Write([]byte("line"))
	reports("after a read that a deadline ended")
}

// Both ends write and read concurrently, in pieces of any size, and each end reads what the other wrote.
func TestConnKeepsTheBytes(t *testing.T) {
	const size = 4 << 20
	for seed := range uint64(4) {
		ours, theirs := connected(t, quietconn.Wrap)
		var all sync.WaitGroup
		for way, ends := range [2][2]net.Conn{{ours, theirs}, {theirs, ours}} {
			want := make([]byte, size)
			r := rand.New(rand.NewPCG(seed, uint64(way)))
			for i := range want {
				want[i] = byte(r.Uint32())
			}
			all.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(way)+10))
				for rest := want; len(rest) > 0; {
					n := min(1+r.IntN(1+r.IntN(1<<20)), len(rest))
					if got, err := ends[0].Write(rest[:n]); got != n || err != nil {
						t.Errorf("write %d, %v, want %d", got, err, n)
						return
					}
					rest = rest[n:]
				}
			})
			all.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(way)+20))
				got := make([]byte, 0, size)
				for len(got) < size {
					n, err := ends[1].Read(got[len(got):min(len(got)+1+r.IntN(1<<17), size)])
					if got = got[:len(got)+n]; err != nil {
						t.Errorf("read: %v", err)
						return
					}
				}
				if !bytes.Equal(got, want) {
					t.Error("the bytes that were read are not those that were written")
				}
			})
		}
		all.Wait()
	}
}

// Connections are closed while others are in use and new ones are opened. No connection gets the bytes of
// another one, and no descriptor stays open.
func TestConnClose(t *testing.T) {
	before := descriptors(t)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			own := []byte{byte(worker)}
			for range 40 {
				ours, theirs := pair(t, quietconn.Wrap)
				var users sync.WaitGroup
				for _, c := range []net.Conn{ours, theirs} {
					users.Go(func() {
						for {
							if _, err := c.Write(own); err != nil {
								return
							}
						}
					})
					users.Go(func() {
						b := make([]byte, 512)
						for {
							n, err := c.Read(b)
							if i := bytes.IndexFunc(b[:n], func(r rune) bool { return r != rune(worker) }); i >= 0 {
								t.Errorf("connection of %d: read a byte of %d", worker, b[i])
							}
							if err != nil {
								return
							}
						}
					})
				}
				_ = ours.SetReadDeadline(time.Now().Add(time.Hour))
				for _, c := range []net.Conn{ours, theirs} {
					users.Go(func() { _ = c.Close() })
					users.Go(func() { _ = c.Close() })
				}
				users.Wait()
			}
		})
	}
	all.Wait()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Many connections that wait at the same time each receive what was sent to them.
func TestManyConns(t *testing.T) {
	const n = 200 // four descriptors each
	type ends struct{ ours, theirs net.Conn }
	all := make([]ends, n)
	got := make(chan [2]int, n)
	for i := range all {
		ours, theirs := connected(t, quietconn.Wrap)
		all[i] = ends{ours, theirs}
		go func() {
			b := make([]byte, 4)
			for {
				if _, err := io.ReadFull(ours, b); err != nil {
					return
				}
				got <- [2]int{i, int(b[0])<<8 | int(b[1])}
			}
		}()
	}
	for range 5 {
		for _, i := range rand.Perm(n) {
			_, _ = all[i].theirs.Write([]byte{byte(i >> 8), byte(i), 0, 0})
		}
		for range n {
			if g := <-got; g[0] != g[1] {
				t.Fatalf("connection %d read what was sent to %d", g[0], g[1])
			}
		}
	}
}

// A connection that is not to a Unix socket is returned as it is.
func TestOtherConnsStayAsTheyAre(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if quietconn.Wrap(a) != a {
		t.Error("a connection that is no socket was replaced")
	}
}
