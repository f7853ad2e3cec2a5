package position_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lighter/collector/position"
)

// disk is the file system of a Store, which can fail.
type disk struct {
	mu     sync.Mutex
	fails  error         // error of writing, or nil
	hangs  chan struct{} // if not nil, Sync waits until it is closed
	tries  int           // number of created files
	waiter chan struct{} // receives a value when Sync waits
}

func (d *disk) set(fails error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails, d.tries = fails, 0
}

func (d *disk) created() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tries
}

func (d *disk) create(path string) (position.File, error) {
	d.mu.Lock()
	d.tries++
	d.mu.Unlock()
	f, err := position.CreateFile(path)
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d, path}, nil
}

type diskFile struct {
	position.File
	disk *disk
	path string
}

func (f *diskFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	err := f.disk.fails
	f.disk.mu.Unlock()
	if err != nil {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, &fs.PathError{Op: "write", Path: f.path, Err: err}
	}
	return f.File.Write(b)
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	hangs := f.disk.hangs
	f.disk.mu.Unlock()
	if hangs != nil {
		f.disk.waiter <- struct{}{}
		<-hangs
	}
	return f.File.Sync()
}

func (d *disk) open(t *testing.T, dir string, log *bytes.Buffer) *position.Store {
	t.Helper()
	s, err := position.OpenWith(dir, slog.New(slog.NewTextHandler(log, nil)), d.create)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// acknowledge moves a log's position to a line.
func acknowledge(c *position.Cursor, line int64) {
	ack, _ := c.Begin(line, at(line))
	ack()
}

// A temporarily full disk does not delay acknowledgements, and is retried now and then.
func TestAJournalThatCannotBeWrittenIsTriedAgainAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		var log bytes.Buffer
		dir := t.TempDir()
		s := d.open(t, dir, &log)
		c := s.Cursor("a")
		acknowledge(c, 1)
		d.set(syscall.ENOSPC)
		line := int64(1)
		for range 3600 {
			for range 10 {
				line++
				acknowledge(c, line)
			}
			time.Sleep(time.Second)
		}
		if n := d.created(); n < 60 || n > 150 {
			t.Errorf("the journal was written anew %d times in an hour, want about one every half minute", n)
		}
		if got := c.Acked(); got != at(line) {
			t.Errorf("acked = %s, want %s", got, at(line))
		}
		if got := onDisk(t, dir, "a"); got != at(1) {
			t.Errorf("on disk = %s, want what was there before", got)
		}
		if s := log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "positions cannot be written") {
			t.Errorf("want it said once:\n%s", s)
		}

		d.set(nil)
		time.Sleep(time.Minute) // in which nothing is acknowledged
		if got := onDisk(t, dir, "a"); got != at(line) {
			t.Errorf("a minute after there is room again: on disk = %s, want %s", got, at(line))
		}
		acknowledge(c, line+1)
		if got := onDisk(t, dir, "a"); got != at(line+1) || d.created() != 1 {
			t.Errorf("on disk = %s, want %s; written anew %d times, want once", got, at(line+1), d.created())
		}
		if s := log.String(); strings.Count(s, "\n") != 2 || !strings.Contains(s, "positions are written again") {
			t.Errorf("want the recovery said once:\n%s", s)
		}

		d.set(syscall.ENOSPC)
		acknowledge(c, line+2)
		d.set(nil)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := onDisk(t, dir, "a"); got != at(line+2) {
			t.Errorf("after a stop: on disk = %s, want %s", got, at(line+2))
		}
	})
}

// A stop needs the disk only for what is not yet written.
func TestAStopOnAFullDisk(t *testing.T) {
	for name, tc := range map[string]struct {
		lines int64 // acknowledged when the disk is full
		want  error
	}{"with all that is needed": {0, nil}, "with what is not written": {5, syscall.ENOSPC}} {
		t.Run(name, func(t *testing.T) {
			var d disk
			var log bytes.Buffer
			dir := t.TempDir()
			s := d.open(t, dir, &log)
			c := s.Cursor("a")
			acknowledge(c, 1)
			d.set(syscall.ENOSPC)
			for i := range tc.lines {
				acknowledge(c, 2+i)
			}
			if err := s.Close(); !errors.Is(err, tc.want) {
				t.Errorf("Close = %v, want %v", err, tc.want)
			}
			if got := onDisk(t, dir, "a"); got != at(1) {
				t.Errorf("on disk = %s, want %s", got, at(1))
			}
		})
	}
}

// Positions are read whether or not the disk is writable.
func TestAStartOnADiskThatTakesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool // whether Open succeeds
	}{
		"full":       {syscall.ENOSPC, true},
		"over quota": {syscall.EDQUOT, true},
		"broken":     {syscall.EIO, true},
		"read-only":  {syscall.EROFS, false},
		"forbidden":  {syscall.EACCES, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				before := open(t, dir)
				acknowledge(before.Cursor("a"), 7)
				if err := before.Close(); err != nil {
					t.Fatal(err)
				}
				d := disk{fails: tc.err}
				var log bytes.Buffer
				s, err := position.OpenWith(dir, slog.New(slog.NewTextHandler(&log, nil)), d.create)
				if got := onDisk(t, dir, "a"); got != at(7) {
					t.Errorf("on disk = %s, want what was there", got)
				}
				if _, err := os.Stat(filepath.Join(dir, "positions.jsonl.tmp")); err == nil {
					t.Error("half a journal is left on a disk without room")
				}
				if !tc.want {
					if !errors.Is(err, tc.err) || log.Len() > 0 {
						t.Errorf("err = %v, want %v, and nothing logged: %s", err, tc.err, &log)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := s.Acked("a"); got != at(7) {
					t.Errorf("acked = %s, want %s", got, at(7))
				}
				acknowledge(s.Cursor("a"), 8)
				time.Sleep(time.Hour)
				if n := strings.Count(log.String(), "\n"); n != 1 {
					t.Errorf("want it said once:\n%s", &log)
				}
				d.set(nil)
				time.Sleep(time.Minute)
				if got := onDisk(t, dir, "a"); got != at(8) {
					t.Errorf("when there is room again: on disk = %s, want %s", got, at(8))
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The journal grows too large and is rewritten on a slow disk. In the meantime positions move, and they are
// on disk if the process is killed then.
func TestNothingWaitsForTheDiskWhileTheJournalIsWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disk{waiter: make(chan struct{})}
		var log bytes.Buffer
		dir := t.TempDir()
		s := d.open(t, dir, &log)
		big, small := s.Cursor(strings.Repeat("a", 64)), s.Cursor("b")
		release := make(chan struct{})
		d.mu.Lock()
		d.hangs = release
		d.mu.Unlock()

		grown := make(chan struct{})
		go func() {
			defer close(grown)
			for i := range int64(20_000) {
				acknowledge(big, i+1)
			}
		}()
		<-d.waiter // it has been written up to here, and now it hangs
		for i := range int64(20) {
			acknowledge(small, i+1)
			if got := onDisk(t, dir, "b"); got != at(i+1) {
				t.Fatalf("on disk = %s, want %s", got, at(i+1))
			}
		}
		if s.Oldest() != 0 || s.Acked("b") != at(20) {
			t.Errorf("oldest = %d, acked = %s", s.Oldest(), s.Acked("b"))
		}
		d.mu.Lock()
		d.hangs = nil
		d.mu.Unlock()
		close(release)
		<-grown
		for id, want := range map[string]int64{strings.Repeat("a", 64): 20_000, "b": 20} {
			if got := onDisk(t, dir, id); got != at(want) {
				t.Errorf("%.4s: on disk = %s, want %s", id, got, at(want))
			}
		}
		if st, err := os.Stat(filepath.Join(dir, "positions.jsonl")); err != nil || st.Size() > 2<<20 {
			t.Errorf("size = %d, err = %v, want at most 2 MiB", st.Size(), err)
		}
		if err := s.Close(); err != nil || log.Len() > 0 {
			t.Errorf("Close = %v; log: %s", err, &log)
		}
	})
}

// Positions move from many goroutines while the journal is rewritten again and again.
func TestConcurrentAcknowledgements(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var g sync.WaitGroup
	for n := range 8 {
		id := fmt.Sprint(n, strings.Repeat("x", 200))
		g.Go(func() {
			c := s.Cursor(id)
			for i := range int64(3000) {
				acknowledge(c, i+1)
			}
		})
	}
	g.Wait()
	for n := range 8 {
		if got := onDisk(t, dir, fmt.Sprint(n, strings.Repeat("x", 200))); got != at(3000) {
			t.Errorf("%d: on disk = %s, want %s", n, got, at(3000))
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// If only the smaller journal that should replace the large one cannot be created, positions are still
// written, and the log does not say otherwise.
func TestALargeJournalThatCannotBeReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disk{}
		var log bytes.Buffer
		dir := t.TempDir()
		s, err := position.OpenWith(dir, slog.New(slog.NewTextHandler(&log, nil)), func(path string) (position.File, error) {
			d.mu.Lock()
			err := d.fails
			d.mu.Unlock()
			if err != nil {
				return nil, &fs.PathError{Op: "open", Path: path, Err: err}
			}
			return position.CreateFile(path)
		})
		if err != nil {
			t.Fatal(err)
		}
		d.set(syscall.ENOSPC)
		c := s.Cursor(strings.Repeat("a", 64))
		for i := range int64(20_000) {
			acknowledge(c, i+1)
		}
		time.Sleep(time.Hour)
		if got := onDisk(t, dir, strings.Repeat("a", 64)); got != at(20_000) {
			t.Errorf("on disk = %s, want %s", got, at(20_000))
		}
		if s := log.String(); strings.Count(s, "\n") != 1 || strings.Contains(s, "positions cannot be written") || !strings.Contains(s, "positions are still written") {
			t.Errorf("want it logged once that positions are still written:\n%s", s)
		}
		d.set(nil)
		time.Sleep(time.Minute)
		acknowledge(c, 20_001)
		if st, err := os.Stat(filepath.Join(dir, "positions.jsonl")); err != nil || st.Size() > 1000 {
			t.Errorf("size = %d, err = %v, want a small file when there is room", st.Size(), err)
		}
		if s := log.String(); strings.Count(s, "\n") != 2 || strings.Contains(s, "positions are written again") {
			t.Errorf("want the recovery logged once, and not that positions are written again:\n%s", s)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
