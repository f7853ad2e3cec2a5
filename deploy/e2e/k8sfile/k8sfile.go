// Package k8sfile reads Podman's own record of a container's output: the logs of its driver k8s-file, which
// Podman also uses for json-file.
//
// Tests compare deliveries with it, so it shares no code with the agent.
package k8sfile

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"lighter/deploy/e2e/jsonfile"
)

// Read returns the lines of the log at path in the order in which they began. Their times are whole seconds,
// as in Podman's API. A line that was written in pieces has the time of the first piece. A piece without a
// newline that was written before one of the starts is a complete line: the text after it belongs to another
// run.
func Read(path string, starts []time.Time) ([]jsonfile.Line, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	type piece struct {
		index int // in out, of its line
		at    time.Time
	}
	var out []jsonfile.Line
	open := make(map[string]piece) // by stream, the last piece of a line that has not ended
	size := len(b)
	for n := 1; len(b) > 0; n++ {
		offset := int64(size - len(b))
		record, rest, ended := bytes.Cut(b, []byte("\n"))
		if b = rest; !ended {
			break // it is being written
		}
		f := strings.SplitN(string(record), " ", 4) // time, stream, F for full or P for partial, text
		if len(f) < 4 || f[2] != "F" && f[2] != "P" {
			return nil, fmt.Errorf("read %s: line %d is not a log record: %q", path, n, record)
		}
		at, err := time.Parse(time.RFC3339Nano, f[0])
		if err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", path, n, err)
		}
		stream, text := f[1], f[3]
		before, going := open[stream]
		if going = going && !startedBetween(starts, before.at, at); going {
			out[before.index].Text += text
			out[before.index].Record = jsonfile.Record{}
		} else {
			before.index = len(out)
			out = append(out, jsonfile.Line{
				Nanos: at.Truncate(time.Second).UnixNano(), Stream: stream, Text: text,
				Record: jsonfile.Record{Offset: offset, Header: len(record) - len(text)},
			})
		}
		if f[2] == "P" {
			open[stream] = piece{before.index, at}
		} else {
			delete(open, stream)
		}
	}
	return out, nil
}

// startedBetween reports whether the container was started after one time and not after the other.
func startedBetween(starts []time.Time, after, until time.Time) bool {
	for _, s := range starts {
		if s.After(after) && !s.After(until) {
			return true
		}
	}
	return false
}
