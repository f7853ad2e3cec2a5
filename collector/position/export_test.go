package position

import "log/slog"

// File is the file that a Store writes.
type File = journalFile

// OpenWith is Open for a Store that creates its files with create.
func OpenWith(dir string, logger *slog.Logger, create func(path string) (File, error)) (*Store, error) {
	return openWith(dir, logger, create)
}

// CreateFile is the function that Open uses.
func CreateFile(path string) (File, error) { return createFile(path) }

// Begin is Mark for lines without a bookmark. It returns the methods of the Mark.
func (c *Cursor) Begin(first int64, upTo Position) (acked, undo func()) {
	return c.BeginAt(first, upTo, Bookmark{})
}

// BeginAt is Begin with a bookmark.
func (c *Cursor) BeginAt(first int64, upTo Position, b Bookmark) (acked, undo func()) {
	m := c.Mark(first, upTo, b)
	return m.Ack, m.Undo
}

// Waiting returns how many batches are handed on and not acknowledged.
func (c *Cursor) Waiting() int {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return len(c.pending)
}
