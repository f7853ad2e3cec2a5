package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

const killLanes = 3

// TestKill repeatedly kills a process that appends and acknowledges, and compares what is on disk with what
// the process had reported.
func TestKill(t *testing.T) {
	if dir := os.Getenv("QUEUE_TEST_DIR"); dir != "" {
		untilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	mayCome := map[int]bool{} // waiting records; true means that they must come out
	for round, from := 0, 0; round < 10; round++ {
		from = max(from, 1+runAndKill(t, dir, from, r.IntN(2000), mayCome))
		f := open(t, dir, lanes(killLanes), maxBytes(64<<20))
		came := map[int]bool{}
		for lane := range killLanes {
			last := -1
			for _, b := range f.drain(t, lane) {
				n, err := strconv.Atoi(b[:6])
				_, known := mayCome[n]
				if err != nil || len(b) != 6+n%3000 || n%killLanes != lane || n <= last || !known && n < from {
					t.Fatalf("round %d, lane %d: %q of %d bytes came after %d, which was acknowledged or never appended", round, lane, head(b), len(b), last)
				}
				last, came[n] = n, true
			}
		}
		for n, certain := range mayCome {
			if certain && !came[n] {
				t.Fatalf("round %d: record %d is lost", round, n)
			}
		}
		clear(mayCome)
		for n := range came {
			mayCome[n] = true
			from = max(from, n+1)
		}
		_ = f.Close()
	}
}

// runAndKill starts a process that appends records from a number on, kills it after some lines of its
// report, and updates waiting. It returns the highest number reported.
func runAndKill(t *testing.T, dir string, from, lines int, waiting map[int]bool) (highest int) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "QUEUE_TEST_DIR="+dir, "QUEUE_TEST_FROM="+strconv.Itoa(from))
	report, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // also for what the process had written
		_ = w.Close()
	}()
	acked := map[int]bool{}
	for in := bufio.NewScanner(report); in.Scan(); lines-- {
		if lines == 0 {
			kill()
		}
		word, number, _ := strings.Cut(in.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("report: %q", in.Text())
		}
		highest = max(highest, n)
		switch {
		case word == "appended" && !acked[n]:
			if _, ok := waiting[n]; !ok {
				waiting[n] = true
			}
		case word == "acknowledging":
			waiting[n] = false
		case word == "acknowledged":
			delete(waiting, n)
			acked[n] = true
		}
	}
	if lines > 0 {
		t.Fatal("the process ended by itself")
	}
	return highest
}

// untilKilled is the process: it reports what it does, before and afterwards.
func untilKilled(t *testing.T, dir string) {
	f := open(t, dir, lanes(killLanes), maxBytes(64<<20))
	say := func(what string, n int) { _, _ = fmt.Fprintf(os.Stdout, "%s %d\n", what, n) }
	for lane := range killLanes {
		go func() {
			var b []byte
			for {
				r, err := f.Next(t.Context(), lane)
				if err != nil {
					return
				}
				if b, err = r.Body(b[:0]); err != nil {
					panic(err)
				}
				n, _ := strconv.Atoi(string(b[:6]))
				if n%7 == 0 {
					continue // never acknowledged
				}
				say("acknowledging", n)
				if err := f.Ack(r); err != nil {
					panic(err)
				}
				say("acknowledged", n)
			}
		}()
	}
	n, err := strconv.Atoi(os.Getenv("QUEUE_TEST_FROM"))
	for ; err == nil; n++ {
		if err = f.Append(uint64(n), 1, body(n, n%3000)); err == nil {
			say("appended", n)
		}
	}
	panic(err)
}
