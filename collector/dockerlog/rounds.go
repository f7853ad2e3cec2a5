package dockerlog

import (
	"context"
	"errors"
	"io"
	"time"

	"lighter"
)

// maxSmallFile is the size of a log file up to which a compressed log is read in rounds. A follower
// that gets to a rotated file later than the Engine has compressed it, 30 ms for this size, is led
// astray: Engine 20.10 takes the removal of what it compressed for another rotation, and skips a
// file; any Engine skips what was rotated twice. Of files of 10 to 100 kB a follower missed nine
// lines of ten at 200 to 5,000 lines a second, of 1 MB some at 5,000. With larger ones it has more
// time, and a round, which has the Engine read the newest file from its start, costs more.
const maxSmallFile = 1 << 20

// inRounds reports whether a log is read in rounds instead of being followed.
func inRounds(c *lighter.Container) bool {
	return c.LogFiles.Compressed && c.LogFiles.MaxBytes <= maxSmallFile
}

// maxQuiet is how long a log is not looked at though the Engine says nothing of it: its
// follower may stand still.
const maxQuiet = 30 * time.Second

// newLines, as the number of last lines, asks an Engine for those to come and none that are there.
const newLines = -1

// rounds reads the log to its end again and again, each time from where reading goes on, and
// returns why it ended. What the Engine gives of all files as they are at one moment skips
// nothing and repeats nothing. A round is due when a follower has something to say; what it
// says is not used.
func (t *Tailer) rounds(ctx context.Context) error {
	p := pace{held: int(t.container.LogFiles.MaxBytes) * t.container.LogFiles.Max}
	for {
		ended, err := t.round(ctx, &p)
		if err != nil {
			return err
		}
		if ended {
			return t.drain(ctx, t.rest())
		}
	}
}

// round reads the log to its end once, and returns when there is probably more, or when it has
// ended.
func (t *Tailer) round(ctx context.Context, p *pace) (ended bool, err error) {
	hearing, stop := context.WithTimeout(ctx, maxQuiet)
	defer stop()
	bell, err := t.o.Engine.OpenLogs(hearing, t.container.ID, 0, true, newLines) // before the round: what that misses, rings
	if err != nil {
		return false, t.explain("open the log", err)
	}
	defer bell.Close()
	if err := t.snapshot(ctx); err != nil {
		return false, err
	}
	pause := p.after(t.answer)
	if err := sleep(ctx, pause); err != nil {
		return false, err
	}
	quiet := time.Now()
	_, err = bell.Read(make([]byte, 1))
	if time.Since(quiet) > maxRound {
		p.reset()
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return errors.Is(err, io.EOF), nil // of any other error the next round hears
}

// snapshot reads what the Engine holds now.
func (t *Tailer) snapshot(ctx context.Context) error {
	err := t.stream(ctx, t.rest())
	if errors.Is(err, errMissed) {
		err = t.stream(ctx, whole)
	}
	t.feed.Drop()
	return err
}

// rest says what to read for what was not read yet. Where the Engine leaves out files it is all,
// as long as there is no line by which to tell that it did.
func (t *Tailer) rest() reach {
	if from, _ := t.feed.From(); t.container.LogFiles.LeftOut && from.Lines == 0 {
		return whole
	}
	return toTheEnd
}

// answer is how much the Engine gave.
type answer struct {
	bytes       int
	first, last int64 // times of the lines, Unix nanoseconds; 0 if there was none
}

// line notes the time of a line.
func (a *answer) line(at int64) {
	if a.first == 0 {
		a.first = at
	}
	a.last = at
}

// pace says how long to wait after a round.
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

// after returns the pause after a round: longer and longer, but not so long that more than a
// quarter of the log would be replaced at the speed at which the answer was written. A sixteenth
// of the log or less is not enough to tell a speed by, and no danger.
func (p *pace) after(a answer) time.Duration {
	p.last = min(max(2*p.last, minRound), maxRound)
	if a.bytes > p.held/16 {
		took := float64(max(a.last-a.first, 0))
		p.last = min(p.last, max(time.Duration(took*float64(p.held)/4/float64(a.bytes)), minRound))
	}
	return p.last
}

// reset says that nothing was written for longer than the longest pause.
func (p *pace) reset() { p.last = 0 }
