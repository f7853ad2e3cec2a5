package dockerlog

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errStandstill means that a stream was closed because the Engine sent nothing more although the log
// continued.
var errStandstill = errors.New("the Engine sent nothing for a while although the log grew")

// How long a stream may be silent.
const (
	// minPatience is how long the Engine may take to return what the log already contains. An Engine that
	// reads a long log from its start may take longer. So the time is doubled, up to maxSilence, each time
	// that a stream was closed before it returned anything, until the needed time is known.
	minPatience = 10 * time.Second
	// minSilence is how long a stream may return nothing before the Engine is asked whether the log
	// continues. It is doubled, up to maxSilence, each time that the log has not continued.
	minSilence = 30 * time.Second
	maxSilence = 5 * time.Minute
	// onTheWay is how long a line may take from the Engine's log to the end of its stream.
	onTheWay = time.Second
)

// standstill closes a stream that stands still. A follower of a busy Engine may hang although the log
// continues, and only a new response reveals that. A standstill checks only while the tailer waits for the
// Engine.
type standstill struct {
	lastTime func(ctx context.Context) (int64, error) // requests the time of the log's last message; nil if the Engine must not be asked
	close    func()                                   // ends the read that waits

	ctx    context.Context
	cancel context.CancelFunc
	checks sync.WaitGroup
	timer  *time.Timer

	mu        sync.Mutex
	waiting   bool
	reads     int           // number of reads begun
	newest    int64         // the time of the newest message received
	expecting bool          // the stream has not yet returned everything that the log held when it was opened
	given     bool          // the stream has returned something
	patience  time.Duration // how long one read may wait while expecting is set
	silence   time.Duration // until the next check
	found     error
}

// watchStandstill returns a standstill for the open stream. Call stop when the stream has ended.
func (t *Tailer) watchStandstill(ctx context.Context) *standstill {
	s := &standstill{
		close:    func() { _ = t.body.Close() },
		patience: t.patience,
		silence:  min(minSilence/minPatience*t.patience, maxSilence),
	}
	if !t.container.Podman {
		s.lastTime = func(ctx context.Context) (int64, error) { return t.firstTime(ctx, 0, 1) }
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.timer = time.AfterFunc(time.Hour, s.check)
	s.timer.Stop()
	return s
}

// stop ends all checks, and waits for one that is running. It reports whether the stream has returned
// anything.
func (s *standstill) stop() (given bool) {
	s.cancel()
	s.mu.Lock()
	s.waiting = false
	s.timer.Stop()
	given = s.given
	s.mu.Unlock()
	s.checks.Wait()
	return given
}

// reading declares that the tailer waits for the Engine from now on. newest is the time of the newest
// message received. expecting reports whether a message that the log already contained has not come yet.
func (s *standstill) reading(newest int64, expecting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.newest, s.expecting = true, newest, expecting
	s.reads++
	s.timer.Reset(s.next())
}

// next returns how long to wait before the next check.
func (s *standstill) next() time.Duration {
	if s.expecting {
		return s.patience
	}
	return s.silence
}

// read declares that a read has ended with n bytes. It returns why the stream was closed, or nil if it was
// not.
func (s *standstill) read(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	s.timer.Stop()
	if n > 0 {
		s.given, s.silence = true, minSilence
	}
	return s.found
}

// check closes the stream with errHole if the stream has not yet returned what the log held when it was
// opened. It closes it with errStandstill if the Engine reports twice, onTheWay apart, that the log has a
// newer message. The timer runs check in a goroutine of its own.
func (s *standstill) check() {
	s.mu.Lock()
	if !s.waiting {
		s.mu.Unlock()
		return
	}
	s.checks.Add(1)
	defer s.checks.Done()
	reads, newest, expecting := s.reads, s.newest, s.expecting
	s.mu.Unlock()
	if expecting {
		s.end(reads, errHole)
		return
	}
	if s.lastTime == nil {
		return
	}
	for range 2 {
		last, err := s.lastTime(s.ctx)
		if err != nil || last <= newest {
			s.checkAgain(reads)
			return
		}
		if sleep(s.ctx, onTheWay) != nil {
			return
		}
	}
	s.end(reads, errStandstill)
}

// checkAgain schedules another check of the stream, in case the same read still waits then.
func (s *standstill) checkAgain(reads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting && s.reads == reads {
		s.silence = min(2*s.silence, maxSilence)
		s.timer.Reset(s.silence)
	}
}

// end closes the stream if the same read still waits.
func (s *standstill) end(reads int, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting && s.reads == reads {
		s.found = why
		s.close()
	}
}
