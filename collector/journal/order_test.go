package journal

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

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
		time.Sleep(2 * unsettled)
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
