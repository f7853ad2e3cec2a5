// Package k8sfile reads what Podman itself holds of a container's output: the logs of its
// driver k8s-file, which is also what it makes of json-file.
//
// It is the measure that deliveries are compared with, and so shares nothing with the agent.
package k8sfile

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"lighter/deploy/e2e/jsonfile"
)

// Read returns the lines of the log at path in the order they began. Their times are whole
// seconds, as Podman's API gives them. A line that was written in pieces has the time of the
// first. A piece without a newline that was written before one of the starts ends there: what
// comes after it is another run's.
func Read(path string, starts []time.Time) ([]jsonfile.Line, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	type piece struct {
		index int // in out, of the line that it belongs to
		at    time.Time
	}
	var out []jsonfile.Line
	open := make(map[string]piece) // by stream, the last piece of a line that has not ended
	for n := 1; len(b) > 0; n++ {
		record, rest, ended := bytes.Cut(b, []byte("\n"))
		if b = rest; !ended {
			break // it is being written
		}
		f := strings.SplitN(string(record), " ", 4) // time, stream, F for full or P for partial, text
		if len(f) < 4 || f[2] != "F" && f[2] != "P" {
			return nil, fmt.Errorf("read %s: line %d is no log record: %q", path, n, record)
		}
		at, err := time.Parse(time.RFC3339Nano, f[0])
		if err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", path, n, err)
		}
		stream, text := f[1], f[3]
		before, going := open[stream]
		if going = going && !startedBetween(starts, before.at, at); going {
			out[before.index].Text += text
		} else {
			before.index = len(out)
			out = append(out, jsonfile.Line{Nanos: at.Truncate(time.Second).UnixNano(), Stream: stream, Text: text})
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
