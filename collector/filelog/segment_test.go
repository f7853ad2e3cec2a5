package filelog

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/collector/tail"
)

// A line is found by its time wherever it stands to the ends of what is read at once.
func TestHas(t *testing.T) {
	const at = 1767323045_006_000_000
	record := `{"log":"x\n","stream":"stdout","time":"2026-01-02T03:04:05.006Z"}` + "\n"
	path := filepath.Join(t.TempDir(), "log")
	for before := tail.MaxChunk - len(record) - 1; before <= tail.MaxChunk+1; before++ {
		if err := os.WriteFile(path, []byte(strings.Repeat("\n", before)+record), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSegment(path, false)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := s.has(at); !ok || err != nil {
			t.Errorf("after %d bytes: %t, %v", before, ok, err)
		}
		if ok, err := s.has(at + 1); ok || err != nil {
			t.Errorf("after %d bytes, a nanosecond later: %t, %v", before, ok, err)
		}
		s.close()
	}
}

// Waits end at moments that are the same for all logs, whenever they begin.
func TestNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			time.Sleep(rand.N(3 * time.Second))
			now := time.Now().UnixNano()
			if d := next(step); d <= 0 || d > step || (now+int64(d))%int64(step) != 0 {
				t.Fatalf("at %d: %s", now, d)
			}
		}
	})
}
