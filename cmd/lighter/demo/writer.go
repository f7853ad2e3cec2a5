package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lighter/discovery/dockersim"
	"lighter/exporters/receiver"
)

// writer is the program in a simulated container. It remembers everything that it wrote.
type writer struct {
	container *dockersim.Container

	mu      sync.Mutex
	seq     int                            // number of lines
	last    int64                          // time of the newest line, Unix nanoseconds
	written map[string][]receiver.LogEntry // by stream
}

// write writes a line at a time that no other line of the container has. The first # in the text is
// replaced by the number of the line.
func (w *writer) write(stream dockersim.Stream, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	w.last = max(time.Now().UnixNano(), w.last+1)
	line := strings.Replace(text, "#", fmt.Sprint(w.seq), 1)
	name := "stdout"
	if stream == dockersim.Stderr {
		name = "stderr"
	}
	if w.written == nil {
		w.written = map[string][]receiver.LogEntry{}
	}
	w.written[name] = append(w.written[name], receiver.LogEntry{Time: w.last, Line: line})
	w.container.WriteAt(w.last, stream, line)
}

// count returns the number of lines that were written.
func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// lines returns the lines of each stream in the order in which they were written.
func (w *writer) lines() map[string][]receiver.LogEntry {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.written)
	for stream, lines := range all {
		all[stream] = slices.Clone(lines)
	}
	return all
}

// serveOrders writes the log of the API: a hundred lines of JSON a second, with an error now and then.
func (w *writer) serveOrders(ctx context.Context) {
	pace(ctx, 100, func(n int) {
		if n%40 == 0 {
			w.write(dockersim.Stdout, fmt.Sprintf(`{"seq":#,"level":"error","msg":"POST /orders","status":500,"ms":%d,"error":"stock: deadline exceeded"}`, 900+n%97))
			return
		}
		w.write(dockersim.Stdout, fmt.Sprintf(`{"seq":#,"level":"info","msg":"GET /orders/%d","status":200,"ms":%d}`, 1000+n, 3+n%17))
	})
}

// crashAfter is the number of the job after which the worker crashes.
const crashAfter = 120

// work writes the log of the worker: plain text, stack traces on stderr and one line of 40 KiB, which
// Docker keeps in three pieces. The worker crashes once.
func (w *writer) work(ctx context.Context, say func(string)) {
	pace(ctx, 40, func(n int) {
		w.write(dockersim.Stdout, fmt.Sprintf("seq=# job %d done in %d ms", n, 5+n%40))
		switch {
		case n == crashAfter:
			w.trace("panic: runtime error: index out of range [3] with length 3")
			w.container.Stop(2)
			say("The worker crashes. Docker starts it again.")
			if !sleep(ctx, 700*time.Millisecond) {
				return
			}
			w.container.Start()
			w.write(dockersim.Stdout, "seq=# worker starts again")
		case n == crashAfter/2:
			w.write(dockersim.Stdout, "seq=# payload "+strings.Repeat("0123456789abcdef", 40<<10/16))
		case n%70 == 0:
			w.trace("job failed: dial tcp 10.0.0.7:5432: connection refused")
		}
	})
}

// trace writes a stack trace to stderr.
func (w *writer) trace(cause string) {
	for _, line := range []string{
		"seq=# " + cause,
		"goroutine 17 [running]:",
		"shop/worker.(*Queue).take(0xc0000b4000, 0x3)",
		"\t/src/worker/queue.go:88 +0x1d",
		"main.main()",
		"\t/src/main.go:31 +0x9a",
	} {
		w.write(dockersim.Stderr, line)
	}
}

// checkpoint writes the log of the database: two lines a second, on a terminal.
func (w *writer) checkpoint(ctx context.Context) {
	pace(ctx, 2, func(n int) {
		w.write(dockersim.Stdout, fmt.Sprintf("LOG:  checkpoint # complete: wrote %d buffers (0.%d%%)", 10+n*7%90, n%9))
	})
}

// pace calls do with 1, 2, 3, … until ctx ends, perSecond times a second on average. On a busy machine
// the calls come in bursts.
func pace(ctx context.Context, perSecond int, do func(n int)) {
	began := time.Now()
	for n := 1; ; n++ {
		due := began.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
		if wait := time.Until(due); wait > 0 && !sleep(ctx, wait) || ctx.Err() != nil {
			return
		}
		do(n)
	}
}
