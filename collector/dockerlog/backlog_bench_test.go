package dockerlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/dockerlog"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// BenchmarkBacklog reads the log of a stopped container, from the body of the Engine's response to batches
// that are acknowledged at once. One operation is one line.
func BenchmarkBacklog(b *testing.B) {
	for _, oldEngine := range []bool{false, true} {
		for _, size := range []int{10, 200, 2000} {
			b.Run(fmt.Sprintf("old=%t/bytes=%d", oldEngine, size), func(b *testing.B) {
				var log, last []byte
				const lines = 20_000
				for i := range lines {
					stamp := time.Unix(1767323045, int64(i)*1_234_567).UTC().Format("2006-01-02T15:04:05.000000000Z")
					text := stamp + " " + string(bytes.Repeat([]byte("x"), size)) + "\n"
					last = append(binary.BigEndian.AppendUint32([]byte{1, 0, 0, 0}, uint32(len(text))), text...)
					log = append(log, last...)
				}
				b.SetBytes(int64(len(log) / lines))
				b.ReportAllocs()
				b.ResetTimer()
				for n := 0; n < b.N; n += lines {
					t := dockerlog.New(&lighter.Container{ID: "1", Name: "api", OldEngine: oldEngine}, lighter.NewStream(labels.FromStrings("stream", "stdout")), nil, dockerlog.Options{
						Engine: heldLog{log, last},
						Options: tail.Options{
							Positions: position.InMemory(), Logs: deliveredAtOnce{}, Buffers: &tail.Buffers{}, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
							Logger: slog.New(slog.DiscardHandler), MaxLineBytes: 256 << 10, Patience: time.Second,
						},
					})
					if err := t.Run(b.Context()); !errors.Is(err, tail.ErrStopped) || t.Status().Read != lines {
						b.Fatal(err, t.Status().Read)
					}
				}
			})
		}
	}
}

// heldLog is an Engine with the log of a stopped container, and the last frame of it.
type heldLog struct{ log, last []byte }

func (e heldLog) OpenLogs(_ context.Context, _ string, _ int64, _ bool, last int) (io.ReadCloser, error) {
	if last > 0 {
		return io.NopCloser(bytes.NewReader(e.last)), nil
	}
	return io.NopCloser(bytes.NewReader(e.log)), nil
}

func (heldLog) Inspect(context.Context, string) (*lighter.Container, error) {
	return &lighter.Container{}, nil
}

// deliveredAtOnce releases each batch at once.
type deliveredAtOnce struct{}

func (deliveredAtOnce) Append(context.Context, *lighter.Batch) error { return nil }
