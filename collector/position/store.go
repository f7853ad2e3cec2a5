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
	"strings"
	"sync"
)

const fileName = "positions.jsonl"

// Store holds the position of each log on each path, by key. The key is tail.Options.KeyPrefix followed by
// the container's ID. A Store is safe for concurrent use. Its lock is never held while the disk is read or
// written.
type Store struct {
	journal *journal // nil if nothing is written

	mu         sync.Mutex
	cursors    map[string]*Cursor
	out, spare []byte // records for the journal, and the memory of the last ones passed to it
}

// record is one line of the journal.
type record struct {
	ID     string `json:"id"`
	Forget bool   `json:"forget,omitempty"`
	Position
	File  *Bookmark `json:"file,omitempty"`
	State []byte    `json:"state,omitempty"` // of the log's stages

	Note json.RawMessage `json:"note,omitempty"` // of the collector
}

// Open reads the positions below dir and keeps their file open until Close. It fails if the positions can
// be neither read nor written. If the disk is full or broken, Open logs that, keeps the positions in
// memory, and writes them as soon as possible.
func Open(dir string, logger *slog.Logger) (*Store, error) {
	return openWith(dir, logger, createFile)
}

func openWith(dir string, logger *slog.Logger, create func(path string) (journalFile, error)) (*Store, error) {
	path := filepath.Join(dir, fileName)
	s := &Store{cursors: map[string]*Cursor{}}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	if bad := s.load(b); bad > 0 {
		logger.Warn("positions were damaged, their last intact state is used", "file", path, "lines_left_out", bad)
	}
	s.journal = &journal{path: path, logger: logger, current: s.current, create: create}
	if err := s.journal.begin(); err != nil {
		return nil, fmt.Errorf("write positions: %w", err)
	}
	return s, nil
}

// InMemory returns a Store that lasts only as long as the process.
func InMemory() *Store { return &Store{cursors: map[string]*Cursor{}} }

// load applies a journal and returns the number of its damaged lines.
func (s *Store) load(b []byte) (bad int) {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		var r record
		if !whole || json.Unmarshal(line, &r) != nil || r.ID == "" || r.Lines < 0 {
			bad++
			continue
		}
		if r.Forget {
			delete(s.cursors, r.ID)
			continue
		}
		at := point{Position: r.Position, state: r.State}
		if r.File != nil && r.File.valid() {
			at.bookmark = *r.File
		}
		c := s.cursor(r.ID)
		c.acked, c.read, c.note = at, at, r.Note
	}
	return bad
}

// Cursor returns the cursor with the given key, or a new one with the zero position. Call Done on it when
// nothing more will be handed on.
func (s *Store) Cursor(key string) *Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cursor(key)
	c.holders++
	c.gone = false
	return c
}

func (s *Store) cursor(key string) *Cursor {
	c := s.cursors[key]
	if c == nil {
		c = &Cursor{store: s, key: key}
		s.cursors[key] = c
	}
	return c
}

// Acked returns the position up to which the log with the given key is acknowledged, or zero if there is
// none.
func (s *Store) Acked(key string) Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cursors[key]; c != nil {
		return c.acked.Position
	}
	return Position{}
}

// State returns the state of the log's stages where reading continues, or nil.
func (s *Store) State(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cursors[key]; c != nil {
		return c.read.state
	}
	return nil
}

// AckedState returns the state of the log's stages at the acknowledged position, or nil. It is on disk when
// AckedState returns, unless the disk cannot be written.
func (s *Store) AckedState(key string) []byte {
	s.mu.Lock()
	var state []byte
	if c := s.cursors[key]; c != nil {
		state = c.acked.state
	}
	s.mu.Unlock()
	s.flush()
	return state
}

// Retain deletes keys for which exists returns false, as soon as nobody reads the log any more and
// everything that was read is acknowledged. It considers only keys for which of returns true; exists must
// know all logs of these.
func (s *Store) Retain(of, exists func(key string) bool) {
	defer s.flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, c := range s.cursors {
		if !of(key) {
			continue
		}
		if c.gone = !exists(key); c.gone {
			s.forgetLocked(c)
		}
	}
}

// Has reports whether there is a position whose key has the prefix.
func (s *Store) Has(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, c := range s.cursors {
		if strings.HasPrefix(key, prefix) && !c.empty() {
			return true
		}
	}
	return false
}

// Unread returns the keys of logs that nobody reads, in no particular order.
func (s *Store) Unread() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, c := range s.cursors {
		if c.holders == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// Rewind makes the next reader of each log whose key has the prefix start from its acknowledged position.
// It is for lines that were held by an endpoint that no longer exists, because nobody acknowledges them any
// more. Nobody may hold such a cursor.
func (s *Store) Rewind(prefix string) {
	defer s.flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.cursors {
		if strings.HasPrefix(id, prefix) {
			c.read, c.pending = c.acked, nil
			s.forgetLocked(c)
		}
	}
}

// forgetLocked deletes a cursor whose container is gone and which waits for nothing.
func (s *Store) forgetLocked(c *Cursor) {
	if c.gone && c.holders == 0 && len(c.pending) == 0 && s.cursors[c.key] == c {
		delete(s.cursors, c.key)
		if !c.empty() {
			s.writeLocked(record{ID: c.key, Forget: true})
		}
	}
}

// writeLocked queues a record for the journal. The caller, who holds the lock, must call flush after
// releasing it.
func (s *Store) writeLocked(r record) {
	if s.journal != nil {
		s.out = appendRecord(s.out, r)
	}
}

// flush writes the queued records to the journal. It returns when the operating system has them, unless the
// journal cannot be written. Then the positions in memory remain right, and lines are sent again only if
// there is a crash before the journal can be written.
func (s *Store) flush() {
	if s.journal != nil {
		s.journal.append(s.takeOut)
	}
}

// takeOut returns the records to write. They are valid until the next call.
func (s *Store) takeOut() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.out
	s.out, s.spare = s.spare[:0], out
	return out
}

// current returns a record for each position.
func (s *Store) current() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []byte
	for _, c := range s.cursors {
		if !c.empty() {
			b = appendRecord(b, c.record())
		}
	}
	return b
}

func appendRecord(b []byte, r record) []byte {
	line, err := json.Marshal(r)
	if err != nil { // cannot happen for strings and integers
		return b
	}
	return append(append(b, line...), '\n')
}

// Oldest returns the time of the oldest line that was handed on and not acknowledged, in Unix nanoseconds,
// or 0.
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

// Close writes what is not yet written and closes the journal.
func (s *Store) Close() error {
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}
