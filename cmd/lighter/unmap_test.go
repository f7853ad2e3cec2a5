package main

import (
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFileOnly(t *testing.T) {
	const smaps = `00400000-00d16000 r-xp 00000000 fe:00 10387687                           /lighter
Size:               9304 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me 
00d16000-01740000 r--p 00916000 fe:00 10387687                           /lighter
Anonymous:             0 kB
01740000-01750000 r--p 01340000 fe:00 10387687                           /lighter
Anonymous:            64 kB
01750000-017d4000 rw-p 01340000 fe:00 10387687                           /lighter
Anonymous:             0 kB
017d4000-037fb000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
7f0000000000-7f0000010000 r--p 00000000 fe:00 1                          /another
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xd16000}, {0xd16000, 0x1740000}}
	if diff := cmp.Diff(want, fileOnly(smaps, "/lighter"), cmp.AllowUnexported(mapping{})); diff != "" {
		t.Errorf("mappings (-want +got):\n%s", diff)
	}
}

// TestUnmapStart gives back this process's own binary, and goes on.
func TestUnmapStart(t *testing.T) {
	before := mapped(t)
	unmapStart(slog.New(slog.DiscardHandler))
	if after := mapped(t); after >= before {
		t.Errorf("%d kB of the binary are mapped, before %d", after, before)
	}
}

// mapped returns how much of this process's binary is mapped, in kB.
func mapped(t *testing.T) int {
	t.Helper()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	sum, ours := 0, false
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line)
		if strings.Contains(f[0], "-") {
			ours = f[len(f)-1] == exe
		}
		if ours && f[0] == "Rss:" {
			kB, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			sum += kB
		}
	}
	return sum
}
