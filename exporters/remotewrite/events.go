package remotewrite

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"lighter/exporters/queue"
)

// Reasons for which this package drops samples, beside the queue's; others are read from
// refusals.
const (
	reasonShutdown = "shutdown"
	reasonFormat   = "buffer_format"
)

// events counts and logs what befalls the samples of an endpoint that wait. It is a
// buffer's watcher, and safe for concurrent use.
type events struct {
	endpoint string
	metrics  *Metrics
	logger   *slog.Logger

	mu      sync.Mutex
	lost    map[string]int64 // samples by reason
	full    bool             // said, and there was no room since
	foreign bool             // said
	writes  trouble
}

// dropped counts samples that the buffer dropped.
func (v *events) dropped(reason string, samples int) {
	v.count(reason, samples)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case reason == queue.ReasonFull && !v.full:
		v.full = true
		v.logger.Error("the buffer is full, the oldest samples are dropped")
	case reason == reasonFormat && !v.foreign:
		v.foreign = true
		v.logger.Error("samples that waited are dropped: another version of lighter wrote them in a form that this one does not know")
	}
}

func (v *events) count(reason string, samples int) {
	v.metrics.dropped.WithLabelValues(v.endpoint, reason).Add(float64(samples))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lost[reason] += int64(samples)
}

// roomAgain says that half of the buffer is free.
func (v *events) roomAgain() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.full {
		v.full = false
		v.logger.Info("the buffer has room again")
	}
}

func (v *events) diskFailed(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writes.fails(err) {
		v.logger.Error("samples wait in memory: the disk does not take them", "error", err)
	}
}

func (v *events) diskWorks() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if since, times := v.writes.over(); times > 0 {
		v.logger.Info("the disk takes samples again", "after", since.Round(time.Millisecond), "failures", times)
	}
}

// acknowledged says what came of writing down that samples are delivered.
func (v *events) acknowledged(err error) {
	if err == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writes.fails(err) {
		v.logger.Error("samples that are delivered may be sent again after a restart", "error", err)
	}
}

// undecodable drops an item of which no request can be made.
func (v *events) undecodable(it item, err error) {
	v.count(reasonFormat, it.samples)
	v.logger.Error("samples that waited are dropped", "samples", it.samples, "error", err)
}

// addLost adds the samples lost so far, by reason.
func (v *events) addLost(to map[string]int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for reason, n := range v.lost {
		to[reason] += n
	}
}

// trouble is something that may fail again and again; the zero value has not failed.
type trouble struct {
	since  time.Time
	times  int
	logged string
}

// fails notes a failure, and returns whether it is to be said: the first one, and one of
// another text.
func (t *trouble) fails(err error) bool {
	if t.times == 0 {
		t.since = time.Now()
	}
	t.times++
	what := err.Error()
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		what = file.Op + ": " + file.Err.Error() // each attempt may be with another file
	}
	if what == t.logged {
		return false
	}
	t.logged = what
	return true
}

// over ends the trouble, and returns how long it was and how many times it failed, 0 if it
// had not.
func (t *trouble) over() (time.Duration, int) {
	if t.times == 0 {
		return 0, 0
	}
	since, times := time.Since(t.since), t.times
	*t = trouble{}
	return since, times
}
