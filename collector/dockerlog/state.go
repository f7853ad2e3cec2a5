package dockerlog

import (
	"sync"
	"time"
)

// What a Tailer is doing.
const (
	Opening   = "opening"
	Following = "following"
	Waiting   = "waiting for room" // the stream is closed until the Sink has room
	Broken    = "broken"           // the stream broke and is opened again soon
	Stopped   = "stopped"
)

// Status is what the status page shows of a Tailer.
type Status struct {
	State       string
	Read        int64     // lines handed on
	Delivered   int64     // of these, those that every endpoint is finished with
	LastLine    time.Time // time of the last line read; zero if there was none
	LastError   string    // why the stream broke last, or why the Tailer ended; kept after recovery
	LastErrorAt time.Time
}

// state is a Tailer's Status and what of it has been logged.
type state struct {
	mu     sync.Mutex
	st     Status
	logged string // the break that was logged last, of the present ones
}

func (s *state) following() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State = Following
}

func (s *state) waiting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State = Waiting
}

// broken notes why the stream broke and reports whether that is news.
func (s *state) broken(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State, s.st.LastError, s.st.LastErrorAt = Broken, err.Error(), time.Now()
	news := s.logged != s.st.LastError
	s.logged = s.st.LastError
	return news
}

// handedOn notes progress and reports whether it ends a break that was logged.
func (s *state) handedOn(lines int, last int64) (recovered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Read += int64(lines)
	s.st.LastLine = time.Unix(0, last).UTC()
	recovered = s.logged != ""
	s.logged = ""
	return recovered
}

func (s *state) delivered(lines int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Delivered += int64(lines)
}

func (s *state) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State = Stopped
	if err != nil && err != ErrStopped {
		s.st.LastError, s.st.LastErrorAt = err.Error(), time.Now()
	}
}

// Status returns what the Tailer does and has done. It may be called at any time.
func (t *Tailer) Status() Status {
	t.state.mu.Lock()
	defer t.state.mu.Unlock()
	st := t.state.st
	if st.State == "" {
		st.State = Opening
	}
	return st
}
