package tail

import (
	"sync"
	"time"

	"lighter"
)

// The states of a tailer.
const (
	Opening   = "opening"
	Following = "following"
	Waiting   = "waiting for room" // reading waits until there is room
	Broken    = "broken"           // the log could not be read and will be opened again
	Stopped   = "stopped"
)

// Status is a tailer's state as the status page shows it.
type Status struct {
	State       string
	Read        int64     // lines handed on
	Delivered   int64     // how many of them the endpoint has taken or has on its disk; refused lines, and lines dropped for want of labels, do not count
	LastLine    time.Time // time of the last line read, or zero
	LastError   string    // the reason of the last failure, or why the tailer ended; kept after recovery
	LastErrorAt time.Time
}

// State holds a tailer's Status and what has been logged about it. It is safe for concurrent use.
type State struct {
	mu       sync.Mutex
	st       Status
	failures lighter.Failures // to read the log
}

// Set sets the tailer's state.
func (s *State) Set(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State = state
}

// Break records why reading the log failed, and reports whether the reason is new.
func (s *State) Break(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State, s.st.LastError, s.st.LastErrorAt = Broken, err.Error(), time.Now()
	return s.failures.Set(err)
}

// lost records that lines of the log are lost.
func (s *State) lost(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.LastError, s.st.LastErrorAt = why, time.Now()
}

// handedOn records progress. If that ends failures that were logged, it returns their number and duration.
func (s *State) handedOn(lines int, last int64) (breaks int, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Read += int64(lines)
	s.st.LastLine = time.Unix(0, last).UTC()
	after, breaks, _ = s.failures.Works()
	return breaks, after
}

func (s *State) delivered(lines int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Delivered += int64(lines)
}

// End records why the tailer has ended; nil and ErrStopped are not errors.
func (s *State) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State = Stopped
	if err != nil && err != ErrStopped {
		s.st.LastError, s.st.LastErrorAt = err.Error(), time.Now()
	}
}

// Status returns what the tailer does and has done.
func (s *State) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.st
	if st.State == "" {
		st.State = Opening
	}
	return st
}
