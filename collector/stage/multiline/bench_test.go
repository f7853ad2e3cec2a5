package multiline_test

import (
	"bytes"
	"context"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"lighter"
	"lighter/collector/stage/multiline"
)

// common are log lines outside traces.
var common = []struct{ name, text string }{
	{"JSON", `{"level":"info","ts":"2026-01-02T03:04:05.678Z","caller":"api/server.go:118","msg":"http_request","method":"GET","path":"/orders/7","status":200,"latencyMs":12.4,"user":"u-19283","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}`},
	{"logfmt", `ts=2026-01-02T03:04:05.678Z caller=api/server.go:118 level=info msg="http request" method=GET path=/orders/7 status=200 duration=12.4ms user=u-19283 trace_id=4bf92f3577b34da6a3ce929d0e0e4736`},
	{"access log", `10.0.0.17 - - [02/Jan/2026:03:04:05 +0000] "GET /orders/7?page=2 HTTP/1.1" 200 5316 "https://shop.example.com/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"`},
	{"plain", `2026-01-02 03:04:05.678  INFO 1 --- [nio-8080-exec-3] c.e.shop.orders.OrderController          : order 7 of user u-19283 was paid with card, 3 positions, 120.50 EUR`},
}

// nowhere is the end of a chain.
type nowhere struct{}

func (nowhere) Append(context.Context, *lighter.Batch) error { return nil }

// many makes a batch of n equal lines. It returns a function that hands the batch to a stage and restores
// it.
func many(tb testing.TB, c multiline.Config, text string, n int) func() {
	s, _ := newStage(c, nowhere{})
	var of []line
	for i := range n {
		of = append(of, line{time.Duration(i), 0, text})
	}
	b := batch(of, nil)
	entries := slices.Clone(b.Entries)
	return func() {
		b.Entries = append(b.Entries[:0], entries...)
		if err := s.Append(tb.Context(), b); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	const lines = 300
	for _, l := range common {
		b.Run(l.name, func(b *testing.B) {
			run := many(b, multiline.Config{}, l.text, lines)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}

// A line outside traces allocates nothing.
func TestAllocsLine(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	for _, l := range common {
		run := many(t, multiline.Config{}, l.text, 300)
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations for a batch", l.name, n)
		}
	}
}

// Whatever the input lines are, the output has the same lines, in the order of each stream, and within the
// bounds.
func FuzzJoin(f *testing.F) {
	for _, text := range traces(f) {
		f.Add([]byte(strings.Join(text, "\n")), uint64(1), false)
	}
	f.Add([]byte("2026 one\nmore\n\n{}\n"), uint64(7), true)
	pattern := regexp.MustCompile(`^\d`)
	f.Fuzz(func(t *testing.T, text []byte, seed uint64, firstLine bool) {
		c := multiline.Config{MaxLines: 7, MaxBytes: 300}
		if firstLine {
			c.FirstLine = pattern
		}
		var batches [][]line
		var want [2][]byte
		at := time.Duration(0)
		for i, l := range bytes.Split(text, []byte("\n")) {
			bits := seed >> (i % 61)
			stream := int32(bits & 1)
			if bits&6 == 0 || batches == nil {
				batches = append(batches, nil)
			}
			at += time.Duration(1 + bits%8*uint64(100*time.Millisecond))
			batches[len(batches)-1] = append(batches[len(batches)-1], line{at, stream, string(l)})
			want[stream] = append(append(want[stream], l...), '\n')
		}
		var got [2][]byte
		for _, e := range through(t, c, batches...) {
			if n := strings.Count(e.text, "\n"); n >= c.MaxLines || n > 0 && len(e.text) > c.MaxBytes {
				t.Errorf("an entry of %d lines and %d bytes", n+1, len(e.text))
			}
			got[e.stream] = append(append(got[e.stream], e.text...), '\n')
		}
		for s := range got {
			if !bytes.Equal(got[s], want[s]) {
				t.Errorf("stream %d: %q, want %q", s, got[s], want[s])
			}
		}
	})
}
