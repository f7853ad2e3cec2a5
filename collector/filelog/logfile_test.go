package filelog

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"

	"lighter/collector/tail"
)

// A line is found by its time, wherever it is relative to the boundaries of reads.
func TestHas(t *testing.T) {
	const at = 1767323045_006_000_000
	record := `{"log":"x\n","stream":"stdout","time":"2026-01-02T03:04:05.006Z"}` + "\n"
	path := filepath.Join(t.TempDir(), "log")
	for before := tail.MaxChunk - len(record) - 1; before <= tail.MaxChunk+1; before++ {
		if err := os.WriteFile(path, []byte(strings.Repeat("\n", before)+record), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openLogFile(path, false)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := s.has(t.Context(), at); !ok || err != nil {
			t.Errorf("after %d bytes: %t, %v", before, ok, err)
		}
		if ok, err := s.has(t.Context(), at+1); ok || err != nil {
			t.Errorf("after %d bytes, a nanosecond later: %t, %v", before, ok, err)
		}
		s.close()
	}
}

// A packed file is identified by the time of its last line, which the Engine writes into its header.
func TestPacks(t *testing.T) {
	const last = "2026-01-02T03:04:05.006Z"
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	text := `{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}` + "\n" + `{"log":"x\n","stream":"stdout","time":"` + last + `"}` + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plain, err := openLogFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.close()
	for extra, want := range map[string]bool{
		`{"lastTime":"` + last + `"}`:                   true,
		`{"lastTime":"2026-01-02T03:04:05.006000001Z"}`: false,
		`{"lastTime":"0001-01-01T00:00:00Z"}`:           false,
		"":                                              false,
	} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Extra = []byte(extra)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".gz", b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		packed, err := openLogFile(path+".gz", true)
		if err != nil {
			t.Fatal(err)
		}
		if got := packed.packs(plain); got != want {
			t.Errorf("with %q in its header: %t, want %t", extra, got, want)
		}
		packed.close()
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
