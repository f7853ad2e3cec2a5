package memo

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lineOf makes a line for two sinks of bytes from a fuzzer.
func lineOf(text, first, second []byte, flags uint8, gap uint16) *Line {
	l := &Line{Flags: Flags(flags) &^ (hashed | HasGap), Text: text, Encoded: [][]byte{{}, {}}}
	if gap > 0 {
		l.Flags |= HasGap
		l.Gap = Gap{int(gap), uint64(gap) << 40}
	}
	if l.Flags&Kept != 0 {
		l.Encoded = [][]byte{first, second}
		if isHashed(l.Encoded) {
			l.Flags |= hashed
			l.Hash = uint64(gap) * 0x9e3779b97f4a7c15
		}
	}
	return l
}

// FuzzLines: packed lines are the same after unpacking, in sequence and in any order.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a{x=\"1\"}"), []byte("a{x=\"2\",y=\"long\"}"), uint8(1), uint16(300), 100)
	f.Add([]byte(""), []byte("b"), uint8(0xf1), uint16(0), 33)
	f.Fuzz(func(t *testing.T, a, b []byte, flags uint8, gap uint16, n int) {
		n = min(max(n, 0), 200)
		var packed lines
		var before Line
		before.grow(2)
		want := make([]*Line, n)
		for i := range want {
			switch i % 3 {
			case 0:
				want[i] = lineOf(a, b, append([]byte{byte(i)}, a...), flags, gap)
			case 1:
				want[i] = lineOf(append(b[:len(b):len(b)], byte(i)), a, nil, flags^uint8(Kept), 0)
			default:
				want[i] = lineOf(b, append(a[:len(a):len(a)], b...), b, uint8(Kept), gap/2)
			}
			packed.add(&before, want[i])
		}
		var w walker
		w.reset(&packed, 2)
		check := func(i int) {
			t.Helper()
			l := w.Line
			if l.Flags != want[i].Flags || string(l.Text) != string(want[i].Text) || l.Flags&HasGap != 0 && l.Gap != want[i].Gap {
				t.Fatalf("line %d is %+v, want %+v", i, l, want[i])
			}
			if l.Flags&Kept == 0 {
				return
			}
			if l.Flags&hashed != 0 && l.Hash != want[i].Hash {
				t.Fatalf("line %d has the hash %x, want %x", i, l.Hash, want[i].Hash)
			}
			if diff := cmp.Diff(fmt.Sprintf("%q", want[i].Encoded), fmt.Sprintf("%q", l.Encoded)); diff != "" {
				t.Fatalf("line %d (-want +got):\n%s", i, diff)
			}
		}
		for i := range n {
			if !w.next() {
				t.Fatalf("there are %d lines, want %d", i, n)
			}
			check(i)
		}
		if w.next() {
			t.Fatalf("there are more than %d lines", n)
		}
		for i := range n {
			i = i * 37 % n
			w.seek(i)
			check(i)
		}
	})
}
