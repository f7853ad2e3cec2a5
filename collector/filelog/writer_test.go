package filelog_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// driver writes a log as the Engine's json-file driver does.
type driver struct {
	t        testing.TB
	path     string
	maxSize  int // 0 never rotates
	maxFile  int // 0 is 1
	compress bool
	// later delays packing until pack is called, as if it took long.
	later bool

	file     *os.File
	size     int
	lastTime int64
	packing  func()
}

func newDriver(t testing.TB, root, id string) *driver {
	dir := filepath.Join(root, "containers", id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d := &driver{t: t, path: filepath.Join(dir, id+"-json.log")}
	t.Cleanup(func() {
		if d.file != nil {
			_ = d.file.Close()
		}
	})
	return d
}

// write writes a line, in pieces of 16 KiB if it is long.
func (d *driver) write(at int64, stream, line string) {
	d.pieces(at, stream, line+"\n")
}

// pieces writes text as the container wrote it; it has no newline except at its end.
func (d *driver) pieces(at int64, stream, text string) {
	const piece = 16 << 10
	for len(strings.TrimSuffix(text, "\n")) > piece {
		d.record(at, stream, text[:piece])
		text = text[piece:]
	}
	d.record(at, stream, text)
}

func (d *driver) record(at int64, stream, text string) {
	d.t.Helper()
	d.raw(jsonLine(at, stream, text))
	d.lastTime = at
}

func jsonLine(at int64, stream, text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b) // escapes <, > and & as the Engine does
	if err := e.Encode(struct {
		Log    string    `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}{text, stream, time.Unix(0, at).UTC()}); err != nil {
		panic(err)
	}
	return b.String()
}

// raw appends bytes to the file. It rotates first if the file is full.
func (d *driver) raw(s string) {
	d.t.Helper()
	if d.maxSize > 0 && d.size >= d.maxSize {
		d.rotate()
	}
	d.open()
	if _, err := d.file.WriteString(s); err != nil {
		d.t.Fatal(err)
	}
	d.size += len(s)
}

// open opens the file as at a start of the container.
func (d *driver) open() {
	d.t.Helper()
	if d.file != nil {
		return
	}
	f, err := os.OpenFile(d.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	d.must(err)
	info, err := f.Stat()
	d.must(err)
	d.file, d.size = f, int(info.Size())
}

// close closes the file as at a stop of the container.
func (d *driver) close() {
	if d.file != nil {
		d.must(d.file.Close())
		d.file = nil
	}
}

func (d *driver) must(err error) {
	d.t.Helper()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Fatal(err)
	}
}

// rotate does what the Engine does when a file is full.
func (d *driver) rotate() {
	d.t.Helper()
	d.pack()
	d.close()
	if d.maxFile < 2 {
		d.must(os.Remove(d.path))
		d.open()
		return
	}
	ext := ""
	if d.compress {
		ext = ".gz"
	}
	d.must(os.Remove(fmt.Sprintf("%s.%d%s", d.path, d.maxFile-1, ext)))
	for n := d.maxFile - 1; n > 1; n-- {
		d.must(os.Rename(fmt.Sprintf("%s.%d%s", d.path, n-1, ext), fmt.Sprintf("%s.%d%s", d.path, n, ext)))
	}
	d.must(os.Rename(d.path, d.path+".1"))
	d.open()
	if !d.compress {
		return
	}
	last := d.lastTime
	d.packing = func() { d.gzip(d.path+".1", last) }
	if !d.later {
		d.pack()
	}
}

// pack packs the rotated file if that was delayed.
func (d *driver) pack() {
	if d.packing != nil {
		d.packing()
		d.packing = nil
	}
}

func (d *driver) gzip(name string, last int64) {
	d.t.Helper()
	plain, err := os.ReadFile(name)
	d.must(err)
	f, err := os.OpenFile(name+".gz", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	d.must(err)
	w := gzip.NewWriter(f)
	w.Extra, err = json.Marshal(map[string]time.Time{"lastTime": time.Unix(0, last).UTC()})
	d.must(err)
	_, err = w.Write(plain)
	d.must(err)
	d.must(w.Close())
	d.must(f.Close())
	d.must(os.Remove(name))
}
