package main

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector"
	"lighter/collector/dockerlog"
	"lighter/collector/filelog"
	"lighter/collector/tail"
	"lighter/config"
)

// Where a log is read, as the status says it.
const (
	readFile   = "file"
	readSocket = "socket"
)

// readFrom says where a container's log is read. Where both are possible it is the file if
// there is one; what was said once holds, so that reading does not change its ways because
// of a moment's trouble. Before its first start a container has no log yet, and nothing is
// said for good.
func readFrom(s config.LogSource, c *lighter.Container, before followed) string {
	switch {
	case s.Root == "":
		return readSocket
	case s.Docker == "":
		return readFile
	case before.target.container != nil && !before.target.container.Started.IsZero():
		return before.from
	case filelog.Readable(s.Root, c) == nil:
		return readFile
	}
	return readSocket
}

// tailer is what reads a log, whatever it reads.
type tailer interface {
	collector.Runner
	Status() tail.Status
	State() *tail.State
}

// tailJob says what follows a container's log. A container that stopped before the time
// from which logs are read, and of which nothing is known, has nothing to give.
func (a *agent) tailJob(s config.LogSource, f followed) (collector.Job, bool) {
	t, c := f.target, f.target.container
	o := a.tailing
	o.Sink = a.logs[s.Name]
	o.Begin = beginning(c, a.started, time.Now(), s.Since)
	o.MaxLineBytes = s.MaxLineBytes
	if neverRan(c) || endedBefore(c, o.Begin) && a.positions.Acked(c.ID).IsZero() {
		return collector.Job{}, false
	}
	out, err := stream(t.out, t.noOut), stream(t.err, t.noErr)
	return collector.Job{
		ID:      c.ID,
		Version: fmt.Sprint(f.from, t.out, t.err, c.TTY, c.LogFiles), // by the last two a log is read in other ways
		Wake:    strconv.FormatInt(c.Started.UnixNano(), 10),
		New: func() (collector.Runner, error) {
			if f.from == readFile {
				return filelog.New(c, out, err, filelog.Options{Options: o, Root: s.Root, Containers: &a.containers, Watcher: a.watcher}), nil
			}
			return dockerlog.New(c, out, err, dockerlog.Options{Options: o, Engine: engine{a.engines[s.Docker]}}), nil
		},
	}, true
}

// beginning is from when on the log of a container is read that is seen for the first time, in
// nanoseconds since 1970: since before the agent's start. Where the clock was set back after that,
// lines have earlier times from now on, and those of a container that has just started had.
func beginning(c *lighter.Container, started, now time.Time, since time.Duration) int64 {
	from, now := started.Round(0), now.Round(0) // by the clock on the wall
	if now.Before(from) {
		from = now
		if !c.Started.IsZero() && c.Started.Before(from) {
			from = c.Started
		}
	}
	return max(from.Add(-since).UnixNano(), 0)
}

// neverRan tells of a container that was created and not started yet: it has no log.
func neverRan(c *lighter.Container) bool { return c.Started.IsZero() && !c.Running }

// endedBefore tells of a container that has ended before a time, in nanoseconds since 1970, as
// far as that is known.
func endedBefore(c *lighter.Container, time int64) bool {
	return !c.Running && !c.Finished.IsZero() && c.Finished.UnixNano() < time
}

func stream(l labels.Labels, leftOut bool) *lighter.Stream {
	if leftOut {
		return nil
	}
	return lighter.NewStream(l)
}

// wake has a tailer of a file look what has become of its container. The Engine tells the
// others by itself.
func wake(_ collector.Job, r collector.Runner) {
	if f, ok := r.(*filelog.Tailer); ok {
		f.Wake()
	}
}

// tailerEnded keeps what a tailer has to say after its end, for the status, and logs what
// is not how tailers usually end.
func (a *agent) tailerEnded(j collector.Job, r collector.Runner, err error) {
	name := j.ID
	if c, ok := a.containers.Container(j.ID); ok {
		name = c.Name
	}
	switch {
	case errors.Is(err, dockerlog.ErrUnreadable):
		a.o.logger.Warn("the container's log cannot be read and is not shipped; use the log driver json-file, local or journald", "container", name, "error", err)
	case errors.Is(err, filelog.ErrDriver):
		a.o.logger.Warn("the container's log cannot be read and is not shipped; use the log driver json-file, or LIGHTER_LOG_SOURCE=auto and the Engine's socket", "container", name, "error", err)
	}
	if t, ok := r.(tailer); ok {
		a.endings.put(j.ID, t.State())
	}
}

// endings are the states of tailers that have ended, by container id: what they have read may be
// delivered only later. The zero value is ready.
type endings struct {
	mu   sync.Mutex
	last map[string]*tail.State
}

func (e *endings) put(id string, s *tail.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[string]*tail.State{}
	}
	e.last[id] = s
}

func (e *endings) get(id string) (tail.Status, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.last[id]
	if !ok {
		return tail.Status{}, false
	}
	return s.Status(), true
}

func (e *endings) keep(wanted func(id string) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.last {
		if !wanted(id) {
			delete(e.last, id)
		}
	}
}
