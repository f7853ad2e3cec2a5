package loki

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// What a kill leaves of the file is believed whole or not at all, and only of its own request.
func TestProgressFile(t *testing.T) {
	dir, body := t.TempDir(), []byte("a request")
	p := loadProgress(dir)
	p.save(body, 1234)
	file := filepath.Join(dir, "progress")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	read := func(text []byte) int {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		p := loadProgress(dir)
		if n := p.of([]byte("b request")); n != 0 {
			t.Errorf("%q is %d entries of another request", text, n)
		}
		return p.of(body)
	}
	for n := range len(whole) - 1 { // without its last character it is whole, too
		if got := read(whole[:n]); got != 0 {
			t.Errorf("%q is read as %d entries", whole[:n], got)
		}
	}
	if got := read(whole); got != 1234 {
		t.Errorf("%d entries, want 1234", got)
	}
	if got := read(fmt.Appendf(nil, "%d %d -1 .\n", p.sum, p.length)); got > 0 {
		t.Errorf("%d entries of a negative number", got)
	}
	p.clear()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("cleared: %v", err)
	}
}
