package filelog

import "time"

// Wrote is a write that inotify tells of.
func (t *Tailer) Wrote() { wake(t.wrote) }

// DisregardClock has t look at its log only when it is woken. It is called before Run.
func (t *Tailer) DisregardClock() { t.poll = time.Hour }
