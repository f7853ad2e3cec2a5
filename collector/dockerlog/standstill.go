package dockerlog

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errStandstill means that a stream was closed because the Engine sent nothing more although the log goes on.
var errStandstill = errors.New("the Engine sent nothing for a while although the log was written")

// How long a stream may be silent.
const (
	// minPatience is how long the Engine may take to give what the log already holds. An Engine that reads
	// a long log from its start may take longer. So the time is doubled, up to maxSilence, each time that a
	// stream was closed before it gave anything, until it is known how long the Engine takes.
	minPatience = 10 * time.Second
	// minSilence is how long a stream may give nothing before the Engine is asked whether the log goes on.
	// It is doubled, up to maxSilence, each time that the log does not go on.
	minSilence = 30 * time.Second
	maxSilence = 5 * time.Minute
	// onTheWay is how long a line may take from the Engine's log to the end of its stream.
	onTheWay = time.Second
)

// standstill closes a stream that stands still. A follower of a busy Engine may hang although the log
// goes on, and only a new response shows that. A standstill checks only while the tailer waits for the
// Engine.
type standstill struct {
	lastTime func(ctx context.Context) (int64, error) // asks for the time of the log's last message
	close    func()                                   // ends the read that waits

	ctx    context.Context
	cancel context.CancelFunc
	checks sync.WaitGroup
	timer  *time.Timer

	mu        sync.Mutex
	waiting   bool
	reads     int           // that have begun
	newest    int64         // the time of the newest message that has come
	expecting bool          // the stream has still to give some of what the log held when it was opened
	given     bool          // the stream has given something
	patience  time.Duration // how long one read may wait while expecting is set
	silence   time.Duration // until the next check
	found     error
}

// watchStandstill returns a standstill for the stream that is open. Call stop when it has ended.
func (t *Tailer) watchStandstill(ctx context.Context) *standstill {
	s := &standstill{
		lastTime: func(ctx context.Context) (int64, error) { return t.firstTime(ctx, 0, 1) },
		close:    func() { _ = t.body.Close() },
		patience: t.patience,
		silence:  min(minSilence/minPatience*t.patience, maxSilence),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.timer = time.AfterFunc(time.Hour, s.check)
	s.timer.Stop()
	return s
}

// stop ends all checks, and waits for the one that runs. It reports whether the stream has given
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

// reading tells that the tailer waits for the Engine from now on. newest is the time of the newest
// message that has come; expecting reports whether a message that the log already held has still to come.
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

// read tells that a read has ended with n bytes. It returns why the stream was closed, or nil if it was not.
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

// check closes the stream with errHole if the stream has still to give what the log held when it was
// opened, and with errStandstill if the Engine says twice, onTheWay apart, that the log has a newer message.
// The timer runs it in a goroutine of its own.
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

// checkAgain has the stream checked once more, later, if the same read still waits.
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
