// Package events ships the events that an Engine reports of containers, such as that one has died, as log
// entries.
//
// Discovery follows the Engine's one stream of events and passes them to a Source. The Source makes an
// entry of each event that users want to see beside a container's log, and hands the entries on in the
// order of the events. Its position is the time of the last acknowledged event: a restarted process
// requests the events since then from the Engine. The Engine keeps only the last 256 events, so that
// events, unlike lines, may be lost while the agent is away.
package events

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/stage/level"
)

const (
	// maxWaiting is how many events may wait to be handed on. The Engine cannot return more of them again.
	maxWaiting = 256
	// patience is how long an event waits for discovery to describe its container. The event that a
	// container was started comes before that.
	patience = 10 * time.Second
	// look is how often that is checked in the meantime.
	look = 200 * time.Millisecond
)

// Options are the dependencies and settings of a Source, which owns none of them.
type Options struct {
	Logs      lighter.Logs
	Positions *position.Store
	Key       string // of the position
	Logger    *slog.Logger
	// Stream returns the stream for the events of a container, or nil if its log is not shipped. known
	// reports whether discovery knows the container. Stream is called from any goroutine.
	Stream func(container string) (s *lighter.Stream, known bool)
}

// Source turns events into entries. Tell may be called at any time, Run once.
type Source struct {
	o      Options
	cursor *position.Cursor

	mu      sync.Mutex
	waiting []event         // in order
	since   int64           // time of the last event that an earlier process has delivered
	last    int64           // time of the latest event passed to Tell
	taken   int64           // time of the latest event handed on; the position never goes back to before it
	seen    []lighter.Event // the last events passed to Tell, in order
	full    bool            // dropping of events was logged
	arrived chan struct{}   // receives a value when there are events
}

// event is a waiting event, and its stream once that is known.
type event struct {
	lighter.Event
	told   time.Time
	stream *lighter.Stream
}

// New returns a Source that hands on nothing until Run.
func New(o Options) *Source {
	s := &Source{o: o, cursor: o.Positions.Cursor(o.Key), arrived: make(chan struct{}, 1)}
	s.cursor.Start(position.Position{Time: time.Now().UnixNano()})
	s.since = s.cursor.Read().Time
	s.last = s.since
	return s
}

// Since returns the time of the last event passed to Tell, in Unix nanoseconds, or otherwise the time from
// which events are wanted.
func (s *Source) Since() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Tell takes an event. It does not block. It ignores an event that it has been given before.
func (s *Source) Tell(e lighter.Event) {
	if line(e) == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.newLocked(e) {
		return
	}
	if len(s.waiting) == maxWaiting {
		if !s.full {
			s.full = true
			s.o.Logger.Warn("events of containers come faster than they can be delivered, and some are left out", "waiting", maxWaiting)
		}
		return
	}
	one := event{Event: e, told: time.Now()}
	one.stream, _ = s.o.Stream(e.Container) // while the container still exists
	s.waiting = append(s.waiting, one)
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// newLocked reports whether an event is new, and remembers it. An Engine that is asked for the events since
// a time repeats the last events, and not always in the order of their times.
func (s *Source) newLocked(e lighter.Event) bool {
	if e.Time <= s.since || slices.Contains(s.seen, e) {
		return false
	}
	if len(s.seen) == maxWaiting {
		s.seen = slices.Delete(s.seen, 0, 1)
	}
	s.seen = append(s.seen, e)
	s.last = max(s.last, e.Time)
	return true
}

// Run hands events on until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	defer s.cursor.Done()
	for {
		batch, upTo, wait := s.take()
		if batch != nil {
			if err := s.handOn(ctx, batch, upTo); err != nil {
				return nil // ctx has ended: the Engine will be asked for the events again
			}
		}
		var later <-chan time.Time
		if wait {
			later = time.After(look)
		}
		select {
		case <-s.arrived:
		case <-later:
		case <-ctx.Done():
			return nil
		}
	}
}

// take returns a batch of the events whose containers are known, up to the first that still waits for its
// container, and the position after them. It drops events of containers that are not shipped, or that
// discovery has not described in time. wait reports whether events are left.
func (s *Source) take() (batch *lighter.Batch, upTo position.Position, wait bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := 0
	for _, e := range s.waiting {
		known := e.stream != nil
		if !known {
			e.stream, known = s.o.Stream(e.Container)
		}
		if !known && time.Since(e.told) < patience {
			break
		}
		taken++
		s.taken = max(s.taken, e.Time)
		if e.stream == nil {
			continue
		}
		if batch == nil {
			batch = &lighter.Batch{}
		}
		add(batch, e)
	}
	s.waiting = s.waiting[taken:]
	s.full = s.full && len(s.waiting) > 0
	upTo.Time, upTo.Lines = s.taken, 1
	return batch, upTo, len(s.waiting) > 0
}

// add adds an event to a batch as an entry.
func add(b *lighter.Batch, e event) {
	text := []byte(line(e.Event))
	b.Streams = append(b.Streams, e.stream)
	b.Entries = append(b.Entries, lighter.Entry{Time: e.Time, Line: text, Stream: int32(len(b.Streams) - 1)})
	b.AddField(&b.Entries[len(b.Entries)-1], level.FieldName, []byte(severity(e.Event)))
	b.Bytes += len(text)
}

func (s *Source) handOn(ctx context.Context, b *lighter.Batch, upTo position.Position) error {
	mark := s.cursor.Mark(b.Entries[0].Time, upTo, position.Bookmark{})
	b.Origin = mark
	b.Begin(mark.Ack)
	if err := s.o.Logs.Append(ctx, b); err != nil {
		mark.Undo()
		return err
	}
	b.Done()
	return nil
}

// line returns an event in logfmt, or "" if such events are not shipped.
func line(e lighter.Event) string {
	switch e.Action {
	case "start":
		return "event=start image=" + strconv.Quote(e.Image)
	case "die", "died": // Podman sends the second
		if name := signal(e.ExitCode); name != "" {
			return fmt.Sprintf("event=die exit_code=%d signal=%s", e.ExitCode, name)
		}
		return fmt.Sprintf("event=die exit_code=%d", e.ExitCode)
	case "oom":
		return "event=oom"
	case "health_status":
		return "event=health_status status=" + e.Health
	}
	return ""
}

// severity returns the level of an event.
func severity(e lighter.Event) string {
	switch {
	case e.Action == "oom", (e.Action == "die" || e.Action == "died") && e.ExitCode != 0:
		return level.Error.String()
	case e.Action == "health_status" && e.Health == "unhealthy":
		return level.Warn.String()
	}
	return level.Info.String()
}

// signal returns the name of the signal that ended a process, according to its exit code, or "".
func signal(exitCode int) string {
	names := map[int]string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM"}
	return names[exitCode-128]
}
