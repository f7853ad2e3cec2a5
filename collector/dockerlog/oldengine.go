package dockerlog

import (
	"context"
	"errors"
	"io"
	"time"

	"lighter"
	"lighter/collector/position"
)

// This file and oldengine_repeats.go hold what only Engines before 23 (API 1.42) need. None of it runs
// unless Container.OldEngine is set. Those Engines have these defects (docs/engines.md):
//
//   - A follower that is notified late of a log's rotation reads the current file from its start: it
//     returns lines twice. The type repeats finds them.
//   - A follower of a log with small compressed files skips files. Such a log is read in rounds.
//   - A response from a time on leaves out compressed files that end after that time, all of them if the
//     oldest one ends before it. Then the whole log is requested.
//   - A response from a time on continues behind a damaged part of a file, and leaves out lines there that
//     the Engine could return. Such damage is searched for before the log is followed.

// maxSmallFile is the size of a log file up to which a compressed log is read in rounds. A follower that
// reaches a rotated file after the Engine has compressed it, which takes 30 ms for this size, fails there:
// Engine 20.10 takes the removal of the uncompressed file for another rotation, and skips a file. With
// files of 10 to 100 kB, a follower missed nine of ten lines at 200 to 5,000 lines a second; with 1 MB, it
// missed some at 5,000. Larger files give it more time, and make a round, for which the Engine reads the
// newest file from its start, more expensive. Engine 28 skips nothing there.
const maxSmallFile = 1 << 20

// inRounds reports whether a log is read in rounds instead of being followed.
func inRounds(c *lighter.Container) bool {
	return leavesOutFiles(c) && c.LogFiles.MaxBytes <= maxSmallFile
}

// leavesOutFiles reports whether the Engine may leave out files with later lines when the log is requested
// from a time on.
func leavesOutFiles(c *lighter.Container) bool { return c.OldEngine && c.LogFiles.Compressed }

// readOldEngine is follow for an Engine before 23.
func (t *Tailer) readOldEngine(ctx context.Context) error {
	if inRounds(t.container) {
		return t.rounds(ctx)
	}
	if t.unread() == whole {
		if t.readOnce {
			t.readOnce = false
			return t.drain(ctx, whole)
		}
		if err := t.snapshot(ctx); err != nil {
			return err
		}
	}
	err := t.follow(ctx)
	if errors.Is(err, errMissed) && leavesOutFiles(t.container) {
		return t.drain(ctx, whole)
	}
	return err
}

// unread returns the portion of the log that contains all unread lines. If the Engine may leave out files,
// that is the whole log, until there is a line that proves whether it did.
func (t *Tailer) unread() portion {
	if t.remedy.last > 0 {
		return fromLast
	}
	if from, _ := t.feed.From(); leavesOutFiles(t.container) && !from.HasLines() {
		return whole
	}
	return toTheEnd
}

// snapshot reads what the Engine holds at present.
func (t *Tailer) snapshot(ctx context.Context) error {
	err := t.stream(ctx, t.unread())
	if errors.Is(err, errMissed) {
		err = t.stream(ctx, whole)
	}
	t.feed.Drop()
	return err
}

// maxQuiet is the longest time between two rounds if the follower returns nothing, because the follower may
// hang.
const maxQuiet = 30 * time.Second

// newLines, as the number of last lines, requests only lines that are written from now on.
const newLines = -1

// rounds repeatedly reads the log to its end, each time from where reading continues, and returns why it
// ended. What the Engine returns of all files as of one moment skips and repeats nothing. A follower only
// signals when the next round is due; the lines that it returns are not used.
func (t *Tailer) rounds(ctx context.Context) error {
	p := pace{held: int(t.container.LogFiles.MaxBytes) * t.container.LogFiles.Max}
	for {
		ended, err := t.round(ctx, &p)
		if err != nil {
			return err
		}
		if ended {
			err := t.drain(ctx, t.unread())
			if errors.Is(err, errMissed) {
				err = t.drain(ctx, whole)
			}
			return err
		}
	}
}

// round reads the log to its end once. It returns when there is probably more, or when the log has ended.
func (t *Tailer) round(ctx context.Context, p *pace) (ended bool, err error) {
	quiet, stop := context.WithTimeout(ctx, maxQuiet)
	defer stop()
	// The follower is opened before the snapshot, so that a line which is written after the
	// snapshot's end ends the wait below.
	follower, err := t.o.Engine.OpenLogs(quiet, t.container.ID, 0, true, newLines)
	if err != nil {
		return false, t.explain("open the log", err)
	}
	defer follower.Close()
	if err := t.snapshot(ctx); err != nil {
		return false, err
	}
	if err := sleep(ctx, p.after(t.bytes, t.decoder.oldest, t.decoder.newest)); err != nil {
		return false, err
	}
	began := time.Now()
	_, err = follower.Read(make([]byte, 1))
	if time.Since(began) > maxRound {
		p.reset()
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return errors.Is(err, io.EOF), nil // the next round meets any other error, too
}

// pace determines how long to wait after a round.
type pace struct {
	held int // bytes of the log that the Engine keeps
	last time.Duration
}

const (
	// minRound is the pause after the first line, and the shortest pause: a round takes the Engine as long.
	minRound = 20 * time.Millisecond
	// maxRound is the pause of a log that is written slowly all the time.
	maxRound = time.Second
)

// after returns the pause after a round that returned the given number of bytes, which were written between
// the two times. Pauses grow, but only so long that at most a quarter of the log is replaced at the speed
// at which those bytes were written. A sixteenth of the log or less is too little to determine a speed, and
// is no danger.
func (p *pace) after(bytes int, oldest, newest int64) time.Duration {
	p.last = min(max(2*p.last, minRound), maxRound)
	if bytes > p.held/16 {
		took := float64(newest - oldest)
		p.last = min(p.last, max(time.Duration(took*float64(p.held)/4/float64(bytes)), minRound))
	}
	return p.last
}

// reset resets the pauses because nothing was written for longer than the longest pause.
func (p *pace) reset() { p.last = 0 }

// damageAhead returns the time of the first message behind damage that the Engine would skip in the middle
// of a response from a position on, or 0 if there is none. Where the Engine continues in the file behind
// the damage depends on how it reads the file, so it leaves out lines that it could return. Only the newest
// part of a long log is examined. newest is the time of the log's last message.
func (t *Tailer) damageAhead(ctx context.Context, from position.Position, newest int64) int64 {
	ctx, cancel := context.WithTimeout(ctx, maxExamination)
	defer cancel()
	end, damaged, err := t.readableEnd(ctx, from, newest, someMessages)
	if err != nil || !damaged {
		return 0 // the log is read all the same, and an error will return
	}
	return end.oldest
}
