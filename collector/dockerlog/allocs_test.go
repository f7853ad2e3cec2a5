package dockerlog

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"lighter/collector/tail"
)

// Decoding the Engine's response to lines with their times allocates nothing.
func TestAllocsDecode(t *testing.T) {
	for _, tty := range []bool{false, true} {
		for _, size := range []int{0, 200, 4000} {
			const lines = 100
			var in []byte
			for i := range lines {
				text := fmt.Sprintf("%s %s", time.Unix(1767323045, int64(i)*1_234_567).UTC().Format("2006-01-02T15:04:05.000000000Z"), bytes.Repeat([]byte("x"), size))
				if tty {
					in = append(in, text+"\r\n"...)
				} else {
					in = append(in, frame(1, text+"\n")...)
				}
			}
			got := 0
			d := decoder{lines: tail.Lines{Terminal: tty, MaxBytes: 256 << 10}}
			if n := testing.AllocsPerRun(100, func() {
				d.decode(in)
				for d.next() {
					got++
				}
				if rest := d.rest(); d.err != nil || len(rest) > 0 {
					t.Fatal(len(rest), d.err)
				}
			}); n > 0 || got < 100*lines {
				t.Errorf("terminal %t, %d bytes: %v allocations for %d lines, want 0; %d came", tty, size, n, lines, got)
			}
		}
	}
}
