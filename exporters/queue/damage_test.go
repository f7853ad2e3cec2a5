package queue_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/exporters/queue"
)

// segmentOf returns a segment with records of the bodies, and where each begins.
func segmentOf(tb testing.TB, bodies ...string) (b []byte, offsets []int) {
	tb.Helper()
	dir := tb.TempDir()
	f := open(tb, dir)
	at := queue.SegmentHeaderBytes
	for _, body := range bodies {
		f.mustAppend(tb, 0, []byte(body))
		offsets = append(offsets, at)
		at += queue.HeaderBytes + len(body)
	}
	b = mustRead(tb, queue.SegmentPath(dir, 0))
	if len(b) != at {
		tb.Fatalf("%d bytes, want %d", len(b), at)
	}
	return b, append(offsets, at)
}

var threeBodies = []string{"the first", "the second, which is longer", "3rd"}

// However a crash cuts the file, the complete records come out, and the next record is found after it is
// appended.
func TestEveryTornTailIsCut(t *testing.T) {
	whole, offsets := segmentOf(t, threeBodies...)
	for n := range len(whole) {
		records := 0
		for records < len(threeBodies) && offsets[records+1] <= n {
			records++
		}
		for name, tail := range map[string]int{"cut": 0, "zeros": 50} {
			if records < len(threeBodies) && n >= offsets[records]+queue.HeaderBytes && n+tail >= offsets[records+1] {
				continue // zeros that a sound header counts as its body are a damaged record
			}
			dir := t.TempDir()
			mustWrite(t, queue.SegmentPath(dir, 0), slices.Concat(whole[:n], make([]byte, tail)))
			f := open(t, dir)
			f.mustAppend(t, 0, []byte("new"))
			want := append(slices.Clone(threeBodies[:records]), "new")
			if diff := cmp.Diff(want, f.drain(t, 0)); diff != "" {
				t.Fatalf("%s at %d: records (-want +got):\n%s", name, n, diff)
			}
			torn := n + tail - offsets[records]
			if n+tail < queue.SegmentHeaderBytes {
				torn = 0
			} else if n < queue.SegmentHeaderBytes {
				continue // its header is damaged, too
			}
			said := fmt.Sprintf("file=%s offset=%d bytes=%d", queue.SegmentPath(dir, 0), offsets[records], torn)
			if (torn > 0) != strings.Contains(f.log.String(), said) || warnings(f.log.String()) != min(torn, 1) {
				t.Fatalf("%s at %d: want %q if it is torn, log:\n%s", name, n, said, &f.log)
			}
			_ = f.Close()
			f = open(t, dir)
			if diff := cmp.Diff(want, f.drain(t, 0)); diff != "" || f.log.Len() > 0 {
				t.Fatalf("%s at %d, opened again: log:\n%s\nrecords (-want +got):\n%s", name, n, &f.log, diff)
			}
		}
	}
}

// A changed byte loses at most the record that contains it.
func TestEveryTurnedByteCostsARecordAtMost(t *testing.T) {
	whole, offsets := segmentOf(t, threeBodies...)
	for at := range whole {
		hit := -1
		for hit+1 < len(threeBodies) && offsets[hit+1] <= at {
			hit++
		}
		want := slices.Clone(threeBodies)
		inState := hit >= 0 && at == offsets[hit]+3
		if hit >= 0 && !inState {
			want = slices.Delete(want, hit, hit+1)
		}
		for _, turn := range []byte{0x01, 0x80, 0xff} {
			dir := t.TempDir()
			b := slices.Clone(whole)
			b[at] ^= turn
			mustWrite(t, queue.SegmentPath(dir, 0), b)
			f := open(t, dir)
			if diff := cmp.Diff(want, f.drain(t, 0)); diff != "" {
				t.Fatalf("byte %d ^ %#x: records (-want +got):\n%s", at, turn, diff)
			}
			if !inState && warnings(f.log.String()) != 1 {
				t.Fatalf("byte %d ^ %#x: want one warning, log:\n%s", at, turn, &f.log)
			}
			inBody := hit >= 0 && at >= offsets[hit]+queue.HeaderBytes
			if n := f.dropped[queue.ReasonDamaged]; inBody != (n == [2]int{1, 1}) {
				t.Fatalf("byte %d ^ %#x: dropped = %v, want one: %t", at, turn, n, inBody)
			}
			_ = f.Close()
			if f = open(t, dir); len(f.dropped) > 0 {
				t.Fatalf("byte %d ^ %#x: dropped = %v when opened again", at, turn, f.dropped)
			}
			_ = f.Close()
		}
	}
}

// What looks like a record inside a body, or was copied from elsewhere, is not a record.
func TestACopyOfARecordIsNone(t *testing.T) {
	whole, offsets := segmentOf(t, "inner")
	record := string(whole[offsets[0]:])
	host, at := segmentOf(t, "first", strings.Repeat("-", 100)+record+"-", "last")
	for name, b := range map[string][]byte{
		"in a body whose header is damaged": func() []byte { b := slices.Clone(host); b[at[1]+5] ^= 1; return b }(),
		"in another place":                  slices.Concat(host[:at[1]], []byte(record), host[at[1]:]),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mustWrite(t, queue.SegmentPath(dir, 0), b)
			f := open(t, dir)
			for _, body := range f.drain(t, 0) {
				if body == "inner" {
					t.Errorf("the copy came out")
				}
			}
		})
	}
	dir := t.TempDir()
	mustWrite(t, queue.SegmentPath(dir, 1), whole)
	if got := open(t, dir).drain(t, 0); len(got) != 0 {
		t.Errorf("a segment under another's name gave %q", got)
	}
}

// Damage in the middle of a large segment, across the pieces in which it is read.
func TestWhatFollowsTheDamageIsRead(t *testing.T) {
	var bodies []string
	for i := range 40 {
		bodies = append(bodies, string(body(i, i*500)))
	}
	_, offsets := segmentOf(t, bodies[:12]...)
	dir := t.TempDir()
	f := open(t, dir, maxBytes(64<<20))
	for _, b := range bodies {
		f.mustAppend(t, 0, []byte(b))
	}
	_ = f.Close()
	path := queue.SegmentPath(dir, 0)
	b := mustRead(t, path)
	from, to := offsets[3]+2, offsets[11]+7
	clear(b[from:to])
	mustWrite(t, path, b)
	f = open(t, dir, maxBytes(64<<20))
	want := slices.Concat(bodies[:3], bodies[12:])
	if diff := cmp.Diff(want, f.drain(t, 0)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if want := fmt.Sprintf("offset=%d bytes=%d", offsets[3], offsets[12]-offsets[3]); !strings.Contains(f.log.String(), want) {
		t.Errorf("want %q in the log:\n%s", want, &f.log)
	}
}

// The next record is found, wherever it is in the pieces that are read.
func TestARecordAcrossTheEdgeIsFound(t *testing.T) {
	for at := queue.WindowBytes - queue.HeaderBytes - 2; at < queue.WindowBytes+3; at++ {
		// The search begins one byte after the damaged header, and so does the piece.
		size := at + 1 - queue.HeaderBytes
		dir := t.TempDir()
		f := open(t, dir, maxBytes(64<<20))
		f.mustAppend(t, 0, make([]byte, size))
		f.mustAppend(t, 0, []byte("found"))
		_ = f.Close()
		b := mustRead(t, queue.SegmentPath(dir, 0))
		b[queue.SegmentHeaderBytes+5] ^= 1
		mustWrite(t, queue.SegmentPath(dir, 0), b)
		if got := open(t, dir, maxBytes(64<<20)).drain(t, 0); len(got) != 1 || got[0] != "found" {
			t.Errorf("a record %d bytes into the piece: %d records came, want it", at, len(got))
		}
	}
}

// A record that is damaged while it waits is detected when it is read, counted, and not returned again.
func TestDamageFoundByBody(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, path string){
		"turned byte": func(t *testing.T, path string) {
			b := mustRead(t, path)
			b[queue.SegmentHeaderBytes+queue.HeaderBytes] ^= 1
			mustWrite(t, path, b)
		},
		"cut file": func(t *testing.T, path string) {
			if err := os.Truncate(path, queue.SegmentHeaderBytes); err != nil {
				t.Fatal(err)
			}
		},
		"file gone": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir, maxBytes(16<<10))
			f.mustAppend(t, 0, body(0, 100))
			f.mustAppend(t, 0, body(1, 1000)) // a segment of its own
			harm(t, queue.SegmentPath(dir, 0))
			r, _ := f.poll(t, 0)
			if b, err := r.Body(nil); err == nil || len(b) != 0 || !strings.Contains(err.Error(), queue.SegmentPath(dir, 0)) {
				t.Errorf("body = %q, err = %v, want one with the file", b, err)
			}
			f.Return(r)
			if n := f.dropped[queue.ReasonDamaged]; n != [2]int{1, 1} {
				t.Errorf("dropped = %v, want 1 record of 1 item", n)
			}
			if diff := cmp.Diff([]string{string(body(1, 1000))}, f.drain(t, 0)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// A start does not read all of a file that is too large to be valid.
func TestAHugeFileIsCut(t *testing.T) {
	dir := t.TempDir()
	path := queue.SegmentPath(dir, 0)
	whole, _ := segmentOf(t, "x")
	mustWrite(t, path, whole)
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skipf("the file system has no sparse files: %v", err)
	}
	f := open(t, dir)
	if got := f.drain(t, 0); len(got) != 1 || diskUse(t, dir) != int64(len(whole)) {
		t.Errorf("records = %q in %d bytes, want one in %d", got, diskUse(t, dir), len(whole))
	}
}

// FuzzOpen reads any bytes as a segment, followed by a record with valid checksums and any content: Open
// does not fail, readable records come out, and the queue works.
func FuzzOpen(f *testing.F) {
	whole, offsets := segmentOf(f, threeBodies...)
	for _, b := range [][]byte{
		nil, whole, whole[:offsets[2]+10], queue.AppendSegmentHeader(nil, 2),
		slices.Concat(whole[:offsets[1]], whole[offsets[2]:]),
		slices.Concat(whole[:offsets[1]], make([]byte, 100), whole[offsets[1]:]),
	} {
		f.Add(b, uint32(4), uint32(1), uint64(0), int64(0), []byte("body"))
		f.Add(b, uint32(1<<31), uint32(1<<31), uint64(1<<63), int64(-1<<63), []byte("much shorter"))
	}
	f.Fuzz(func(t *testing.T, b []byte, length, items uint32, key uint64, time int64, after []byte) {
		dir := t.TempDir()
		mustWrite(t, queue.SegmentPath(dir, 0), queue.AppendRecord(b, length, items, key, time, after))
		q, err := tryOpen(dir)
		if errors.Is(err, queue.ErrVersion) && strings.HasPrefix(string(b), "lighterQ") {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		q.mustAppend(t, 0, []byte("new"))
		first := q.drain(t, 0)
		if len(first) == 0 || first[len(first)-1] != "new" {
			t.Fatalf("records = %q, want the new one at the end", first)
		}
		if int(length) == len(after) && len(b) >= queue.SegmentHeaderBytes && !slices.Contains(first, string(after)) && !strings.Contains(q.log.String(), "it is cut") {
			t.Fatalf("records = %q, want %q among them; log: %s", first, after, &q.log)
		}
		q.Stats()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		q = open(t, dir)
		if diff := cmp.Diff(first, q.drain(t, 0)); diff != "" {
			t.Fatalf("opened again: records (-want +got):\n%s", diff)
		}
		_ = q.Close()
	})
}
