package dockerlog

import (
	"context"
	"errors"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// This file holds what only Podman needs. Podman has these defects (docs/engines.md):
//
//   - A follower leaves out lines once the container has stopped. From a quarter of a second after the
//     stop, it randomly returns or leaves out each remaining line (nxadm/tail, StopAtEOF and sendLine). So
//     what a follower returns is handed on only if the container still runs afterwards. The log of a
//     stopped container is read without follow, which returns all of it.
//   - Before Podman 4.7, a request for the last messages of a log leaves the log's file open in the service
//     for good (libpod/logs, getTailLog). So no Podman is asked for the end of a log: a follower that returns
//     nothing is not checked, a response is not compared with the end of the log, and the log of a stopped
//     container ends where its response ends.
//   - A container that is being stopped does not run, although it may write until its process ends.
//   - The times of a log are whole seconds. If a run ends with a line without a newline and the next one
//     begins within that second, the times do not show where the line ends. So the position records the
//     messages of that line, and the type unended skips them.

// hasStopped reports whether a container's process has ended. While Podman stops a container, its state is
// "stopping", or "running" in newer versions (5.6, pkg/api/handlers/compat), although it does not count as
// running.
func hasStopped(c *lighter.Container) bool {
	return !c.Running && c.State != "stopping" && c.State != "running"
}

// caughtUp reports whether the stream has come to the position at which it was opened. Other Engines are
// asked what a stream must contain: see expecting.
func (t *Tailer) caughtUp() bool {
	return !t.container.Podman || t.decoder.latest(t.feed.Chunk.Buf) >= t.top
}

// prove returns errMore if a response of a Podman follower may lack lines, because the container has
// stopped in the meantime.
func (t *Tailer) prove(ctx context.Context) error {
	if !t.container.Podman || !t.following {
		return nil
	}
	c, err := t.o.Engine.Inspect(ctx, t.container.ID)
	switch {
	case errors.Is(err, lighter.ErrGone):
		return nil // the log cannot be read again
	case err != nil:
		return t.explain("ask whether the container runs", err)
	case !c.Running || !c.Started.Equal(t.started):
		return errMore
	}
	return nil
}

// addOfPodman adds a line to the batch.
func (t *Tailer) addOfPodman(line *tail.Line) {
	if t.finishing && line.EndedBy == 0 {
		t.feed.AddUnended(line, t.decoder.unended.messages[line.Stream])
	} else {
		t.feed.Add(line)
	}
}

// unended finds the messages of a log that were delivered as lines without a newline. A line that is open
// at the end of a run always has the time of the log's last message: Podman's pieces are shorter than
// Docker's, and after a short piece any message with another time ends the line (tail.Lines).
type unended struct {
	position position.Position   // where reading continues
	at       int64               // the time of the last message, Unix nanoseconds
	messages [2]position.Unended // messages with that time, by stream
}

// isDelivered counts a message, and reports whether it is part of a line without a newline before the
// position.
func (u *unended) isDelivered(at int64, stream int, last bool) bool {
	delivered := u.nextIsDelivered(at, stream) && !last
	m := &u.messages[stream]
	if last {
		m.After, m.Messages = m.After+1, 0
	} else {
		m.Messages++
	}
	return delivered
}

// nextIsDelivered reports whether the next message of a stream, whose time is at, is part of such a line,
// assuming that it has no newline.
func (u *unended) nextIsDelivered(at int64, stream int) bool {
	if u.at != at {
		u.at, u.messages = at, [2]position.Unended{}
	}
	m, delivered := u.messages[stream], u.position.Unended[stream]
	return at == u.position.Time && m.After == delivered.After && m.Messages < delivered.Messages
}
