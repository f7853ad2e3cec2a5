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
	readFor = 20 * time.Second // how long the agent follows the real containers
	since   = 10 * time.Minute // how far back their logs are read
)

// Real is the host with the Engine that the environment names. For the comparison, the logs of its
// containers are read again from the Engine.
type Real struct {
	Engine   Engine
	Settings []string // of the agent: DOCKER_HOST and the like

	from, until time.Time // the lines between these times are compared
}

// Engine is the Docker Engine from which the logs are read again.
type Engine interface {
	// Containers returns the containers whose logs the agent ships.
	Containers(ctx context.Context) ([]Container, error)
	// OpenLogs returns a container's log from the time since, in Unix nanoseconds, up to its
	// present end. The log is in the Engine's own format with timestamps.
	OpenLogs(ctx context.Context, id string, since int64) (io.ReadCloser, error)
}

// Container is a container whose log is read again.
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

// Run implements Host. It only waits, because the real containers write by themselves.
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

// Compare implements Host. It compares lines by their container, stream and time, and not by their
// bytes, because lighter changes some lines on purpose: those with invalid UTF-8 and those that are too
// long.
func (h *Real) Compare(ctx context.Context, arrived *receiver.Server) (Result, error) {
	containers, err := h.Engine.Containers(ctx)
	if err != nil {
		return Result{}, err
	}
	r := Result{Samples: Count{Name: "samples", Produced: unknown, Delivered: arrived.WriteStats().Samples}}
	r.Notes = append(r.Notes, "Samples cannot be read again, so those that arrived are counted and not compared.")
	for _, c := range containers {
		written, err := h.written(ctx, c)
		if err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("The log of %s is not compared, because it cannot be read again: %v", c.Name, err))
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

// written reads a container's log again. It returns entries with the times of the lines, by stream.
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
			return // lines of the same nanosecond may be equal, and Loki keeps equal lines once
		}
		all[stream] = append(lines, receiver.LogEntry{Time: t})
	})
	return all, err
}

// readLog calls line with the time of every line of a log that ends with a newline. Unless the container
// has a terminal, each frame of the log carries a message, and a line may be split over several messages.
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
	begun := map[string]int64{} // for a stream that is within a line, the time of the line's first piece
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

// readMessages calls message with the time of each message in r. A message ends with a newline, and is then
// whole, or with the end of r.
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
