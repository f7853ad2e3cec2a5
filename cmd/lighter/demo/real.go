package demo

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"lighter/exporters/receiver"
)

const (
	readFor = 20 * time.Second // the real containers write when they like
	since   = 10 * time.Minute // how far back their logs are read
)

// Real is the host with the Engine that the environment names. What its containers
// produced in the time of the demo is read again from the Engine, for the comparison.
type Real struct {
	Engine   Engine
	Settings []string // DOCKER_HOST and the like, for the agent

	from, until time.Time // of the lines that are compared
}

// Engine is what the comparison asks Docker for.
type Engine interface {
	// Containers returns those whose logs are to be shipped.
	Containers(ctx context.Context) ([]Container, error)
	// OpenLogs returns a container's log from a time on, Unix nanoseconds, in the Engine's
	// own format, with timestamps, to its present end.
	OpenLogs(ctx context.Context, id string, since int64) (io.ReadCloser, error)
}

// Container is one whose log is read again.
type Container struct {
	ID, Name string
	TTY      bool
}

// Title implements Host.
func (h *Real) Title() string { return "the containers of this host" }

// Environ implements Host.
func (h *Real) Environ() []string {
	return append([]string{fmt.Sprintf("LIGHTER_LOGS_SINCE=%s", since)}, h.Settings...)
}

// Run implements Host: it looks on.
func (h *Real) Run(ctx context.Context, say func(string)) error {
	h.from = time.Now().Add(-since)
	containers, err := h.Engine.Containers(ctx)
	if err != nil {
		return err
	}
	say(fmt.Sprintf("The Engine has %d containers whose logs are shipped: the last %s, and what comes in %s.", len(containers), since, readFor))
	sleep(ctx, readFor)
	h.until = time.Now()
	return nil
}

// Progress implements Host.
func (h *Real) Progress(arrived *receiver.Server) []Count {
	return []Count{
		{Name: "log lines", Produced: unknown, Delivered: arrived.PushStats().Lines},
		{Name: "samples", Produced: unknown, Delivered: arrived.WriteStats().Samples},
	}
}

// Compare implements Host. A line is known by its container, stream and nanosecond,
// because what lighter changes in a line (invalid UTF-8, what is beyond the longest) is
// changed on purpose.
func (h *Real) Compare(ctx context.Context, arrived *receiver.Server) (Result, error) {
	containers, err := h.Engine.Containers(ctx)
	if err != nil {
		return Result{}, err
	}
	r := Result{Samples: Count{Name: "samples", Produced: unknown, Delivered: arrived.WriteStats().Samples}}
	r.Notes = append(r.Notes, "Samples cannot be asked for twice: what arrived is counted and not compared.")
	for _, c := range containers {
		written, err := h.written(ctx, c)
		if err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is not compared: its log cannot be read again: %v", c.Name, err))
			continue
		}
		count := Count{Name: c.Name}
		for stream, want := range written {
			var got []receiver.LogEntry
			for _, s := range arrived.Streams(matcher("container", c.Name), matcher("stream", stream)) {
				for _, e := range s.Entries {
					got = append(got, receiver.LogEntry{Time: e.Time})
				}
			}
			count.Produced += len(want)
			count.Delivered += arrivedOf(want, got)
		}
		r.Lines = append(r.Lines, count)
	}
	return r, nil
}

// written reads a container's log again: the times of its lines, by stream.
func (h *Real) written(ctx context.Context, c Container) (map[string][]receiver.LogEntry, error) {
	log, err := h.Engine.OpenLogs(ctx, c.ID, h.from.UnixNano())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	all := map[string][]receiver.LogEntry{}
	err = readLog(log, c.TTY, func(stream string, t int64) {
		lines := all[stream]
		if t < h.from.UnixNano() || t >= h.until.UnixNano() {
			return
		}
		if n := len(lines); n > 0 && lines[n-1].Time == t {
			return // Loki keeps equal lines of one nanosecond once
		}
		all[stream] = append(lines, receiver.LogEntry{Time: t})
	})
	return all, err
}

// readLog calls line with the time of every line of a log that has its newline. Frames of a log that is no
// terminal's carry a message each; a message without a newline goes on in the next.
func readLog(r io.Reader, tty bool, line func(stream string, t int64)) error {
	if tty {
		return readMessages(r, func(t int64, whole bool) {
			if whole {
				line("stdout", t)
			}
		})
	}
	in := bufio.NewReader(r)
	names := [...]string{"stdout", "stdout", "stderr"}
	begun := map[string]int64{} // streams in mid-line, by the time of its first piece
	for {
		var header [8]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read a frame: %w", err)
		}
		stream := header[0]
		body := io.LimitReader(in, int64(binary.BigEndian.Uint32(header[4:])))
		if stream > 2 {
			text, _ := io.ReadAll(io.LimitReader(body, 1<<10))
			return fmt.Errorf("the Engine reports: %s", text)
		}
		name := names[stream]
		if err := readMessages(body, func(t int64, whole bool) {
			if first, ok := begun[name]; ok {
				t = first
			}
			begun[name] = t
			if whole {
				delete(begun, name)
				line(name, t)
			}
		}); err != nil {
			return err
		}
	}
}

// readMessages calls message with the time of everything in r that ends with a newline,
// and of what is left at the end, which is not whole.
func readMessages(r io.Reader, message func(t int64, whole bool)) error {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadString('\n')
		if text != "" {
			stamp, _, _ := strings.Cut(text, " ")
			t, bad := time.Parse(time.RFC3339Nano, strings.TrimSpace(stamp))
			if bad != nil {
				return fmt.Errorf("read the time of a line: %w", bad)
			}
			message(t.UnixNano(), err == nil)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a line: %w", err)
		}
	}
}
