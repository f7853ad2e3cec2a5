package tail

import (
	"sync"
	"time"
)

// What a tailer is doing.
const (
	Opening   = "opening"
	Following = "following"
	Waiting   = "waiting for room" // reading stands still until there is room
	Broken    = "broken"           // the log could not be read and is opened again soon
	Stopped   = "stopped"
)

// Status is what the status page shows of a tailer.
type Status struct {
	State       string
	Read        int64     // lines handed on
	Delivered   int64     // of these, how many the endpoint has taken or has on its disk; lines that are refused, or left out for want of labels, do not count
	LastLine    time.Time // time of the last line read; zero if there was none
	LastError   string    // why the log broke last, or why the tailer ended; kept after recovery
	LastErrorAt time.Time
}

// State is a tailer's Status and what of it has been logged. It is safe for concurrent use.
type State struct {
	mu     sync.Mutex
	st     Status
	logged string // the break that was logged last, of the present ones
	since  time.Time
	breaks int
}

// Set notes what the tailer does.
func (s *State) Set(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.State = state
}

// Break notes why the log broke and reports whether that is news.
func (s *State) Break(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.st.State, s.st.LastError, s.st.LastErrorAt = Broken, err.Error(), now
	news := s.logged != s.st.LastError
	if s.logged == "" {
		s.since, s.breaks = now, 0
	}
	s.logged = s.st.LastError
	s.breaks++
	return news
}

// lost notes that lines of the log are lost.
func (s *State) lost(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.LastError, s.st.LastErrorAt = why, time.Now()
}

// handedOn notes progress and returns, if that ends breaks that were logged, how many they
// were and for how long.
func (s *State) handedOn(lines int, last int64) (breaks int, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Read += int64(lines)
	s.st.LastLine = time.Unix(0, last).UTC()
	if s.logged == "" {
		return 0, 0
	}
	s.logged = ""
	return s.breaks, time.Since(s.since)
}

func (s *State) delivered(lines int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Delivered += int64(lines)
}

// End notes why the tailer has ended; nil and ErrStopped are no errors.
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
