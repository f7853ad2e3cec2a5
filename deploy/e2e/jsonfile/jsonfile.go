// Package jsonfile reads the Engine's own record of a container's output: the json-file logs on its disk,
// including rotated ones.
//
// Tests compare deliveries with it, so it shares no code with the agent. It needs a container that has
// stopped writing, and the permission to read the Engine's data directory.
package jsonfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Line is one line as the container wrote it, without its newline.
type Line struct {
	Nanos  int64  // Unix time, as the Engine recorded it
	Stream string // stdout or stderr
	Text   string
	Record Record // of a log that Podman wrote
}

// Record is where a line's record is in a log file of Podman. It is zero for a line of several records.
type Record struct {
	Offset int64 // of its first byte
	Header int   // bytes before the text
}

// Read returns the lines of the log at path in the order in which they were written, beginning with those of
// rotated files (path.2.gz, path.1, …).
func Read(path string) ([]Line, error) {
	var j Joiner
	for _, name := range append(rotated(path), path) {
		if err := readFile(name, &j); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return j.Lines(), nil
}

// rotated returns the rotated files of the log at path, oldest first.
func rotated(path string) []string {
	var names []string
	for i := 1; ; i++ {
		name := fmt.Sprintf("%s.%d", path, i)
		if _, err := os.Stat(name); err != nil {
			name += ".gz"
			if _, err := os.Stat(name); err != nil {
				return names
			}
		}
		names = append([]string{name}, names...)
	}
}

func readFile(name string, j *Joiner) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return err
		}
	}
	return decode(r, j)
}

// record is one line of the file.
type record struct {
	Log    string    `json:"log"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

func decode(r io.Reader, j *Joiner) error {
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		raw, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(bytes.TrimSpace(raw)) > 0 {
			var rec record
			if bad := json.Unmarshal(raw, &rec); bad != nil {
				return fmt.Errorf("line %d: %w", n, bad)
			}
			j.Add(rec.Time, rec.Stream, rec.Log)
		}
		if err != nil {
			return nil
		}
	}
}

// Joiner joins the pieces of long lines. A piece without a newline is continued by the next piece of its
// stream if that has the same time. The zero value is ready to use.
type Joiner struct {
	done []Line
	open map[string]int // from stream to the index in done of a line that has no newline yet
}

// Add adds the next record of a log.
func (j *Joiner) Add(at time.Time, stream, log string) {
	text, ended := strings.CutSuffix(log, "\n")
	if j.open == nil {
		j.open = make(map[string]int)
	}
	i, open := j.open[stream]
	if open && j.done[i].Nanos == at.UnixNano() {
		j.done[i].Text += text
	} else {
		j.done = append(j.done, Line{Nanos: at.UnixNano(), Stream: stream, Text: text})
		i = len(j.done) - 1
	}
	if ended {
		delete(j.open, stream)
	} else {
		j.open[stream] = i
	}
}

// Lines returns the lines in the order in which they began.
func (j *Joiner) Lines() []Line { return j.done }

// Size returns the number of bytes of the log at path, including rotated files. It is a cheap way to find
// out whether a container still writes.
func Size(path string) (int64, error) {
	var n int64
	for _, name := range append(rotated(path), path) {
		info, err := os.Stat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		if err == nil {
			n += info.Size()
		}
	}
	return n, nil
}
