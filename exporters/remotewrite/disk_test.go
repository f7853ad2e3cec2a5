package remotewrite_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"

	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
)

// TestCleanStop: what cannot be flushed stays on disk, in order, and is not lost.
func TestCleanStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var scrape int64
		backend := receiver.New(receiver.Options{})
		for life := range 3 {
			var away atomic.Bool
			away.Store(life < 2)
			e := mustNewWith(t, onDisk(dir), &network{to: backend, away: &away})
			stop := e.run(t)
			for range 10 {
				scrape++
				for target := range 5 {
					e.mustAppend(t, uint64(target), gauges(t, target, 20, scrape))
				}
				time.Sleep(time.Second)
			}
			stop()
			st := e.Status()
			if len(st.Dropped) > 0 || strings.Contains(e.log.String(), "lost") {
				t.Errorf("life %d: status %+v, log:\n%s", life, st, e.log)
			}
		}
		checkSequence(t, backend, 5, 20, scrape)
		if n := backend.WriteStats().Repeated; n > 0 {
			t.Errorf("%d samples came twice", n)
		}
	})
}

// TestDiskIsBounded: the oldest samples are dropped and counted, and the newest stay.
func TestDiskIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := onDisk(t.TempDir())
		cfg.MaxBytes = 200_000
		var away atomic.Bool
		away.Store(true)
		backend := receiver.New(receiver.Options{})
		e := mustNewWith(t, cfg, &network{to: backend, away: &away})
		stop := e.run(t)
		const scrapes, targets, series = 500, 3, 100
		for scrape := range int64(scrapes) {
			for target := range targets {
				e.mustAppend(t, uint64(target), gauges(t, target, series, scrape+1))
			}
			if b := e.Status().Waiting.Bytes; b > cfg.MaxBytes {
				t.Fatalf("%d bytes wait, over the limit of %d", b, cfg.MaxBytes)
			}
			time.Sleep(10 * time.Millisecond)
		}
		away.Store(false)
		time.Sleep(5 * time.Minute)
		stop()
		st := e.Status()
		lost := st.Dropped["buffer_full"]
		if lost == 0 || lost != e.dropped(t, "buffer_full") || st.Delivered+lost != scrapes*targets*series || backend.WriteStats().OutOfOrder > 0 {
			t.Errorf("status %+v, %d counted as dropped, %d out of order: sent and lost must be %d together", st, e.dropped(t, "buffer_full"), backend.WriteStats().OutOfOrder, scrapes*targets*series)
		}
		for _, one := range backend.Series() {
			if last := one.Samples[len(one.Samples)-1]; last.Value != scrapes {
				t.Errorf("the last sample is of %v: the newest must stay", last.Value)
			}
		}
		if n := strings.Count(e.log.String(), "the buffer is full"); n != 1 {
			t.Errorf("the full buffer is logged %d times, want once", n)
		}
	})
}

// TestDiskFails: while the disk fails, samples go through memory, in order, and when it works again they go
// to disk.
func TestDiskFails(t *testing.T) {
	for seed := range 8 {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testDiskFails(t, seed) })
		})
	}
}

func testDiskFails(t *testing.T, seed int) {
	const targets, series = 5, 20
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	backend := receiver.New(receiver.Options{})
	dir, scrape := t.TempDir(), int64(0)
	var away, failing atomic.Bool
	lost, repeatable := int64(0), 0
	for life := range 3 {
		cfg := onDisk(dir)
		cfg.Shards = 2
		cfg.SamplesPerSend = 150
		net := &network{to: backend, away: &away}
		e := mustNewWith(t, cfg, net)
		e.BreakDisk(func() error {
			if failing.Load() {
				return errors.New("no space left on device")
			}
			return nil
		})
		stop := e.run(t)
		for range 60 {
			if random.IntN(5) == 0 {
				failing.Store(!failing.Load())
			}
			if random.IntN(5) == 0 {
				away.Store(!away.Load())
			}
			scrape++
			for target := range targets {
				e.mustAppend(t, uint64(target), gauges(t, target, series, scrape))
			}
			time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		}
		if life == 2 {
			away.Store(false)
			time.Sleep(5 * time.Minute)
		}
		failing.Store(false)
		stop()
		repeatable += net.kill()
		st := e.Status()
		for reason, n := range st.Dropped {
			if reason != "shutdown" {
				t.Errorf("%d samples are dropped: %s", n, reason)
			}
			lost += n
		}
		if st.Waiting.Items > 0 && life == 2 {
			t.Errorf("%d samples wait at the end", st.Waiting.Items)
		}
	}
	// Only samples that were taken from memory, not sent at a stop, and overtaken by the disk are lost, and
	// they are counted, even if the backend had them and its response was not awaited. All others arrive,
	// in order.
	st := backend.WriteStats()
	all := int64(st.Samples) + lost
	if all < scrape*targets*series || all > scrape*targets*series+int64(repeatable) || st.OutOfOrder > 0 || st.Repeated > repeatable {
		t.Errorf("%d samples arrived and %d are lost of %d; %d out of order, %d twice", st.Samples, lost, scrape*targets*series, st.OutOfOrder, st.Repeated)
	}
	for _, one := range backend.Series() {
		for i := 1; i < len(one.Samples); i++ {
			if one.Samples[i].Value <= one.Samples[i-1].Value {
				t.Fatalf("%s: after %v comes %v", one.Labels, one.Samples[i-1].Value, one.Samples[i].Value)
			}
		}
	}
}

// TestDiskFailsAndSays: the failure is logged once, memory is limited, and the gauge shows where data
// waits.
func TestDiskFailsAndSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := onDisk(t.TempDir())
		cfg.BufferBytes = 20_000
		cfg.SamplesPerSend = 100 // one block is taken, and one more is being sent
		var away, failing atomic.Bool
		away.Store(true)
		failing.Store(true)
		backend := receiver.New(receiver.Options{})
		e := mustNewWith(t, cfg, &network{to: backend, away: &away})
		e.BreakDisk(func() error {
			if failing.Load() {
				return errors.New("read-only file system")
			}
			return nil
		})
		stop := e.run(t)
		scrape := int64(0)
		some := func(n int) {
			for range n {
				scrape++
				e.mustAppend(t, 0, gauges(t, 0, 100, scrape))
			}
		}
		some(200)
		if m, d := e.gauge(t, "memory"), e.gauge(t, "disk"); m == 0 || m > float64(cfg.BufferBytes) || d > 100 {
			t.Errorf("%v bytes in memory, %v on disk; want some, and nearly none", m, d)
		}
		lost := e.dropped(t, "buffer_full")
		if lost == 0 {
			t.Error("nothing is counted as dropped")
		}
		failing.Store(false)
		some(1)
		if m, d := e.gauge(t, "memory"), e.gauge(t, "disk"); m > 2000 || d < 10_000 {
			t.Errorf("%v bytes in memory, %v on disk; want what is taken, and the rest", m, d)
		}
		away.Store(false)
		time.Sleep(5 * time.Minute)
		if m := e.gauge(t, "memory"); m != 0 {
			t.Errorf("%v bytes in memory after all is sent", m)
		}
		stop()
		if n := int64(backend.WriteStats().Samples); n+lost != scrape*100 {
			t.Errorf("%d samples arrived and %d are lost of %d", n, lost, scrape*100)
		}
		for text, want := range map[string]int{"the disk does not take samples": 1, "the disk takes samples again": 1, "the buffer is full": 1, "the buffer has room again": 1} {
			if n := strings.Count(e.log.String(), text); n != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", text, n, want, e.log)
			}
		}
	})
}

// TestUnreadableDisk: data that cannot be read is logged, makes the endpoint not ready after a minute, and
// is sent when it can be read, or counted when it is gone.
func TestUnreadableDisk(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprint("gone=", gone), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testUnreadableDisk(t, gone) })
		})
	}
}

func testUnreadableDisk(t *testing.T, gone bool) {
	cfg := onDisk(t.TempDir())
	e := mustNew(t, cfg)
	e.receiver.Respond(always(503, "away"))
	stop := e.run(t)
	e.mustAppend(t, 0, block(t, "a", 10, 1))
	stop()
	files, err := filepath.Glob(filepath.Join(cfg.Dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, err = %v", files, err)
	}
	e = mustNew(t, cfg)
	if err := os.Rename(files[0], cfg.Dir+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(files[0], 0o700); err != nil { // can be opened, but not read
		t.Fatal(err)
	}
	stop = e.run(t)
	time.Sleep(2*time.Minute + time.Second/2) // between two attempts
	if err := e.Err(); err == nil || !strings.Contains(err.Error(), files[0]) {
		t.Errorf("ready: err = %v, want what cannot be read", err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	delivered, lost := int64(0), int64(10)
	if !gone {
		delivered, lost = 10, 0
		if err := os.Rename(cfg.Dir+".aside", files[0]); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Second)
	if st := e.Status(); e.Err() != nil || st.Delivered != delivered || st.Dropped["buffer_damaged"] != lost || st.Waiting.Items != 0 {
		t.Errorf("afterwards: err = %v, status = %+v", e.Err(), st)
	}
	for _, want := range []string{"is a directory", "can be read again"} {
		if n := strings.Count(e.log.String(), want); n != 1 {
			t.Errorf("%q is said %d times, want once:\n%s", want, n, e.log)
		}
	}
	stop()
}

// TestStopWritesMemory: data in memory at a clean stop is written to the disk if that works.
func TestStopWritesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := onDisk(t.TempDir())
		cfg.SamplesPerSend = 100
		backend := receiver.New(receiver.Options{})
		var away, failing atomic.Bool
		for life := range 2 {
			away.Store(life == 0)
			e := mustNewWith(t, cfg, &network{to: backend, away: &away})
			e.BreakDisk(func() error {
				if failing.Load() {
					return errors.New("no space left on device")
				}
				return nil
			})
			stop := e.run(t)
			for i := range int64(10) {
				failing.Store(life == 0 && i > 0)
				e.mustAppend(t, 0, gauges(t, 0, 50, int64(life)*10+i+1))
				time.Sleep(time.Second)
			}
			failing.Store(false)
			stop()
			if st := e.Status(); len(st.Dropped) > 0 {
				t.Errorf("life %d: status %+v", life, st)
			}
		}
		checkSequence(t, backend, 1, 50, 20)
	})
}

// TestForeignRecords: records of another version in an unknown form are dropped and counted, and the rest
// is sent.
func TestForeignRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := onDisk(t.TempDir())
		q, err := queue.Open(queue.Options{Dir: cfg.Dir, MaxBytes: cfg.MaxBytes, Lanes: 1, Full: queue.DropOldest, Dropped: func(string, int, int) {}})
		if err != nil {
			t.Fatal(err)
		}
		old := append([]byte{0}, snappy.Encode(nil, gauges(t, 0, 7, 1).Body)...) // the form without a header
		today := func(body ...byte) []byte { return stored.Append(nil, stored.Header{Items: 7}, body) }
		for _, record := range [][]byte{{}, old, today(0x80, 1, 2, 3), today(), today(0), today(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), today(1, 5, 1, 2, 3), today(old...)} {
			if err := q.Append(0, 7, record); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		backend := receiver.New(receiver.Options{})
		var away atomic.Bool
		cfg.Version = 2
		e := mustNewWith(t, cfg, &network{to: backend, away: &away})
		stop := e.run(t)
		time.Sleep(10 * time.Second)
		e.mustAppend(t, 0, gauges(t, 0, 7, 2))
		time.Sleep(10 * time.Second)
		stop()
		checkSequence(t, backend, 1, 7, 2)
		if n := e.dropped(t, "buffer_format"); n != 7*7 {
			t.Errorf("%d samples are dropped, want 49; log:\n%s", n, e.log)
		}
		if n := strings.Count(e.log.String(), "another version of lighter"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, e.log)
		}
		if st := e.Status(); st.Waiting.Items != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

// TestStoredTenant: data on disk is sent for its tenant.
func TestStoredTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := onDisk(t.TempDir())
		backend := receiver.New(receiver.Options{})
		got := map[string]int{}
		var mu sync.Mutex
		backend.Respond(func(r *http.Request, body []byte) (int, http.Header, string, bool) {
			req, err := receiver.DecodeWrite(body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[r.Header.Get("X-Scope-OrgID")] += len(req.Timeseries)
			return 0, nil, "", false
		})
		var away atomic.Bool
		for life, tenant := range []string{"a", "", "b"} {
			away.Store(life < 2)
			cfg.Tenant = tenant
			e := mustNewWith(t, cfg, &network{to: backend, away: &away})
			stop := e.run(t)
			e.mustAppend(t, 0, gauges(t, 0, 7+life, int64(life+1)))
			time.Sleep(10 * time.Second)
			stop()
		}
		if diff := cmp.Diff(map[string]int{"a": 7, "": 8, "b": 9}, got); diff != "" {
			t.Errorf("samples by tenant (-want +got):\n%s", diff)
		}
	})
}

func TestNewRefusesADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := mustNew(t, testConfig()).options
	for name, cfg := range map[string]remotewrite.Config{
		"that is a file": onDisk(filepath.Join(file, "metrics")),
		"without room":   func() remotewrite.Config { c := onDisk(t.TempDir()); c.MaxBytes = 0; return c }(),
	} {
		if _, err := remotewrite.New(cfg, o); err == nil || !strings.HasPrefix(err.Error(), "remote write cloud: ") {
			t.Errorf("a directory %s: err = %v", name, err)
		}
	}
}
