package multiline_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lighter/collector/stage/multiline"
)

// ordinary are lines outside traces.
var ordinary = []string{
	`{"level":"error","msg":"failed","stack":"Error: x\n    at y (z.js:1:1)"}`,
	`level=error ts=2026-01-02T03:04:05Z msg="java.io.IOException: no" err=Error`,
	`10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /health HTTP/1.1" 200 2 "-" "curl/8.5.0"`,
	`2026-01-02 03:04:05.678 INFO [main] com.example.App - started in 3.2 seconds`,
	``,
	`[{"a":1},{"b":2}]`,
	`INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)`,
	`2026-01-02 03:04:05.678 ERROR [main] com.example.App - the upstream said Error 502`,
	`[12:00:00] ready`,
	`Listening on :8080`,
	`2026/01/02 03:04:05 listening on [::]:8080`,
}

// A trace is one entry, with the time of its first line, wherever it occurs and however it is read.
func TestTraces(t *testing.T) {
	for name, text := range traces(t) {
		t.Run(name, func(t *testing.T) {
			trace := lines(1, time.Second, text...)
			one := line{trace[0].at, 1, strings.Join(text, "\n")}
			if !check(t, "alone", through(t, multiline.Config{}, trace), []line{one}) {
				return
			}
			check(t, "a line a batch", through(t, multiline.Config{}, each(trace)...), []line{one})
			for k := 1; k < len(trace); k++ {
				check(t, "in two batches", through(t, multiline.Config{}, trace[:k], trace[k:]), []line{one})
			}

			before, after := lines(1, 0, ordinary...), lines(1, trace[len(trace)-1].at+1, ordinary...)
			all := slices.Concat(before, trace, after)
			want := slices.Concat(before, []line{one}, after)
			check(t, "between others", through(t, multiline.Config{}, all), want)
			check(t, "between others, a line a batch", through(t, multiline.Config{}, each(all)...), want)

			// Mix the streams: a line of stdout follows each line of stderr.
			var mixed []line
			for _, l := range all {
				mixed = append(mixed, l, line{l.at, 0, l.text})
			}
			var wantOut []line
			for _, l := range want {
				wantOut = append(wantOut, line{l.at, 0, l.text})
			}
			got := through(t, multiline.Config{}, mixed)
			check(t, "on both streams, stderr", of(1, got), want)
			check(t, "on both streams, stdout", of(0, got), wantOut)
			if len(mixed) < 256 { // more batches than this are not held
				got = through(t, multiline.Config{}, each(mixed)...)
				check(t, "on both streams, a line a batch, stderr", of(1, got), want)
				check(t, "on both streams, a line a batch, stdout", of(0, got), wantOut)
			}
		})
	}
}

// Two successive traces are two entries.
func TestTracesInARow(t *testing.T) {
	all := traces(t)
	r := rand.New(rand.NewPCG(1, 2))
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for range 500 {
		a, b := names[r.IntN(len(names))], names[r.IntN(len(names))]
		if followsIn(a, b) {
			continue
		}
		first, second := lines(1, 0, all[a]...), lines(1, time.Second/4, all[b]...)
		got := through(t, multiline.Config{}, slices.Concat(first, second))
		if !check(t, a+" and "+b, got, []line{{0, 1, strings.Join(all[a], "\n")}, {second[0].at, 1, strings.Join(all[b], "\n")}}) {
			return
		}
	}
}

// followsIn reports whether a trace looks like a continuation of the one before it.
func followsIn(a, b string) bool {
	ruby := strings.HasPrefix(a, "ruby") && strings.HasPrefix(b, "ruby")
	golang := strings.HasPrefix(a, "go") && strings.HasPrefix(b, "go")
	return ruby || golang
}

// A pause within a trace that is longer than Wait ends its entry. The rest is read as if nothing preceded
// it.
func TestPauses(t *testing.T) {
	for name, text := range traces(t) {
		if len(text) > 30 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for k := 1; k < len(text); k++ {
				pause := func(d time.Duration) []line {
					return slices.Concat(lines(1, 0, text[:k]...), lines(1, time.Duration(k-1)*time.Millisecond+d, text[k:]...))
				}
				short, long := pause(multiline.DefaultWait), pause(multiline.DefaultWait+1)
				check(t, "a short pause", through(t, multiline.Config{}, short), []line{{0, 1, strings.Join(text, "\n")}})
				want := slices.Concat(through(t, multiline.Config{}, long[:k]), through(t, multiline.Config{}, long[k:]))
				for _, batches := range [][][]line{{long}, {long[:k], long[k:]}} {
					check(t, "a long pause", through(t, multiline.Config{}, batches...), want)
				}
				java := strings.HasPrefix(name, "java") && name != "java-multiline" || strings.HasPrefix(name, "dotnet")
				if java && len(want) != 2 {
					t.Errorf("a trace torn before its line %d is %d entries: %v", k, len(want), want)
				}
			}
		})
	}
}

// Every other line is an entry of its own.
func TestOrdinaryLines(t *testing.T) {
	all := lines(0, 0, slices.Concat(ordinary, []string{
		"    indented", "\ttab", "  at the end of the day", "at com.example.App", "... and 3 more",
		"java.lang.IllegalStateException: boom", "IOException", "Error: no", "panic: at the disco", "next",
		"goroutines: 12", "Traceback", "thread 'main' is idle", "/app/main.js:10", "main.main()", "terminating",
		"12:00:00.000 [error] GenServer #PID<0.120.0> terminating", "goodbye",
		"PHP Warning:  Undefined variable $x in /app/main.php on line 3", "Stack trace:", "#1 on the list", "exit status 2",
		"Error: listen EADDRINUSE", `{"a":1}`, "Caused by: nobody", `a=1 b=2`, "Traceback (most recent call last):", `["x"]`,
		"    }", "}", "{", "[", "]", "(", "null", "\x00\xff", "", "", "",
	})...)
	for i := range all {
		check(t, "from a line on", through(t, multiline.Config{}, all[i:]), all[i:])
	}
	check(t, "a line a batch", through(t, multiline.Config{}, each(all)...), all)
}

// Lines of JSON and logfmt are entries of their own, whatever precedes them, and they end a trace.
func TestStructuredLinesAreAlone(t *testing.T) {
	for name, text := range traces(t) {
		if len(text) > 30 {
			continue
		}
		for k := range text {
			for _, other := range []string{`{"level":"info"}`, `[1,2]`, `level=info msg="at a (b:1)"`, `  {"indented": true}`} {
				all := lines(0, 0, slices.Concat(text[:k], []string{other}, text[k:])...)
				found := false
				for _, e := range through(t, multiline.Config{}, all) {
					found = found || e.text == other
				}
				if !found {
					t.Errorf("%s: %s is part of the trace, before its line %d", name, other, k)
				}
			}
		}
	}
}
