package position_test

import (
	"os"
	"path/filepath"
	"testing"

	"lighter/collector/position"
)

// A note survives a crash, even if nothing is acknowledged yet, and is deleted with the log.
func TestNote(t *testing.T) {
	dir := t.TempDir()
	s, err := position.Open(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	c := s.Cursor("a")
	c.Note([]byte(`{"x":1}`))
	noted := func() string {
		t.Helper()
		journal, err := os.ReadFile(filepath.Join(dir, "positions.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		after := t.TempDir()
		if err := os.WriteFile(filepath.Join(after, "positions.jsonl"), journal, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := position.Open(after, quiet()) // this rewrites the journal
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = position.Open(after, quiet()); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return string(s.Cursor("a").Noted())
	}
	if got := noted(); got != `{"x":1}` {
		t.Errorf("before the first line the note is %q", got)
	}
	mark := c.Mark(1, position.Position{Time: 1, Lines: 1}, position.Bookmark{})
	mark.Ack()
	if got := noted(); got != `{"x":1}` {
		t.Errorf("after the first line the note is %q", got)
	}
	c.Gone()
	mark = c.Mark(2, position.Position{Time: 2, Lines: 1}, position.Bookmark{})
	c.Done()
	if got := noted(); got == "" {
		t.Error("what waits for its acknowledgement is forgotten")
	}
	mark.Ack()
	if got := noted(); got != "" || !s.Acked("a").IsZero() {
		t.Errorf("the log is gone, and its note is still %q", got)
	}
	// A log that returns in time keeps its position.
	c = s.Cursor("b")
	c.Note([]byte(`1`))
	c.Gone()
	if again := s.Cursor("b"); string(again.Noted()) != "1" {
		t.Error("the position is forgotten while it is held")
	}
	c.Done()
	if string(s.Cursor("b").Noted()) != "1" {
		t.Error("the position is forgotten though somebody came back")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
