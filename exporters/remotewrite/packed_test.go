package remotewrite

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/golang/snappy"

	"lighter"
	"lighter/exporters/send"
)

func itemOf(b lighter.Block) item {
	return item{packed: packed{body: appendPacked(nil, b), samples: b.Samples}}
}

// FuzzJoin: elements of several snappy blocks, one after another, are a snappy block.
func FuzzJoin(f *testing.F) {
	f.Add([]byte("a"), []byte("b"), []byte("c"))
	f.Add([]byte(""), bytes.Repeat([]byte("abcd"), 100_000), bytes.Repeat([]byte("x"), 65_536))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		var items []item
		for i, body := range [][]byte{a, b, c} {
			items = append(items, itemOf(lighter.Block{Body: body, Samples: i}))
		}
		q := requests{protocol: newProtocol("", "", nil)}
		r, err := q.make(items, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := snappy.Decode(nil, r.Body)
		if err != nil || !bytes.Equal(got, bytes.Join([][]byte{a, b, c}, nil)) {
			t.Errorf("err = %v, %d bytes, want %d", err, len(got), len(a)+len(b)+len(c))
		}
		if r.Items != 0+1+2 {
			t.Errorf("%d items, want 3", r.Items)
		}
	})
}

// FuzzSplit: the parts of whatever is split are together the whole, and no bytes cause a panic.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x0a\x01a\x0a\x00\x0a\x03abc"), 3)
	f.Add([]byte("\x0a\x01a"), 1)
	f.Add([]byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 1)
	f.Add([]byte("\x08\x01"), 1)
	f.Fuzz(func(t *testing.T, body []byte, samples int) {
		a, b, err := (&protocol{}).Split(send.Request{Body: snappy.Encode(nil, body), Items: samples})
		if err != nil {
			return
		}
		first, err1 := snappy.Decode(nil, a.Body)
		second, err2 := snappy.Decode(nil, b.Body)
		if errors.Join(err1, err2) != nil || !bytes.Equal(append(first, second...), body) || len(second) == 0 {
			t.Errorf("the parts of %x are %x and %x", body, first, second)
		}
		if a.Items+b.Items != samples {
			t.Errorf("%d and %d items, want %d together", a.Items, b.Items, samples)
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	for _, n := range []int{100, 2000} {
		b.Run(fmt.Sprintf("samples=%d", n), func(b *testing.B) {
			var body []byte
			for i := range n {
				field := fmt.Appendf(nil, "__name__ http_requests_total instance api:3000 route /api/v1/things/%d status %d value %d", i, 200+i%5, i*7)
				body = append(append(body, 0x0a, byte(len(field))), field...)
			}
			block := lighter.Block{Body: body, Samples: n}
			q := requests{protocol: newProtocol("", "", nil)}
			var buf []byte
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				buf = appendPacked(buf[:0], block)
				if _, err := q.make([]item{{packed: packed{body: buf, samples: n}}}, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
