package queue_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lighter/exporters/queue"
)

// modelRecord is a record in a simple list.
type modelRecord struct {
	key   uint64
	body  string
	taken bool
	r     queue.Record // while it is taken
}

// model does the same to a list as a test does to the queue, and compares.
type model struct {
	t       *testing.T
	r       *rand.Rand
	f       *fixture
	records []*modelRecord // not acknowledged, in order
	n       int            // appended so far
	failing bool           // writes fail
	unborn  uint64         // segments that a crash left without records
}

// Random appends, deliveries, returns, crashes and full disks: what was appended and not acknowledged comes
// out once, in the order of its lane.
func TestAgainstAModel(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, r: rand.New(rand.NewPCG(seed, 1))}
			m.reopen(t.TempDir())
			for range 600 {
				switch n := m.r.IntN(100); {
				case n < 40:
					m.append()
				case n < 65:
					m.next()
				case n < 88:
					m.ack()
				case n < 93:
					m.giveBack()
				case n < 96:
					m.failing = !m.failing
				case n < 98:
					m.crash()
				case n < 99:
					if err := m.f.Close(); err != nil {
						t.Fatal(err)
					}
					m.reopen(m.f.opts.Dir)
				default:
					m.clear()
				}
				m.check()
			}
			m.crash()
			m.check()
			for m.next() {
			}
			if i := slices.IndexFunc(m.records, func(rec *modelRecord) bool { return !rec.taken }); i >= 0 {
				t.Fatalf("%q never came", head(m.records[i].body))
			}
			m.clear()
			if err := m.f.Close(); err != nil {
				t.Fatal(err)
			}
			if left := segments(t, m.f.opts.Dir); len(left) > 0 {
				t.Errorf("files of an empty queue: %v", left)
			}
		})
	}
}

// reopen opens dir with other settings; no record is taken any more.
func (m *model) reopen(dir string) {
	m.t.Helper()
	m.f = open(m.t, dir, lanes(1+m.r.IntN(5)), maxBytes(1<<20+int64(m.r.IntN(1<<22))))
	if m.f.log.Len() > 0 && !strings.Contains(m.f.log.String(), "not a whole record") {
		m.t.Fatalf("log: %s", &m.f.log)
	}
	m.failing = false
	for _, rec := range m.records {
		rec.taken = false
	}
	m.f.SetWriteAt(func(f *os.File, b []byte, offset int64) (int, error) {
		if m.failing && len(b) > 1 { // an acknowledgement overwrites, and needs no room
			n, _ := f.WriteAt(b[:m.r.IntN(len(b))], offset)
			return n, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
		}
		return f.WriteAt(b, offset)
	})
}

// crash continues with what a kill -9 leaves, perhaps in the middle of a write.
func (m *model) crash() {
	m.t.Helper()
	dir := crash(m.t, m.f.opts.Dir)
	if files := segments(m.t, dir); len(files) > 0 && m.r.IntN(2) == 0 {
		last := files[len(files)-1]
		b := mustRead(m.t, last)
		torn := b[min(len(b), queue.SegmentHeaderBytes):]
		mustWrite(m.t, last, append(b, torn[:m.r.IntN(min(len(torn), 40)+1)]...))
	}
	if m.r.IntN(4) == 0 { // or of the making of a file
		m.unborn++
		mustWrite(m.t, queue.SegmentPath(dir, m.unborn<<32), queue.AppendSegmentHeader(nil, 1)[:m.r.IntN(queue.SegmentHeaderBytes+1)])
	}
	_ = m.f.Close()
	m.reopen(dir)
}

func (m *model) append() {
	m.t.Helper()
	size := m.r.IntN(2000)
	if m.r.IntN(20) == 0 {
		size = m.r.IntN(200_000) // more than a segment
	}
	rec := &modelRecord{key: uint64(m.r.IntN(20)), body: string(body(m.n, size))}
	err := m.f.Append(rec.key, size, []byte(rec.body))
	switch {
	case err == nil:
		m.records = append(m.records, rec)
		m.n++
	case m.failing && errors.Is(err, syscall.ENOSPC) && strings.Contains(err.Error(), m.f.opts.Dir) && strings.Contains(err.Error(), "Free space"):
	case errors.Is(err, queue.ErrFull) && m.f.Stats().Bytes > m.f.opts.MaxBytes/2:
	default:
		m.t.Fatalf("append %d: %v (writes fail: %t)", m.n, err, m.failing)
	}
}

// next takes a record from a lane that has one. It returns false if no lane has.
func (m *model) next() bool {
	m.t.Helper()
	count := uint64(m.f.opts.Lanes)
	for _, lane := range m.r.Perm(int(count)) {
		r, ok := m.f.poll(m.t, lane)
		i := slices.IndexFunc(m.records, func(rec *modelRecord) bool { return !rec.taken && rec.key%count == uint64(lane) })
		if ok != (i >= 0) {
			m.t.Fatalf("lane %d: a record came: %t, the model has one: %t", lane, ok, i >= 0)
		}
		if !ok {
			continue
		}
		want := m.records[i]
		b, err := r.Body(nil)
		if err != nil || string(b) != want.body || r.Items != len(want.body)-6 {
			m.t.Fatalf("lane %d: %q with %d items and error %v, want %q", lane, head(string(b)), r.Items, err, head(want.body))
		}
		want.taken, want.r = true, r
		return true
	}
	return false
}

func head(body string) string { return body[:min(6, len(body))] }

// someTaken returns the index of a record that is taken.
func (m *model) someTaken() (int, bool) {
	if len(m.records) == 0 {
		return 0, false
	}
	from := m.r.IntN(min(len(m.records), 10))
	i := slices.IndexFunc(m.records[from:], func(rec *modelRecord) bool { return rec.taken })
	return from + i, i >= 0
}

func (m *model) ack() {
	m.t.Helper()
	if i, ok := m.someTaken(); ok {
		if err := m.f.Ack(m.records[i].r); err != nil {
			m.t.Fatal(err)
		}
		m.records = slices.Delete(m.records, i, i+1)
	}
}

func (m *model) giveBack() {
	if i, ok := m.someTaken(); ok {
		m.f.Return(m.records[i].r)
		m.records[i].taken = false
	}
}

// clear acknowledges everything.
func (m *model) clear() {
	m.t.Helper()
	for m.next() {
	}
	for _, rec := range m.records {
		if err := m.f.Ack(rec.r); err != nil {
			m.t.Fatal(err)
		}
	}
	m.records = nil
}

func (m *model) check() {
	m.t.Helper()
	items := 0
	for _, rec := range m.records {
		items += len(rec.body) - 6
	}
	st := m.f.Stats()
	if st.Records != len(m.records) || st.Items != items || st.Oldest.IsZero() != (len(m.records) == 0) || st.Bytes != diskUse(m.t, m.f.opts.Dir) {
		m.t.Fatalf("%+v, want %d records, %d items, %d bytes", st, len(m.records), items, diskUse(m.t, m.f.opts.Dir))
	}
	if sum(m.f.dropped) > 0 {
		m.t.Fatalf("dropped: %v", m.f.dropped)
	}
}
