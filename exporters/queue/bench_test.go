package queue_test

import (
	"fmt"
	"log/slog"
	"testing"

	"lighter/exporters/queue"
)

var benchSizes = []int{200, 4 << 10, 64 << 10, 1 << 20}

// BenchmarkSteady measures a record's whole way while the endpoint keeps up: Append, Next, Body, Ack.
func BenchmarkSteady(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			f := open(b, b.TempDir(), maxBytes(512<<20))
			in, out := body(0, size), []byte(nil)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				f.mustAppend(b, 0, in)
				r, err := f.Next(b.Context(), 0)
				if err != nil {
					b.Fatal(err)
				}
				if out, err = r.Body(out[:0]); err != nil {
					b.Fatal(err)
				}
				if err := f.Ack(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBacklog measures Append while nothing is taken and the oldest records are dropped.
func BenchmarkBacklog(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			f := open(b, b.TempDir(), maxBytes(64<<20), dropOldest)
			in := body(0, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				f.mustAppend(b, 0, in)
			}
		})
	}
}

// BenchmarkOpen measures a start with 64 MiB of waiting records.
func BenchmarkOpen(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			const total = 64 << 20
			dir := b.TempDir()
			f := open(b, dir, maxBytes(2*total))
			for n := 0; n < total; n += size + queue.HeaderBytes {
				f.mustAppend(b, 0, body(0, size))
			}
			_ = f.Close()
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				q, err := queue.Open(queue.Options{Dir: dir, MaxBytes: 2 * total, Lanes: 4, Logger: slog.New(slog.DiscardHandler), Dropped: f.opts.Dropped})
				if err != nil {
					b.Fatal(err)
				}
				_ = q.Close()
			}
		})
	}
}
