package endpoint

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"lighter"
	"lighter/exporters/internal/changes"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
)

// Losses counts and logs losses of waiting items of an endpoint. It is safe for concurrent use.
type Losses struct {
	endpoint string
	words    Words
	metrics  *Metrics
	logger   *slog.Logger

	mu      sync.Mutex
	lost    map[string]int64 // items by reason
	full    bool             // logged, and there has been no room since
	foreign bool             // logged
	damaged bool             // logged, and nothing could be read since
	writes  changes.Log
}

// Count counts lost items without logging them.
func (l *Losses) Count(reason string, items int) {
	l.metrics.Dropped.WithLabelValues(l.endpoint, reason).Add(float64(items))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost[reason] += int64(items)
}

// Dropped counts and logs dropped items.
func (l *Losses) Dropped(reason string, items int) {
	l.Count(reason, items)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case reason == queue.ReasonFull && !l.full:
		l.full = true
		l.logger.Error("the buffer is full, the oldest "+l.words.Items+" are dropped", "reason", reason)
	case reason == stored.ReasonFormat && !l.foreign:
		l.foreign = true
		l.logger.Error(l.words.Items+" that waited are dropped: another version of lighter wrote them in a format that this one does not know", "reason", reason)
	}
}

// RoomAgain reports that half of the buffer is free.
func (l *Losses) RoomAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		l.full = false
		l.logger.Info("the buffer has room again")
	}
}

// Damaged reports that a record of some items cannot be read and is dropped. The queue counts it.
func (l *Losses) Damaged(items int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.damaged {
		l.damaged = true
		l.logger.Error(l.words.Items+" that waited on disk are damaged: they are dropped, and counted as "+queue.ReasonDamaged, "items", items, "error", err)
	}
}

// Readable reports that a record can be read.
func (l *Losses) Readable() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damaged = false
}

// DiskFailed reports that the disk does not accept items.
func (l *Losses) DiskFailed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.writes.Failed(changes.WithoutPath(err)); !ok {
		return
	}
	if errors.Is(err, queue.ErrFull) {
		l.logger.Warn("the buffer on disk is full ("+lighter.SettingBufferMax+"): "+l.words.Full, "error", err)
		return
	}
	l.logger.Error("the disk cannot store "+l.words.Items+": "+l.words.Failed, "error", err)
}

// DiskWorks reports that the disk accepts items.
func (l *Losses) DiskWorks() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if after, failures, ok := l.writes.Works(); ok {
		l.logger.Info("the disk can store "+l.words.Items+" again", "after", after.Round(time.Millisecond), "failures", failures)
	}
}

// Acknowledged reports the result of recording on disk that items are delivered.
func (l *Losses) Acknowledged(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.writes.Failed(changes.WithoutPath(err)); ok {
		l.logger.Error(l.words.Items+" that were delivered cannot be removed from the disk, and may be sent again after a restart", "error", err)
	}
}

// addLost adds the items lost so far, by reason.
func (l *Losses) addLost(to map[string]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for reason, n := range l.lost {
		to[reason] += n
	}
}
