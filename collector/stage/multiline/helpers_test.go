package multiline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/multiline"
)

// streams are a container's stdout and stderr.
var streams = []*lighter.Stream{
	lighter.NewStream(labels.FromStrings("stream", "stdout")),
	lighter.NewStream(labels.FromStrings("stream", "stderr")),
}

// line is one line of a log, or an entry that came out of the stage.
type line struct {
	at     time.Duration
	stream int32
	text   string
}

func (l line) String() string { return fmt.Sprintf("%v %d %q", l.at, l.stream, l.text) }

// lines returns the lines of a text, a millisecond apart from start on.
func lines(stream int32, start time.Duration, text ...string) []line {
	var all []line
	for i, t := range text {
		all = append(all, line{start + time.Duration(i)*time.Millisecond, stream, t})
	}
	return all
}

// batch makes a batch of lines in memory of its own, which is overwritten when the batch is acknowledged.
func batch(of []line, done func()) *lighter.Batch {
	b := &lighter.Batch{Streams: streams}
	for _, l := range of {
		text := []byte(l.text)
		b.Entries = append(b.Entries, lighter.Entry{Time: int64(l.at), Line: text, Stream: l.stream})
		b.Bytes += len(text)
	}
	read := b.Entries[:len(b.Entries):len(b.Entries)]
	memory := make([][]byte, len(read))
	for i := range read {
		memory[i] = read[i].Line
	}
	b.Begin(func() {
		for _, m := range memory {
			for i := range m {
				m[i] = '#'
			}
		}
		if done != nil {
			done()
		}
	})
	return b
}

// sink records the entries that it gets, and releases each batch at once.
type sink struct {
	mu      sync.Mutex
	entries []line
	batches int
}

func (s *sink) Append(_ context.Context, b *lighter.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	for _, e := range b.Entries {
		s.entries = append(s.entries, line{time.Duration(e.Time), e.Stream, string(e.Line)})
	}
	return nil
}

// all returns the entries received so far.
func (s *sink) all() []line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]line(nil), s.entries...)
}

// metrics are for tests that do not read them.
var metrics = multiline.NewMetrics(prometheus.NewRegistry())

func newStage(c multiline.Config, next lighter.Logs) (lighter.Logs, stage.Holder) {
	s := multiline.Maker(c, metrics).New(stage.Log{}, next)
	return s, s.(stage.Holder)
}

// through returns the output of the stage for batches of lines and the end of the log. It fails the test if
// the stage still holds a batch then.
func through(t testing.TB, c multiline.Config, batches ...[]line) []line {
	t.Helper()
	end := &sink{}
	s, h := newStage(c, end)
	acknowledged := 0
	for _, of := range batches {
		b := batch(of, func() { acknowledged++ })
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.Done()
	}
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if acknowledged != len(batches) {
		t.Errorf("%d of %d batches are acknowledged", acknowledged, len(batches))
	}
	return end.all()
}

// each makes one batch per line.
func each(of []line) [][]line {
	var all [][]line
	for _, l := range of {
		all = append(all, []line{l})
	}
	return all
}

// of returns the entries of one stream.
func of(stream int32, all []line) []line {
	var own []line
	for _, l := range all {
		if l.stream == stream {
			own = append(own, l)
		}
	}
	return own
}

// check compares entries with the expected ones.
func check(t testing.TB, what string, got, want []line) bool {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("%s: %d entries, want %d; missing %v", what, len(got), len(want), want[i])
		case i >= len(want):
			t.Errorf("%s: %d entries, want %d; not wanted %v", what, len(got), len(want), got[i])
		case got[i] != want[i]:
			t.Errorf("%s: entry %d = %v, want %v", what, i, got[i], want[i])
		default:
			continue
		}
		return false
	}
	return true
}

// traces returns the lines of each trace in testdata, by name.
func traces(t testing.TB) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d traces: %v", len(files), err)
	}
	all := map[string][]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".txt")] = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	return all
}
