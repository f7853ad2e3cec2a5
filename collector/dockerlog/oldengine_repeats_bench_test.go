package dockerlog

import (
	"bytes"
	"fmt"
	"testing"
)

// The cost per line of searching for repeats: in an ordinary log, and after the clock was set back until it
// reaches the old time.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{10, 200, 2000} {
		line := bytes.Repeat([]byte("x"), n)
		b.Run(fmt.Sprintf("usual/bytes=%d", n), func(b *testing.B) {
			r, at := newRepeats(), int64(1)
			b.ReportAllocs()
			for b.Loop() {
				at += 1001
				if r.judgeWhole(at, 0, line, false) != fresh {
					b.Fatal("not fresh")
				}
			}
		})
		b.Run(fmt.Sprintf("set back/bytes=%d", n), func(b *testing.B) {
			r, at := newRepeats(), int64(1e18)
			for range window {
				at += 1001
				r.judgeWhole(at, 0, line, false)
			}
			at = 1
			b.ReportAllocs()
			for b.Loop() {
				at += 1001
				if r.judgeWhole(at, 0, line, false) != fresh {
					b.Fatal("not fresh")
				}
			}
		})
	}
}
