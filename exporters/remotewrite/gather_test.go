package remotewrite

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/exporters/endpoint"
	"lighter/exporters/queue"
)

var linger = endpoint.Pace{Least: minLinger, Most: time.Second}

// packedOf returns a block of n samples that takes about size bytes.
func packedOf(n, size int) packed {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i*i>>3 ^ n) // hardly compressible
	}
	return packed{body: appendPacked(nil, lighter.Block{Body: body, Samples: n}), samples: n}
}

// TestShardSleeps: blocks that do not fill a request wake the shard once. It then takes the waiting blocks
// when the first is old enough, or at once when they fill a request.
func TestShardSleeps(t *testing.T) {
	for name, tc := range map[string]struct {
		more, samples int           // blocks, each of so many samples
		last          time.Duration // how long ago the last request was
		within        time.Duration
	}{
		"few":                {10, 5, 0, linger.Most},
		"few, after a pause": {10, 5, linger.Most, linger.Least},
		"few, between":       {10, 5, linger.Most / 4, linger.Most - linger.Most/4},
		"full":               {9, 10, 0, 0},
		"beyond":             {7, 13, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBuffer(1, 1<<20, linger.Most, nil, &endpoint.Losses{})
				var items []item
				b.queues[0].last = time.Now().Add(-tc.last)
				start := time.Now()
				took := time.Duration(-1)
				go func() {
					items, _, _ = b.take(t.Context(), 0, 100)
					took = time.Since(start)
				}()
				push := func(samples int) {
					if !b.push(0, []packed{packedOf(samples, 100)}) {
						t.Fatal("the buffer is closed")
					}
					synctest.Wait()
				}
				synctest.Wait()
				push(10)
				for i := range tc.more {
					if n := len(b.queues[0].memory); n != i {
						t.Fatalf("%d blocks wait after %d, want all but the first: the shard was woken", n, i+1)
					}
					push(tc.samples)
				}
				time.Sleep(2 * linger.Most)
				synctest.Wait()
				if took != tc.within {
					t.Errorf("a request is made after %s, want %s", took, tc.within)
				}
				if want := min(1+tc.more, 1+90/tc.samples); len(items) != want {
					t.Errorf("it has %d blocks, want %d", len(items), want)
				}
			})
		})
	}
}

// TestBodiesAreApart: the blocks left over from one request keep their bytes while the next is gathered.
func TestBodiesAreApart(t *testing.T) {
	q, err := queue.Open(queue.Options{
		Dir: t.TempDir(), MaxBytes: 64 << 20, Lanes: 1, Full: queue.DropOldest,
		Dropped: func(string, int, int) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := newBuffer(1, 1<<20, linger.Most, &endpoint.Disk{Queue: q}, &endpoint.Losses{})
	var blocks []packed
	for _, size := range []int{100, 1000, 10_000, 500, 50_000, 2000, 30, 70_000} {
		blocks = append(blocks, packedOf(20, size))
	}
	if !b.push(0, blocks) {
		t.Fatal("the buffer is closed")
	}
	b.close()
	for n := 0; n < len(blocks); {
		items, ok, err := b.take(t.Context(), 0, 30)
		if !ok || err != nil {
			t.Fatalf("take after %d: %v, %v", n, ok, err)
		}
		for _, it := range items {
			if !bytes.Equal(it.body, blocks[n].body) {
				t.Errorf("record %d is not what it was", n)
			}
			n++
		}
		if err := b.done(0, items); err != nil {
			t.Fatal(err)
		}
	}
	b.finish()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}
