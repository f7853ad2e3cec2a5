package queue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/exporters/queue"
)

func TestOptionsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*queue.Options){
		"no bytes":       maxBytes(0),
		"no lanes":       lanes(0),
		"too many lanes": lanes(1<<16 + 1),
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := tryOpen(t.TempDir(), change); err == nil {
				_ = f.Close()
				t.Error("no error")
			}
		})
	}
}

func TestRecordsComeInTheOrderOfTheirLane(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, lanes(2))
	before := time.Now().Truncate(time.Millisecond)
	for i := range 6 {
		if err := f.Append(uint64(i), 10+i, body(i, i)); err != nil {
			t.Fatal(err)
		}
	}
	for lane := range 2 {
		for i := lane; i < 6; i += 2 {
			r, b := f.mustNext(t, lane)
			if diff := cmp.Diff(string(body(i, i)), string(b)); diff != "" || r.Items != 10+i || r.Bytes != len(b) || r.Time.Before(before) || r.Time.After(time.Now()) {
				t.Errorf("lane %d: record = %+v, body (-want +got):\n%s", lane, r, diff)
			}
			if err := f.Ack(r); err != nil {
				t.Fatal(err)
			}
		}
		if r, ok := f.poll(t, lane); ok {
			t.Errorf("lane %d: one more: %+v", lane, r)
		}
	}
	if st := f.Stats(); st.Records != 0 || st.Items != 0 || !st.Oldest.IsZero() {
		t.Errorf("stats = %+v, want none waiting", st)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left := segments(t, dir); len(left) != 0 {
		t.Errorf("files of an empty queue: %v", left)
	}
}

// A key's records stay in order, whatever the next process's number of lanes.
func TestAKeyKeepsItsOrderWhenLanesChange(t *testing.T) {
	const keys, each = 7, 20
	dir := t.TempDir()
	n := 0
	for round, count := range []int{4, 3, 1, 16, 5} {
		f := open(t, dir, lanes(count))
		last, seen := map[byte]string{}, 0
		for lane := range count {
			for _, b := range f.drain(t, lane) {
				if key := b[0]; b <= last[key] {
					t.Fatalf("round %d: %q comes after %q", round, b, last[key])
				}
				last[b[0]] = b
				seen++
			}
		}
		if seen != n {
			t.Fatalf("round %d: %d records, want %d", round, seen, n)
		}
		for range each {
			for key := range keys {
				f.mustAppend(t, uint64(key), fmt.Appendf(nil, "%d %06d", key, n))
				n++
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReturnedRecordsComeFirst(t *testing.T) {
	f := open(t, t.TempDir())
	for i := range 5 {
		f.mustAppend(t, 0, body(i, 0))
	}
	zero, _ := f.mustNext(t, 0)
	one, _ := f.mustNext(t, 0)
	two, _ := f.mustNext(t, 0)
	f.Return(one)
	f.Return(two)
	if err := f.Ack(zero); err != nil {
		t.Fatal(err)
	}
	f.Return(zero) // acknowledged: it must not come again
	if diff := cmp.Diff([]string{"000001", "000002", "000003", "000004"}, f.drain(t, 0)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestSettledRecordsAreSettled(t *testing.T) {
	f := open(t, t.TempDir())
	f.mustAppend(t, 0, body(0, 0))
	f.mustAppend(t, 0, body(1, 0))
	r, _ := f.mustNext(t, 0)
	for range 2 {
		if err := f.Ack(r); err != nil {
			t.Fatal(err)
		}
	}
	if st := f.Stats(); st.Records != 1 {
		t.Errorf("records = %d, want 1", st.Records)
	}
	if _, err := r.Body(nil); err == nil {
		t.Error("an acknowledged record still has a body")
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, t.TempDir(), lanes(2))
		got := make(chan string)
		go func() {
			for {
				r, err := f.Next(t.Context(), 1)
				if err != nil {
					got <- err.Error()
					return
				}
				b, _ := r.Body(nil)
				got <- string(b)
			}
		}()
		synctest.Wait()
		f.mustAppend(t, 0, []byte("other lane"))
		synctest.Wait()
		select {
		case b := <-got:
			t.Fatalf("got %q from the other lane", b)
		default:
		}
		f.mustAppend(t, 1, []byte("mine"))
		if b := <-got; b != "mine" {
			t.Errorf("got %q, want mine", b)
		}
		synctest.Wait()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if b := <-got; b != queue.ErrClosed.Error() {
			t.Errorf("after Close: %q", b)
		}
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, t.TempDir())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := f.Next(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want the context's", err)
		}
	})
}

func TestReturnWakesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, t.TempDir())
		f.mustAppend(t, 0, []byte("again"))
		r, _ := f.mustNext(t, 0)
		got := make(chan error)
		go func() {
			_, err := f.Next(t.Context(), 0)
			got <- err
		}()
		synctest.Wait()
		f.Return(r)
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

func TestClosed(t *testing.T) {
	f := open(t, t.TempDir())
	f.mustAppend(t, 0, body(0, 0))
	r, _ := f.mustNext(t, 0)
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, nextErr := f.Next(t.Context(), 0)
	_, bodyErr := r.Body(nil)
	for what, err := range map[string]error{"Append": f.Append(0, 1, nil), "Next": nextErr, "Body": bodyErr, "Ack": f.Ack(r)} {
		if !errors.Is(err, queue.ErrClosed) {
			t.Errorf("%s: err = %v, want ErrClosed", what, err)
		}
	}
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	names := []string{"notes.txt", "1.segment", "0000000000000000.segment.old", "ffffffffffffffff.segment", "000000000000000G.segment", "00000000000000AA.segment"}
	for _, name := range names {
		mustWrite(t, filepath.Join(dir, name), []byte("mine"))
	}
	if err := os.Mkdir(queue.SegmentPath(dir, 7), 0o700); err != nil {
		t.Fatal(err)
	}
	f := open(t, dir)
	f.mustAppend(t, 0, []byte("x"))
	r, _ := f.mustNext(t, 0)
	if err := errors.Join(f.Ack(r), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if got := mustRead(t, filepath.Join(dir, name)); string(got) != "mine" {
			t.Errorf("%s has become %q", name, got)
		}
	}
	if f.log.Len() > 0 {
		t.Errorf("log: %s", &f.log)
	}
}

func TestAnotherVersionStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	path := queue.SegmentPath(dir, 3)
	newer := append(queue.AppendSegmentHeader(nil, 2), "whatever it may be"...)
	mustWrite(t, path, newer)
	_, err := tryOpen(dir)
	if !errors.Is(err, queue.ErrVersion) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("err = %v, want ErrVersion with the file and its format", err)
	}
	if diff := cmp.Diff(newer, mustRead(t, path)); diff != "" {
		t.Errorf("the file was changed (-want +got):\n%s", diff)
	}
}
