package journal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
)

// spied is a file that tells when its header is read.
type spied struct {
	io.ReaderAt
	read func()
}

func (s *spied) ReadAt(b []byte, at int64) (int, error) {
	if at == 0 && len(b) < 1000 && s.read != nil { // not a window
		s.read()
	}
	return s.ReaderAt.ReadAt(b, at)
}

// Whenever entries are written while files are looked at one after the other, their order is that of their
// numbers.
func TestOrderOfLooks(t *testing.T) {
	for write := 1; write <= 6; write++ { // while which of the headers is read
		dir := t.TempDir()
		f := newFiles([]string{dir}, machineID, &marks{source: map[journalfile.ID]mark{}}, slog.New(slog.DiscardHandler), prometheus.NewCounter(prometheus.CounterOpts{}))
		var writers []*journaltest.Writer
		seqnum, reads := uint64(0), 0
		add := func(which int) {
			seqnum++
			if err := writers[which].Append(journaltest.Entry{Seqnum: seqnum, Realtime: seqnum, Monotonic: seqnum, Fields: []string{"MESSAGE=x"}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"a", "b", "c"} {
			path := filepath.Join(dir, name)
			w, err := journaltest.Create(path, journaltest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			writers = append(writers, w)
			r, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			spy := &spied{ReaderAt: r}
			j, err := journalfile.New(spy, &f.windows)
			if err != nil {
				t.Fatal(err)
			}
			spy.read = func() {
				if reads++; reads == write {
					for i := range 7 {
						add(i * 2 % 3)
					}
				}
			}
			f.open = append(f.open, &file{File: j, path: path, handle: r, started: true})
		}
		for i := range 4 {
			add(i % 3)
		}
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-time.Hour)); err != nil { // the listing is whole
			t.Fatal(err)
		}
		var got []uint64
		for {
			if _, err := f.look(); err != nil {
				t.Fatal(err)
			}
			if f.unsettled > 0 {
				t.Fatal("the directory has changed")
			}
			for {
				_, e, err := f.nextEntry(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if e == nil {
					break
				}
				got = append(got, e.Seqnum)
			}
			if !f.bounded && reads >= write {
				break
			}
		}
		if len(got) != 11 || !slices.IsSorted(got) {
			t.Errorf("written while header %d is read: %d", write, got)
		}
		f.close()
	}
}

// Whenever journald copies the runtime journal to the disk while files are looked at one after the other, each
// entry is given once, in the order of the clock.
func TestFlushBetweenLooks(t *testing.T) {
	for flush := 1; flush <= 16; flush++ { // while which of 8 headers is read, in each order of the files
		base := t.TempDir()
		roots := []string{filepath.Join(base, "var"), filepath.Join(base, "run")}
		f := newFiles(roots, machineID, &marks{source: map[journalfile.ID]mark{}}, slog.New(slog.DiscardHandler), prometheus.NewCounter(prometheus.CounterOpts{}))
		var writers []*journaltest.Writer
		var runtime []journaltest.Entry
		seqnums := make([]uint64, 2)
		write := func(which int, e journaltest.Entry) {
			seqnums[which]++
			e.Seqnum = seqnums[which]
			if err := writers[which].Append(e); err != nil {
				t.Fatal(err)
			}
		}
		n := uint64(0)
		entry := func() journaltest.Entry {
			n++
			return journaltest.Entry{Realtime: n / 3, Monotonic: n / 3, Boot: journalfile.ID{1}, Fields: []string{fmt.Sprintf("MESSAGE=%d", n)}}
		}
		add := func() {
			runtime = append(runtime, entry())
			write(1, runtime[len(runtime)-1])
		}
		reads := 0
		spy := func() {
			reads++
			if reads != (flush+1)/2 {
				return
			}
			for range 6 {
				add()
			}
			for _, e := range runtime {
				write(0, e)
			}
			for range 3 {
				write(0, entry())
			}
		}
		for i, root := range roots {
			if err := os.Mkdir(root, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(root, "a")
			w, err := journaltest.Create(path, journaltest.Options{Source: journalfile.ID{byte(i + 1)}})
			if err != nil {
				t.Fatal(err)
			}
			writers = append(writers, w)
			r, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			watched := &spied{ReaderAt: r}
			j, err := journalfile.New(watched, &f.windows)
			if err != nil {
				t.Fatal(err)
			}
			watched.read = spy
			f.open = append(f.open, &file{File: j, path: path, root: root, handle: r, started: true})
			if err := os.Chtimes(root, time.Time{}, time.Now().Add(-time.Hour)); err != nil { // the listing is whole
				t.Fatal(err)
			}
		}
		if flush%2 == 0 {
			slices.Reverse(f.open)
		}
		for range 5 {
			add()
		}
		var got []string
		for {
			if _, err := f.look(); err != nil {
				t.Fatal(err)
			}
			for {
				one, e, err := f.nextEntry(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if e == nil {
					break
				}
				offsets, err := one.Fields(e, nil)
				if err != nil {
					t.Fatal(err)
				}
				text, _, err := one.Field(offsets[0], nil, 100, func([]byte) bool { return true })
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(text))
			}
			if !f.bounded && reads >= (flush+1)/2 {
				break
			}
		}
		var want []string
		for i := range 14 {
			want = append(want, fmt.Sprintf("MESSAGE=%d", i+1))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("case %d (-want +got):\n%s", flush, diff)
		}
		f.close()
	}
}
