package position

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

const (
	fileName = "positions.jsonl"
	// compactBytes is the journal's size from which it is rewritten, if it then holds
	// mostly what is no longer current: some 10,000 acknowledgements.
	compactBytes = 1 << 20
)

// Store is the positions of all containers. It is safe for concurrent use.
type Store struct {
	path   string // empty: nothing is written
	logger *slog.Logger

	mu      sync.Mutex
	cursors map[string]*Cursor
	file    *os.File // append only; nil while it could not be opened
	size    int64
	live    int64  // size of the journal when it was last rewritten
	failed  string // the last write error, to say it once
	buf     []byte
}

// record is one line of the journal.
type record struct {
	ID     string `json:"id"`
	Forget bool   `json:"forget,omitempty"`
	Position
	File *Hint `json:"file,omitempty"`
}

// Open reads the positions below dir, which must exist, and holds their file open until
// Close. It fails if they can be neither read nor written.
func Open(dir string, logger *slog.Logger) (*Store, error) {
	s := &Store{path: filepath.Join(dir, fileName), logger: logger, cursors: map[string]*Cursor{}}
	b, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	if bad := s.load(b); bad > 0 {
		logger.Warn("positions were damaged, their last intact state is used", "file", s.path, "lines_left_out", bad)
	}
	if err := s.rewrite(); err != nil {
		return nil, fmt.Errorf("write positions: %w", err)
	}
	return s, nil
}

// InMemory returns a Store that forgets everything at the end of the process.
func InMemory() *Store { return &Store{cursors: map[string]*Cursor{}} }

// load applies a journal and returns how many of its lines are not whole.
func (s *Store) load(b []byte) (bad int) {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		var r record
		if !whole || json.Unmarshal(line, &r) != nil || r.ID == "" || r.Lines < 0 || r.Peak.Lines < 0 {
			bad++
			continue
		}
		if r.Forget {
			delete(s.cursors, r.ID)
			continue
		}
		at := place{Position: r.Position}
		if r.File != nil && r.File.valid() {
			at.hint = *r.File
		}
		c := s.cursor(r.ID)
		c.acked, c.read = at, at
	}
	return bad
}

// Cursor returns the cursor of a container; it is new, and its position zero, where
// there is none yet. Call Done when nothing will be handed on any more.
func (s *Store) Cursor(id string) *Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cursor(id)
	c.holders++
	return c
}

func (s *Store) cursor(id string) *Cursor {
	c := s.cursors[id]
	if c == nil {
		c = &Cursor{store: s, id: id}
		s.cursors[id] = c
	}
	return c
}

// Acked returns the position up to which a container's log is acknowledged; it is zero
// for a container that has none.
func (s *Store) Acked(id string) Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cursors[id]; c != nil {
		return c.acked.Position
	}
	return Position{}
}

// Keep forgets every container that exists does not name, as soon as nobody reads it any
// more and all that was read of it is acknowledged. Call it with all containers of the Engine, never with a part of them.
func (s *Store) Keep(exists func(id string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.cursors {
		if c.gone = !exists(id); c.gone {
			s.forgetLocked(c)
		}
	}
}

// forgetLocked ends a cursor whose container is gone and which waits for nothing.
func (s *Store) forgetLocked(c *Cursor) {
	if c.gone && c.holders == 0 && len(c.pending) == 0 && s.cursors[c.id] == c {
		delete(s.cursors, c.id)
		if !c.acked.IsZero() {
			s.writeLocked(record{ID: c.id, Forget: true})
		}
	}
}

// writeLocked appends a record. An error is logged once and mended by the rewrite that
// the next record tries: the positions in memory stay right, and only a crash before
// then would send lines again.
func (s *Store) writeLocked(r record) {
	if s.path == "" {
		return
	}
	err := s.appendLocked(r)
	switch {
	case err != nil && err.Error() != s.failed:
		s.failed = err.Error()
		s.logger.Error("positions cannot be written; until they can, a crash of the agent makes it send lines again. Free space on the data directory or make it writable", "file", s.path, "error", err)
	case err == nil && s.failed != "":
		s.failed = ""
		s.logger.Info("positions are written again", "file", s.path)
	}
}

func (s *Store) appendLocked(r record) error {
	if s.file == nil || s.size > compactBytes && s.size > 4*s.live {
		return s.rewrite() // what r says is in the cursors already
	}
	s.buf = appendRecord(s.buf[:0], r)
	n, err := s.file.Write(s.buf)
	s.size += int64(n)
	if err != nil {
		_ = s.file.Close()
		s.file = nil // its last line may be cut: start a new one
	}
	return err
}

// rewrite replaces the journal by what is current, atomically.
func (s *Store) rewrite() error {
	var b []byte
	for _, c := range s.cursors {
		if !c.acked.IsZero() {
			b = appendRecord(b, c.record())
		}
	}
	f, err := os.OpenFile(s.path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(s.path+".tmp", s.path)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.size, s.live = f, int64(len(b)), int64(len(b))
	return nil
}

func appendRecord(b []byte, r record) []byte {
	line, err := json.Marshal(r)
	if err != nil { // strings and integers: it cannot happen
		return b
	}
	return append(append(b, line...), '\n')
}

// Oldest returns the time of the oldest line that is handed on and not acknowledged, Unix
// nanoseconds; 0 if there is none.
func (s *Store) Oldest() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := int64(0)
	for _, c := range s.cursors {
		if len(c.pending) > 0 && (oldest == 0 || c.pending[0].first < oldest) {
			oldest = c.pending[0].first
		}
	}
	return oldest
}

// Close writes what is current and closes the journal.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" {
		return nil
	}
	err := s.rewrite()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
		s.file = nil
	}
	if err != nil {
		return fmt.Errorf("write positions: %w", err)
	}
	return nil
}
