package dockerlog

import (
	"context"
	"errors"
	"io"
	"time"

	"lighter"
	"lighter/collector/position"
)

// This file and oldengine_repeats.go hold what only Engines before 23 (API 1.42) need. Nothing of it
// is entered unless Container.OldEngine says so. Those Engines have these defects (docs/engines.md):
//
//   - A follower that is told late of a log's rotation reads the current file from its start: it
//     gives lines twice. The type repeats finds them.
//   - A follower of a log with small compressed files skips files. Such a log is read in rounds.
//   - A response from a time on leaves out compressed files that end after that time, all of them if
//     the oldest one ends before it. Then the whole log is asked for.
//   - A response from a time on goes on behind a damaged part of a file, and leaves out lines there
//     that the Engine could give. Such a part is looked for before the log is followed.

// maxSmallFile is the size of a log file up to which a compressed log is read in rounds. A follower
// that gets to a rotated file later than the Engine has compressed it, which takes 30 ms for this
// size, goes wrong there: Engine 20.10 takes the removal of what it compressed for another rotation,
// and skips a file. Of files of 10 to 100 kB a follower missed nine lines of ten at 200 to 5,000 lines
// a second, of 1 MB some at 5,000. With larger ones it has more time, and a round, which has the
// Engine read the newest file from its start, costs more. Engine 28 skips nothing there.
const maxSmallFile = 1 << 20

// inRounds reports whether a log is read in rounds instead of being followed.
func inRounds(c *lighter.Container) bool {
	return leavesOutFiles(c) && c.LogFiles.MaxBytes <= maxSmallFile
}

// leavesOutFiles reports whether the Engine, asked for a log from a time on, may leave out files that
// have later lines.
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

// unread returns the portion of the log that has all lines which were not read yet. Where the Engine
// may leave out files that is the whole log, as long as there is no line by which to tell that it did.
func (t *Tailer) unread() portion {
	if t.remedy.last > 0 {
		return fromLast
	}
	if from, _ := t.feed.From(); leavesOutFiles(t.container) && !from.HasLines() {
		return whole
	}
	return toTheEnd
}

// snapshot reads what the Engine holds now.
func (t *Tailer) snapshot(ctx context.Context) error {
	err := t.stream(ctx, t.unread())
	if errors.Is(err, errMissed) {
		err = t.stream(ctx, whole)
	}
	t.feed.Drop()
	return err
}

// maxQuiet is the longest time between two rounds, though the follower gives nothing: it may stand still.
const maxQuiet = 30 * time.Second

// newLines, as the number of last lines, asks an Engine for those to come and none that are there.
const newLines = -1

// rounds reads the log to its end again and again, each time from where reading goes on, and
// returns why it ended. What the Engine gives of all files as they are at one moment skips
// nothing and repeats nothing. A follower only tells when the next round is due; the lines that it
// gives are not used.
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

// round reads the log to its end once, and returns when there is probably more, or when it has
// ended.
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

// pace tells how long to wait after a round.
type pace struct {
	held int // bytes that the Engine keeps of the log
	last time.Duration
}

const (
	// minRound is the pause after the first line, and as short as pauses get: the Engine takes
	// as long for a round.
	minRound = 20 * time.Millisecond
	// maxRound is the pause of a log that is written a little all the time.
	maxRound = time.Second
)

// after returns the pause after a round that gave so many bytes, which were written between two
// times. Pauses grow, but not so long that more than a quarter of the log would be replaced at the
// speed at which those bytes were written. A sixteenth of the log or less is not enough to tell a
// speed by, and no danger.
func (p *pace) after(bytes int, oldest, newest int64) time.Duration {
	p.last = min(max(2*p.last, minRound), maxRound)
	if bytes > p.held/16 {
		took := float64(newest - oldest)
		p.last = min(p.last, max(time.Duration(took*float64(p.held)/4/float64(bytes)), minRound))
	}
	return p.last
}

// reset tells that nothing was written for longer than the longest pause.
func (p *pace) reset() { p.last = 0 }

// damageAhead returns the time of the first message behind damage that the Engine would skip
// in the middle of a response from a position on; it returns 0 if there is none. Where in the file the
// Engine goes on behind the damage depends on how it reads the file, and so it leaves out lines that it
// could give. Only the newest part of a long log is examined. newest is the time of the log's last message.
func (t *Tailer) damageAhead(ctx context.Context, from position.Position, newest int64) int64 {
	ctx, cancel := context.WithTimeout(ctx, maxExamination)
	defer cancel()
	end, damaged, err := t.readableEnd(ctx, from, newest, someMessages)
	if err != nil || !damaged {
		return 0 // the log is read all the same, and an error comes again
	}
	return end.oldest
}
