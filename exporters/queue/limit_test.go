package queue_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"lighter/exporters/queue"
)

func TestRefuseWhenFull(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, maxBytes(64<<10), lanes(2))
	n := 0
	var err error
	for ; err == nil && n < 1000; n++ {
		err = f.Append(uint64(n), 1, body(n, 1000))
	}
	n--
	if !errors.Is(err, queue.ErrFull) || n < 55 {
		t.Fatalf("after %d records: %v, want ErrFull after about 60", n, err)
	}
	if st := f.Stats(); st.Records != n || st.Bytes > 64<<10 || diskUse(t, dir) != st.Bytes {
		t.Errorf("stats = %+v, on disk %d, want %d records in 65536 bytes", st, diskUse(t, dir), n)
	}
	for range 10 { // one segment's worth
		for lane := range 2 {
			r, _ := f.mustNext(t, lane)
			if err := f.Ack(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Append(0, 1, body(n, 1000)); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if n := sum(f.dropped); n != 0 {
		t.Errorf("%d records dropped", n)
	}
}

func diskUse(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, file := range segments(t, dir) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

func TestTooLarge(t *testing.T) {
	for name, tc := range map[string]struct {
		size int
		want error
	}{
		"just fits":   {1000 - queue.HeaderBytes - queue.SegmentHeaderBytes, nil},
		"a byte more": {1000 - queue.HeaderBytes - queue.SegmentHeaderBytes + 1, queue.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, t.TempDir(), maxBytes(1000), dropOldest)
			f.mustAppend(t, 0, []byte("small"))
			if err := f.Append(0, 1, make([]byte, tc.size)); !errors.Is(err, tc.want) {
				t.Errorf("err = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestDropOldestOverAllLanes(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, maxBytes(64<<10), lanes(3), dropOldest)
	const n = 500
	for i := range n {
		if err := f.Append(uint64(i), 2, body(i, 1000)); err != nil {
			t.Fatal(err)
		}
		if use := diskUse(t, dir); use > 64<<10 {
			t.Fatalf("after %d records: %d bytes on disk", i, use)
		}
	}
	st, dropped := f.Stats(), f.dropped[queue.ReasonFull]
	if st.Records+dropped[0] != n || dropped[1] != 2*dropped[0] || st.Items != 2*st.Records || st.Records < 50 {
		t.Errorf("%+v and %v dropped of %d records, two items each", st, dropped, n)
	}
	for lane := range 3 {
		first := dropped[0] + (lane-dropped[0]%3+3)%3 // the oldest number of the lane that is not dropped
		for i, b := range f.drain(t, lane) {
			if want := fmt.Sprintf("%06d", first+3*i); b[:6] != want {
				t.Fatalf("lane %d: record %d is %s, want %s", lane, i, b[:6], want)
			}
		}
	}
}

// However much of a segment was acknowledged before it is dropped, the totals are right.
func TestDropOldestCountsWhatWaits(t *testing.T) {
	f := open(t, t.TempDir(), maxBytes(64<<10), dropOldest)
	acked := 0
	for i := range 500 {
		if err := f.Append(0, 2, body(i, 500)); err != nil {
			t.Fatal(err)
		}
		if i%3 != 0 {
			continue
		}
		r, _ := f.mustNext(t, 0)
		if i%2 == 0 {
			if err := f.Ack(r); err != nil {
				t.Fatal(err)
			}
			acked++
		} else {
			f.Return(r)
		}
		st, dropped := f.Stats(), f.dropped[queue.ReasonFull]
		if st.Records+dropped[0]+acked != i+1 || st.Items != 2*st.Records || dropped[1] != 2*dropped[0] {
			t.Fatalf("after %d records: %+v, %v dropped, %d acknowledged", i+1, st, dropped, acked)
		}
	}
	if f.dropped[queue.ReasonFull][0] == 0 || acked == 0 {
		t.Fatalf("dropped %v and acknowledged %d, want some of both", f.dropped, acked)
	}
}

// A record that is taken when its segment is dropped may still be delivered; it is lost and counted only if
// it is returned.
func TestDropOldestLeavesWhatIsTaken(t *testing.T) {
	f := open(t, t.TempDir(), maxBytes(16<<10), dropOldest)
	for i := range 3 {
		f.mustAppend(t, 0, body(i, 100))
	}
	delivered, _ := f.mustNext(t, 0)
	returned, _ := f.mustNext(t, 0)
	for i := 3; f.dropped[queue.ReasonFull][0] == 0 && i < 1000; i++ {
		f.mustAppend(t, 0, body(i, 100))
	}
	count := f.dropped[queue.ReasonFull][0]
	if _, err := returned.Body(nil); err == nil {
		t.Error("the body of a dropped record is read")
	}
	if err := f.Ack(delivered); err != nil {
		t.Fatal(err)
	}
	if got := f.dropped[queue.ReasonFull][0]; got != count {
		t.Errorf("a delivered record is counted as dropped")
	}
	for range 2 {
		f.Return(returned)
	}
	if got := f.dropped[queue.ReasonFull][0]; got != count+1 {
		t.Errorf("dropped = %d, want %d with the returned one", got, count+1)
	}
	if first := f.drain(t, 0)[0]; first[:6] != fmt.Sprintf("%06d", 2+count) {
		t.Errorf("next is %s, want %06d", first[:6], 2+count)
	}
}

func TestASmallerLimitIsObeyed(t *testing.T) {
	for name, tc := range map[string]struct {
		policy  func(*queue.Options)
		wantErr error
	}{
		"drop the oldest": {dropOldest, nil},
		"refuse":          {func(*queue.Options) {}, queue.ErrFull},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir)
			for i := range 800 {
				f.mustAppend(t, 0, body(i, 1000))
			}
			_ = f.Close()
			f = open(t, dir, maxBytes(256<<10), tc.policy)
			if st := f.Stats(); tc.wantErr == nil && st.Bytes > 256<<10 {
				t.Errorf("after Open: %+v, want 262144 bytes at most", st)
			}
			if err := f.Append(0, 1, body(800, 1000)); !errors.Is(err, tc.wantErr) {
				t.Errorf("Append: err = %v, want %v", err, tc.wantErr)
			}
			st, dropped := f.Stats(), f.dropped[queue.ReasonFull][0]
			if tc.wantErr == nil && (st.Bytes > 256<<10 || st.Records+dropped != 801) {
				t.Errorf("%+v, %d dropped, want 801 together in 262144 bytes", st, dropped)
			}
			if tc.wantErr != nil && (st.Records != 800 || dropped != 0) {
				t.Errorf("%+v, %d dropped, want all 800", st, dropped)
			}
		})
	}
}

func TestAcknowledgedSegmentsAreDeleted(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	for i := range 700 {
		f.mustAppend(t, 0, body(i, 1000))
	}
	full := len(segments(t, dir))
	var stuck queue.Record
	for i := range 700 {
		r, _ := f.mustNext(t, 0)
		if i == 0 {
			stuck = r
			continue
		}
		if err := f.Ack(r); err != nil {
			t.Fatal(err)
		}
	}
	if left := len(segments(t, dir)); full < 8 || left > 2 {
		t.Errorf("%d segments of %d are left; want the one with the stuck record, and the active one", left, full)
	}
	if got := f.Stats().Oldest; !got.Equal(stuck.Time) {
		t.Errorf("oldest = %s, want %s", got, stuck.Time)
	}
	if n := f.IndexEntries(); n > 200 {
		t.Errorf("the index has %d entries for one record", n)
	}
}

// A queue that becomes empty after each record keeps its file small.
func TestSteadyStateStaysSmall(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, maxBytes(1<<20))
	for i := range 1000 {
		f.mustAppend(t, 0, body(i, 1000))
		r, _ := f.mustNext(t, 0)
		if err := f.Ack(r); err != nil {
			t.Fatal(err)
		}
		if use := diskUse(t, dir); use > 32<<10 {
			t.Fatalf("after %d records, all acknowledged: %d bytes on disk", i+1, use)
		}
	}
}

// Acknowledged records do not remain when the next record needs a new file.
func TestAnEmptySegmentIsNotLeftBehind(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	f.mustAppend(t, 0, []byte("small"))
	r, _ := f.mustNext(t, 0)
	if err := f.Ack(r); err != nil {
		t.Fatal(err)
	}
	f.mustAppend(t, 0, body(0, 100_000)) // larger than a segment
	if files := segments(t, dir); len(files) != 1 {
		t.Errorf("segments = %v, want one", files)
	}
}

// Acknowledged records do not use up room for later ones, whatever the policy.
func TestAnEmptySegmentMakesRoom(t *testing.T) {
	f := open(t, t.TempDir(), maxBytes(2000))
	f.mustAppend(t, 0, body(0, 400))
	r, _ := f.mustNext(t, 0)
	f.mustAppend(t, 0, body(1, 10)) // still in its way
	if err := f.Append(0, 1, body(2, 1600)); !errors.Is(err, queue.ErrFull) {
		t.Errorf("err = %v, want ErrFull", err)
	}
	if err := f.Ack(r); err != nil {
		t.Fatal(err)
	}
	f.mustAppend(t, 0, body(2, 1600))
}

func TestAnEmptyActiveSegmentMakesRoom(t *testing.T) {
	f := open(t, t.TempDir(), maxBytes(1<<20))
	f.mustAppend(t, 0, body(0, 1000))
	r, _ := f.mustNext(t, 0)
	if err := f.Ack(r); err != nil {
		t.Fatal(err)
	}
	f.mustAppend(t, 0, body(1, 1<<20-100)) // with the other it would be too much
}

// An agent that crashes repeatedly does not create a file each time.
func TestRestartsGoOnInTheLastSegment(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		f := open(t, dir)
		f.mustAppend(t, 0, body(i, 0))
		dir = crash(t, dir)
	}
	if files := segments(t, dir); len(files) != 1 {
		t.Errorf("segments = %v, want one", files)
	}
	if n := len(open(t, dir).drain(t, 0)); n != 20 {
		t.Errorf("%d records, want 20", n)
	}
}

func TestOldestIsTheOldestThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, t.TempDir(), lanes(2))
		start := time.Now()
		for i := range 3 {
			f.mustAppend(t, uint64(i), body(i, 0))
			time.Sleep(time.Hour)
		}
		one, _ := f.mustNext(t, 1)
		zero, _ := f.mustNext(t, 0)
		for i, r := range []queue.Record{one, zero} {
			if got := f.Stats().Oldest.Sub(start); got != 0 {
				t.Errorf("before acknowledgement %d the oldest is %s after the first", i, got)
			}
			if err := f.Ack(r); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.Stats().Oldest.Sub(start); got != 2*time.Hour {
			t.Errorf("the oldest is %s after the first, want 2h", got)
		}
		if two, _ := f.mustNext(t, 0); !two.Time.Equal(start.Add(2 * time.Hour)) {
			t.Errorf("time = %s, want %s", two.Time, start.Add(2*time.Hour))
		}
	})
}
