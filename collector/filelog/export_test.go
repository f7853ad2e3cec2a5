package filelog

import "time"

// Wrote is a write event of inotify.
func (t *Tailer) Wrote() { wake(t.wrote) }

// Overflow is what an inotify.Watcher does when events were lost.
func (t *Tailer) Overflow() { wake(t.look) }

// DisregardClock makes t check its log only when it is woken, if inotify works. Call it before Run.
func (t *Tailer) DisregardClock() { t.poll = time.Hour }
