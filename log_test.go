package lighter_test

import (
	"bytes"
	"testing"

	"lighter"
)

// The last holder that releases a batch acknowledges it, once.
func TestBatchIsAcknowledgedByItsLastHolder(t *testing.T) {
	acknowledged := 0
	var b lighter.Batch
	for range 2 { // a batch is reused
		acknowledged = 0
		b.Begin(func() { acknowledged++ })
		b.Hold()
		b.Hold()
		b.Done()
		b.Done()
		if acknowledged != 0 {
			t.Fatal("the batch is acknowledged while one holder still has it")
		}
		b.Done()
		if acknowledged != 1 {
			t.Fatalf("the batch is acknowledged %d times, want once", acknowledged)
		}
		b.Reset()
	}
}

// The result of Copy is unchanged when more is copied, whatever the caller appends to it, and counts in the
// batch's memory.
func TestBatchCopy(t *testing.T) {
	var b lighter.Batch
	var want, got [][]byte
	total := 0
	for n := range 300 {
		p := bytes.Repeat([]byte{byte(n)}, n*n%5000)
		want, got = append(want, bytes.Clone(p)), append(got, b.Copy(p))
		total += len(p)
		clear(p)
	}
	for i := range got {
		_ = append(got[i], "overwritten"...)
	}
	for i := range want {
		if !bytes.Equal(want[i], got[i]) {
			t.Fatalf("copy %d is not what was copied", i)
		}
	}
	if b.Bytes < total {
		t.Errorf("Bytes is %d after %d were copied", b.Bytes, total)
	}
}

// A block of memory that a batch keeps when it is used again counts again, once something is copied into it.
func TestBatchCopyAfterReset(t *testing.T) {
	var b lighter.Batch
	b.Copy([]byte("one"))
	first := b.Bytes
	b.Reset()
	if b.Copy(nil); b.Bytes != 0 {
		t.Errorf("Bytes is %d after nothing was copied", b.Bytes)
	}
	for range 2 {
		if b.Copy([]byte("two")); b.Bytes != first {
			t.Errorf("Bytes is %d, want %d", b.Bytes, first)
		}
	}
}

func TestBatchFields(t *testing.T) {
	b := lighter.Batch{Entries: make([]lighter.Entry, 3)}
	value := func(i int) string {
		if f := b.Fields(&b.Entries[i]); len(f) > 0 {
			return f[0].Name + "=" + string(f[0].Value)
		}
		return ""
	}
	b.SetFields(&b.Entries[2], []lighter.Field{{Name: "level", Value: []byte("info")}})
	b.SetFields(&b.Entries[0], nil)
	b.SetFields(&b.Entries[1], []lighter.Field{{Name: "user", Value: []byte("7")}})
	b.SetFields(&b.Entries[2], []lighter.Field{{Name: "level", Value: []byte("warn")}})
	for i, want := range []string{"", "user=7", "level=warn"} {
		if got := value(i); got != want {
			t.Errorf("entry %d has %q, want %q", i, got, want)
		}
	}
	b.Reset()
	b.Entries = append(b.Entries, lighter.Entry{})
	if got := value(0); got != "" {
		t.Errorf("an entry of a batch that was made empty has %q", got)
	}
}
