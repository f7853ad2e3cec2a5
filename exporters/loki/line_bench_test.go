package loki

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/filelog"
	"lighter/collector/inotify"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// BenchmarkLine measures the way of a log line from the bytes of a json-file log to the compressed push
// request, and the same with libraries only: encoding/json, time.Parse, push.PushRequest and snappy. A
// request has 1 MiB.
func BenchmarkLine(b *testing.B) {
	const lines = 20_000
	for name, of := range map[string]string{
		"plain": `GET /api/v1/orders?id=17 200 12ms 10.0.0.7 - Mozilla/5.0 (X11; Linux x86_64) `,
		"json":  `{"level":"info","ts":"2026-01-02T03:04:05Z","msg":"request","path":"/api","status":200,"took":12},`,
	} {
		log := jsonFile(lines, strings.Repeat(of, 4)[:200])
		perLine := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
		}
		b.Run(name+"/lighter", func(b *testing.B) {
			root := b.TempDir()
			file := filepath.Join(root, "log")
			if err := os.WriteFile(file, log, 0o600); err != nil {
				b.Fatal(err)
			}
			s := &pushSink{}
			o := filelog.Options{
				Options: tail.Options{
					Positions: position.InMemory(), Logs: s, Buffers: &tail.Buffers{}, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
					Logger: slog.New(slog.DiscardHandler), MaxLineBytes: 256 << 10, Patience: time.Second,
				},
				Root: root, Containers: stopped{}, Watcher: &inotify.Watcher{},
			}
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c := &lighter.Container{ID: fmt.Sprint(i)}
				path := filelog.Path(root, c)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					b.Fatal(err)
				}
				if err := os.Link(file, path); err != nil {
					b.Fatal(err)
				}
				out := lighter.NewStream(labels.FromStrings("service", "api", "stream", "stdout"))
				t := filelog.New(c, out, nil, o)
				if err := t.Run(b.Context()); err != tail.ErrStopped {
					b.Fatal(err)
				}
				if s.flush(); t.Status().Delivered != lines {
					b.Fatalf("%d lines delivered, want %d", t.Status().Delivered, lines)
				}
			}
			perLine(b)
		})
		b.Run(name+"/reference", func(b *testing.B) {
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				if err := reference(log); err != nil {
					b.Fatal(err)
				}
			}
			perLine(b)
		})
	}
}

func jsonFile(lines int, text string) []byte {
	var b []byte
	for i := range lines {
		line, _ := json.Marshal(struct {
			Log    string    `json:"log"`
			Stream string    `json:"stream"`
			Time   time.Time `json:"time"`
		}{text + "\n", "stdout", time.Unix(1767323045, int64(i)*1_234_567).UTC()})
		b = append(append(b, line...), '\n')
	}
	return b
}

// pushSink makes push requests of the batches it gets, as an Endpoint does.
type pushSink struct {
	packer  packer
	batches []*lighter.Batch
	bytes   int
}

func (s *pushSink) Append(_ context.Context, b *lighter.Batch) error {
	b.Hold()
	s.batches = append(s.batches, b)
	if s.bytes += b.Bytes; s.bytes >= 1<<20 {
		s.flush()
	}
	return nil
}

func (s *pushSink) flush() {
	text := func(st *lighter.Stream) string { return st.Text(s, labels.EmptyLabels()) }
	s.packer.pack(s.batches, text)
	for _, b := range s.batches {
		b.Done()
	}
	clear(s.batches)
	s.batches, s.bytes = s.batches[:0], 0
}

type stopped struct{}

func (stopped) Container(id string) (*lighter.Container, bool) {
	return &lighter.Container{ID: id}, true
}

// reference makes push requests of a log using only libraries.
func reference(log []byte) error {
	var entries []push.Entry
	size := 0
	flush := func() error {
		r := push.PushRequest{Streams: []push.Stream{{Labels: `{service="api", stream="stdout"}`, Entries: entries}}}
		raw, err := r.Marshal()
		snappy.Encode(nil, raw)
		entries, size = entries[:0], 0
		return err
	}
	for line := range bytes.Lines(log) {
		var v struct{ Log, Stream, Time string }
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		at, err := time.Parse(time.RFC3339Nano, v.Time)
		if err != nil {
			return err
		}
		entries = append(entries, push.Entry{Timestamp: at, Line: strings.TrimSuffix(v.Log, "\n")})
		if size += len(v.Log); size >= 1<<20 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
