package remotewrite

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/exporters/queue"
)

// recordOf is a record of n samples that takes about size bytes.
func recordOf(n, size int) record {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i*i>>3 ^ n) // what hardly compresses
	}
	return record{body: appendRecord(nil, lighter.Block{Body: body, Samples: n}), samples: n}
}

// TestShardSleeps: records that do not fill a request wake the shard once; then it takes what
// has come when the first is old enough, or at once when that fills a request.
func TestShardSleeps(t *testing.T) {
	for name, tc := range map[string]struct {
		more, samples int // records, each of so many samples
		within        time.Duration
	}{
		"few":    {10, 5, linger},
		"full":   {9, 10, 0},
		"beyond": {7, 13, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBuffer(1, 1<<20, nil, &events{})
				var items []item
				start := time.Now()
				took := time.Duration(-1)
				go func() {
					items, _, _ = b.take(t.Context(), 0, 100)
					took = time.Since(start)
				}()
				push := func(samples int) {
					if !b.push(0, []record{recordOf(samples, 100)}) {
						t.Fatal("the buffer is closed")
					}
					synctest.Wait()
				}
				synctest.Wait()
				push(10)
				for i := range tc.more {
					if n := len(b.lines[0].memory); n != i {
						t.Fatalf("%d records wait after %d, want all but the first: the shard was woken", n, i+1)
					}
					push(tc.samples)
				}
				time.Sleep(2 * linger)
				synctest.Wait()
				if took != tc.within {
					t.Errorf("a request is made after %s, want %s", took, tc.within)
				}
				if want := min(1+tc.more, 1+90/tc.samples); len(items) != want {
					t.Errorf("it has %d records, want %d", len(items), want)
				}
			})
		})
	}
}

// TestBodiesAreApart: what is left of one request keeps its bytes while the next is gathered.
func TestBodiesAreApart(t *testing.T) {
	disk, err := queue.Open(queue.Options{
		Dir: t.TempDir(), MaxBytes: 64 << 20, Lanes: 1, Full: queue.DropOldest, MemoryBytes: recentBytes,
		Dropped: func(string, int, int) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := newBuffer(1, 1<<20, disk, &events{})
	var records []record
	for _, size := range []int{100, 1000, 10_000, 500, 50_000, 2000, 30, 70_000} {
		records = append(records, recordOf(20, size))
	}
	if !b.push(0, records) {
		t.Fatal("the buffer is closed")
	}
	b.close()
	for n := 0; n < len(records); {
		items, ok, err := b.take(t.Context(), 0, 30)
		if !ok || err != nil {
			t.Fatalf("take after %d: %v, %v", n, ok, err)
		}
		for _, it := range items {
			if !bytes.Equal(it.body, records[n].body) {
				t.Errorf("record %d is not what it was", n)
			}
			n++
		}
		if err := b.done(0, items); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.finish(); err != nil {
		t.Fatal(err)
	}
}
