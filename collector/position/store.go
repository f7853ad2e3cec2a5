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

// Store holds the position of each log on each path, by key: the key is tail.Options.KeyPrefix and the
// container's id. It is safe for concurrent use. Its lock is never held
// while the disk is read or written.
type Store struct {
	journal *journal // nil: nothing is written

	mu         sync.Mutex
	cursors    map[string]*Cursor
	out, spare []byte // records for the journal, and the memory of those that it was given last
}

// record is one line of the journal.
type record struct {
	ID     string `json:"id"`
	Forget bool   `json:"forget,omitempty"`
	Position
	File  *Bookmark `json:"file,omitempty"`
	State []byte    `json:"state,omitempty"` // what the stages of the log keep

	Note json.RawMessage `json:"note,omitempty"` // what the collector keeps
}

// Open reads the positions below dir and holds their file open until Close. It fails if they can be
// neither read nor written. A disk that is full or broken is survived: that is logged, the positions
// are kept in memory, and written as soon as they can be.
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

// InMemory returns a Store that forgets everything at the end of the process.
func InMemory() *Store { return &Store{cursors: map[string]*Cursor{}} }

// load applies a journal and returns how many of its lines are not whole.
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

// Cursor returns the cursor of a key, a new one with the zero position if there is none. Call Done on it
// when nothing more will be handed on.
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

// Acked returns the position up to which the log of a key is acknowledged; it is zero for a key that has
// none.
func (s *Store) Acked(key string) Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cursors[key]; c != nil {
		return c.acked.Position
	}
	return Position{}
}

// State returns what the stages of the log of a key keep as of where reading goes on; nil if nothing.
func (s *Store) State(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cursors[key]; c != nil {
		return c.read.state
	}
	return nil
}

// AckedState returns what the stages of the log of a key keep as of the acknowledged position, nil if
// nothing. It is on disk when AckedState returns, as far as the disk can be written.
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

// Retain forgets every key of which exists reports that its log is gone, as soon as nobody reads the log any
// more and all that was read of it is acknowledged. It asks for those keys alone that of wants; exists must
// know all logs of these, never a part of them.
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

// Has reports whether there is a position of a key with a prefix.
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

// Unread returns the keys whose logs nobody reads, in no order.
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

// Rewind has whoever takes the cursor of a key with a prefix next read from where it is
// acknowledged. It is for what an endpoint held that is gone: nobody acknowledges that any more.
// Nobody may hold such a cursor.
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

// forgetLocked ends a cursor whose container is gone and which waits for nothing.
func (s *Store) forgetLocked(c *Cursor) {
	if c.gone && c.holders == 0 && len(c.pending) == 0 && s.cursors[c.key] == c {
		delete(s.cursors, c.key)
		if !c.empty() {
			s.writeLocked(record{ID: c.key, Forget: true})
		}
	}
}

// writeLocked takes a record for the journal. Who holds the lock calls flush after letting go of it.
func (s *Store) writeLocked(r record) {
	if s.journal != nil {
		s.out = appendRecord(s.out, r)
	}
}

// flush writes to the journal what writeLocked has taken. It returns when the operating system has
// it, unless the journal cannot be written: then the positions in memory stay right, and only a
// crash before it can be written again sends lines again.
func (s *Store) flush() {
	if s.journal != nil {
		s.journal.append(s.takeOut)
	}
}

// takeOut returns the records that are to be written. The next call makes them invalid.
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

// Close writes what is not written yet and closes the journal.
func (s *Store) Close() error {
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}
