package filelog

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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/inotify"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// The kinds of lines in logs. text returns one of n bytes.
var kinds = []struct {
	name string
	text func(n int) string
}{
	{"plain", func(n int) string {
		return fill(n, `GET /api/v1/orders?id=17 200 12ms 10.0.0.7 - Mozilla/5.0 (X11; Linux x86_64) `)
	}},
	{"json", func(n int) string {
		return fill(n, `{"level":"info","ts":"2026-01-02T03:04:05Z","msg":"request","path":"/api","status":200,"took":12},`)
	}},
	{"utf8", func(n int) string {
		return fill(n, `Auftrag für Müller über 3 € ausgeführt, danke schön – tschüß. `)
	}},
}

func fill(n int, of string) string { return strings.Repeat(of, n/len(of)+1)[:n] }

// logOf returns the given number of records, each of a line of n bytes.
func logOf(lines, n int, text func(int) string) []byte {
	var b []byte
	for i := range lines {
		at := time.Unix(1767323045, int64(i)*1_234_567).UnixNano()
		b = append(b, jsonLine(at, "stdout", strings.ToValidUTF8(text(n), "")+"\n")...)
	}
	return b
}

// BenchmarkScan measures scanning a line of the file for its time, stream and text, and compares it with
// encoding/json.
func BenchmarkScan(b *testing.B) {
	for _, kind := range kinds {
		for _, n := range []int{50, 200, 2000} {
			lines := bytes.SplitAfter(logOf(256, n, kind.text), newline)
			scratch := make([]byte, 0, 64<<10)
			run := func(name string, scan func([]byte) (record, error)) {
				b.Run(fmt.Sprintf("%s/bytes=%d/%s", kind.name, n, name), func(b *testing.B) {
					b.SetBytes(int64(len(lines[0])))
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						line := append(scratch[:0], lines[i%256]...) // scan writes into it
						if _, err := scan(line[:len(line)-1]); err != nil {
							b.Fatal(err)
						}
						i++
					}
				})
			}
			run("scanner", new(scanner).scan)
			run("reference", slowScan)
		}
	}
}

// BenchmarkRead measures a line from the file to an entry in a batch that is handed on and acknowledged,
// including the reading and the position's journal.
func BenchmarkRead(b *testing.B) {
	for _, kind := range kinds {
		for _, n := range []int{50, 200, 2000} {
			const lines = 20_000
			b.Run(fmt.Sprintf("%s/bytes=%d", kind.name, n), func(b *testing.B) {
				root, data := b.TempDir(), b.TempDir()
				positions, err := position.Open(data, slog.New(slog.DiscardHandler))
				if err != nil {
					b.Fatal(err)
				}
				defer positions.Close()
				log := logOf(lines, n, kind.text)
				file := filepath.Join(root, "log")
				if err := os.WriteFile(file, log, 0o600); err != nil {
					b.Fatal(err)
				}
				o := Options{
					Options: tail.Options{
						Positions: positions, Logs: discard{}, Buffers: &tail.Buffers{}, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
						Logger: slog.New(slog.DiscardHandler), MaxLineBytes: 256 << 10, Patience: time.Second,
					},
					Root: root, Containers: stopped{}, Watcher: &inotify.Watcher{},
				}
				b.SetBytes(int64(len(log)))
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					b.StopTimer()
					c := &lighter.Container{ID: fmt.Sprint(i), Name: "api"}
					i++
					path := Path(root, c)
					if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
						b.Fatal(err)
					}
					if err := os.Link(file, path); err != nil {
						b.Fatal(err)
					}
					t := New(c, lighter.NewStream(labels.FromStrings("a", "b")), nil, o)
					b.StartTimer()
					if err := t.Run(b.Context()); err != tail.ErrStopped || t.Status().Delivered != lines {
						b.Fatal(err, t.Status())
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
			})
		}
	}
}

// BenchmarkReference does the work of BenchmarkRead with encoding/json and time.Parse.
func BenchmarkReference(b *testing.B) {
	for _, kind := range kinds {
		const lines, n = 20_000, 200
		log := logOf(lines, n, kind.text)
		b.Run(fmt.Sprintf("%s/bytes=%d", kind.name, n), func(b *testing.B) {
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				entries := make([]lighter.Entry, 0, 256)
				for line := range bytes.Lines(log) {
					var v struct{ Log, Stream, Time string }
					if err := json.Unmarshal(line, &v); err != nil {
						b.Fatal(err)
					}
					at, err := time.Parse(time.RFC3339Nano, v.Time)
					if err != nil {
						b.Fatal(err)
					}
					if len(entries) == cap(entries) {
						entries = entries[:0]
					}
					entries = append(entries, lighter.Entry{Time: at.UnixNano(), Line: []byte(strings.TrimSuffix(v.Log, "\n"))})
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
		})
	}
}

// discard acknowledges batches at once.
type discard struct{}

func (discard) Append(_ context.Context, b *lighter.Batch) error {
	return nil
}

type stopped struct{}

func (stopped) Container(id string) (*lighter.Container, bool) {
	return &lighter.Container{ID: id}, true
}
