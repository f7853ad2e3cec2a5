package fault

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/promql/parser"
)

// Entry is a line that was accepted.
type Entry struct {
	Nanos int64  // its time
	Hash  uint64 // of its text; see Hash
	Seq   int    // the generator's number of the line; 0 if it has none
	At    int64  // time of arrival in Unix milliseconds
	Cut   bool   // the response was cut off: the client cannot know that the line arrived
}

// Lines contains the accepted log lines by stream. The zero value is ready to use.
type Lines struct {
	mu      sync.Mutex
	streams map[string][]Entry // by labels, as labels.Labels prints them
	labels  map[string]string  // from labels as sent to labels as labels.Labels prints them
	refused map[string][]Entry // like streams
	total   int
}

// taken is the content of a push.
type taken struct {
	entries int
	stream  string // of the first entry
	refused Entry  // that entry, if it was refused
}

// Hash returns the hash of a line's text, which is stored instead of the text.
func Hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, text) // does not fail
	return h.Sum64()
}

// Seq returns the number in a generator's line, or 0 if there is none.
func Seq(text string) int {
	_, rest, ok := strings.Cut(text, `"seq":`)
	if !ok {
		if _, rest, ok = strings.Cut(text, " "); !ok {
			return 0
		}
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	n, err := strconv.Atoi(rest[:end])
	if err != nil {
		return 0
	}
	return n
}

// take stores the entries of a push without the first refused ones. cut applies to all of them.
func (l *Lines) take(body []byte, refused int, cut bool) (taken, error) {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return taken{}, fmt.Errorf("push of %d bytes: %w", len(body), err)
	}
	var req push.PushRequest
	if err := req.Unmarshal(raw); err != nil {
		return taken{}, fmt.Errorf("push of %d bytes: %w", len(body), err)
	}
	now := time.Now().UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams == nil {
		l.streams, l.refused, l.labels = make(map[string][]Entry), make(map[string][]Entry), make(map[string]string)
	}
	var t taken
	for _, s := range req.Streams {
		name, err := l.name(s.Labels)
		if err != nil {
			return t, err
		}
		if t.stream == "" {
			t.stream = s.Labels
		}
		for _, e := range s.Entries {
			t.entries++
			entry := Entry{e.Timestamp.UnixNano(), Hash(e.Line), Seq(e.Line), now, cut}
			if t.entries <= refused {
				t.refused = entry
				l.refused[name] = append(l.refused[name], entry)
				continue
			}
			l.streams[name] = append(l.streams[name], entry)
			l.total++
		}
	}
	if t.entries == 0 {
		return t, errors.New("a push without entries")
	}
	return t, nil
}

// name returns the labels of a stream as labels.Labels prints them. l.mu is held.
func (l *Lines) name(sent string) (string, error) {
	if name, ok := l.labels[sent]; ok {
		return name, nil
	}
	ls, err := parser.NewParser(parser.Options{}).ParseMetric(sent)
	if err != nil {
		return "", fmt.Errorf("stream %s: %w", sent, err)
	}
	l.labels[sent] = ls.String()
	return ls.String(), nil
}

// Taken returns the number of lines that arrived; a line that arrived twice counts twice.
func (l *Lines) Taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Forget deletes the lines of a stream; Taken still counts them.
func (l *Lines) Forget(labels string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, labels)
	delete(l.refused, labels)
}

// Streams returns the lines by labels, in the order in which they arrived.
func (l *Lines) Streams() map[string][]Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return view(l.streams)
}

// Refused returns the lines that RefuseEvery has refused, in the same form.
func (l *Lines) Refused() map[string][]Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return view(l.refused)
}

// view copies a map of slices that are only ever appended to.
func view[T any](m map[string][]T) map[string][]T {
	out := make(map[string][]T, len(m))
	for name, s := range m {
		out[name] = s[:len(s):len(s)]
	}
	return out
}
