package queue_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"lighter/exporters/queue"
)

// All methods run concurrently, with files that are sealed while they are read, opened again and deleted.
func TestConcurrentUse(t *testing.T) {
	const lanesCount, each = 4, 1500
	f := open(t, t.TempDir(), lanes(lanesCount), maxBytes(256<<10))
	var all sync.WaitGroup
	fail := func(lane, i int, err error) {
		t.Errorf("lane %d, record %d: %v", lane, i, err)
		_ = f.Close() // ends the others
	}
	for lane := range lanesCount {
		all.Go(func() {
			for i := 0; i < each; {
				switch err := f.Append(uint64(lane), 1, body(i, i%10*1500)); {
				case err == nil:
					i++
				case !errors.Is(err, queue.ErrFull):
					fail(lane, i, err)
					return
				}
				f.Stats()
			}
		})
		all.Go(func() {
			var buf []byte
			for i := range each {
				var err error
				if buf, err = deliver(t, f, lane, i%5 == 0, buf[:0]); err == nil && string(buf) != string(body(i, i%10*1500)) {
					err = fmt.Errorf("got %q", head(string(buf)))
				}
				if err != nil {
					fail(lane, i, err)
					return
				}
			}
		})
	}
	all.Wait()
	if st := f.Stats(); st.Records != 0 {
		t.Errorf("%+v, want none", st)
	}
}

// deliver takes a record, returns it first if again is set, and acknowledges it.
func deliver(t *testing.T, f *fixture, lane int, again bool, buf []byte) ([]byte, error) {
	r, err := f.Next(t.Context(), lane)
	if err == nil && again {
		f.Return(r)
		r, err = f.Next(t.Context(), lane)
	}
	if err != nil {
		return nil, err
	}
	if buf, err = r.Body(buf); err != nil {
		return nil, err
	}
	return buf, f.Ack(r)
}
