package journal

import (
	"errors"
	"time"

	"lighter/collector/inotify"
)

var (
	AppendQuoted = appendQuoted
	ErrNone      = errNone
)

// SetPace has the Tailer look at its journal so often.
func (t *Tailer) SetPace(step, told, alone time.Duration) { t.pace = pace{step, told, alone} }

// SetRoots has the Tailer read the journal of a machine of this id, on the disk and below /run.
func (t *Tailer) SetRoots(persistent, runtime, machine string) {
	t.roots, t.machine = []string{persistent, runtime}, func() string { return machine }
}

// NoInotify has the Tailer find no inotify.
func (t *Tailer) NoInotify() {
	t.notify = func() (*inotify.Instance, error) { return nil, errors.New("none left") }
}

// ByClock has the Tailer look by the clock alone, such as that of a synctest bubble.
func (t *Tailer) ByClock() {
	t.notify = func() (*inotify.Instance, error) { return nil, nil }
}

// Matches reports whether fields match.
func (m *Matches) Matches(fields ...string) bool {
	all := make([]field, 0, len(fields))
	for _, s := range fields {
		for i := range s {
			if s[i] == '=' {
				all = append(all, field{name: []byte(s[:i]), value: []byte(s[i+1:])})
				break
			}
		}
	}
	return m.match(all)
}
