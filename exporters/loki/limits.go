package loki

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lighter"
	"lighter/exporters/endpoint"
	"lighter/exporters/queue"
	"lighter/exporters/send"
)

const (
	// calmAfter is how long nothing of a stream must be refused until its limitation counts as over.
	calmAfter = time.Minute
	// maxWords is how many bytes of what Loki says of a stream are kept, because there may be thousands of
	// streams. It says first which limit was exceeded.
	maxWords = 300
	// maxHeldShown is how many of the streams that wait a status describes.
	maxHeldShown = 10
)

// limits holds the streams that Loki limits. Their waiting data is on disk; limits only knows the records.
type limits struct {
	maxBytes int64 // size of the waiting data at which Append blocks
	logger   *slog.Logger
	more     chan struct{} // capacity 1: receives a value when there is something to send

	mu      sync.Mutex
	streams map[streamKey]*limitedStream
	bytes   int64         // total size of the waiting data
	room    chan struct{} // closed and replaced when bytes decreases
}

// streamKey identifies a stream for Loki.
type streamKey struct {
	tenant, labels string // labels in the form that requests have
}

// limitedStream is a stream that was refused within calmAfter, or whose data waits.
type limitedStream struct {
	streamKey
	waiting []queue.Record // taken from the lane, oldest first
	attempt int            // number of failed attempts since an entry was taken
	due     time.Time      // time of the next attempt
	since   time.Time      // when it was first refused
	calm    time.Time      // when the last waiting data was taken; zero while data waits
	words   string         // what Loki said of it last, without secrets; empty if nothing since the start
	logged  bool
}

func newLimits(c Config, logger *slog.Logger) *limits {
	return &limits{
		maxBytes: c.MaxBytes / limitedShare,
		logger:   logger.With("endpoint", c.Name),
		more:     make(chan struct{}, 1),
		streams:  map[streamKey]*limitedStream{},
		room:     make(chan struct{}),
	}
}

// holds reports whether entries of a stream must wait because earlier ones do.
func (l *limits) holds(k streamKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holdsLocked(k)
}

func (l *limits) holdsLocked(k streamKey) bool {
	s := l.streams[k]
	return s != nil && len(s.waiting) > 0
}

// any reports whether anything waits.
func (l *limits) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes > 0
}

// wait blocks while a tenant's batch has entries of a waiting stream and the waiting data fills its share
// of the disk.
func (l *limits) wait(ctx context.Context, tenant string, b *lighter.Batch, text func(*lighter.Stream) string) error {
	for {
		l.mu.Lock()
		room := l.room
		blocked := l.bytes >= l.maxBytes && l.in(tenant, b, text)
		l.mu.Unlock()
		if !blocked {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("wait for room for a stream that Loki limits: %w", ctx.Err())
		}
	}
}

// in reports whether a batch has entries of a waiting stream. The caller holds l.mu.
func (l *limits) in(tenant string, b *lighter.Batch, text func(*lighter.Stream) string) bool {
	for i, s := range b.Streams {
		here := func(e lighter.Entry) bool { return e.Stream == int32(i) }
		if s != nil && l.holdsLocked(streamKey{tenant, text(s)}) && slices.ContainsFunc(b.Entries, here) {
			return true
		}
	}
	return false
}

// add adds a record behind a stream's waiting records. why is not nil if Loki has just refused the data of
// the record.
func (l *limits) add(k streamKey, r queue.Record, why *send.LimitedError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.streams[k]
	if s == nil {
		s = &limitedStream{streamKey: k, since: time.Now()}
		l.streams[k] = s
	}
	s.calm = time.Time{}
	if why != nil && len(s.waiting) == 0 {
		l.putOff(s, why)
	}
	s.waiting = append(s.waiting, r)
	l.bytes += int64(r.Bytes)
	l.wake()
}

func (l *limits) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// refused records that Loki has refused a stream's waiting data again.
func (l *limits) refused(s *limitedStream, why *send.LimitedError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.putOff(s, why)
}

// putOff sets the time of the next attempt for a stream, and logs the first refusal. The caller holds l.mu.
func (l *limits) putOff(s *limitedStream, why *send.LimitedError) {
	pause := max(send.Backoff(s.attempt), why.RetryAfter)
	s.attempt++
	s.due = time.Now().Add(pause)
	s.words = shortened(why.Text)
	if !s.logged {
		s.logged = true
		l.logger.Warn("Loki refuses a stream that is over its limit: the stream's log lines wait on disk and are retried, and all other streams continue. "+
			"Raise the limit that Loki names, or find out why this service logs so much", "stream", s.labels, "response", why.Text)
	}
}

// shortened returns a text, or its first maxWords bytes.
func shortened(text string) string {
	if len(text) <= maxWords {
		return text
	}
	return strings.ToValidUTF8(text[:maxWords], "") + "…"
}

// postpone delays the next attempt for a stream.
func (l *limits) postpone(s *limitedStream, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.due = time.Now().Add(d)
}

// replace replaces the oldest record of a stream.
func (l *limits) replace(s *limitedStream, r queue.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.waiting[0] = r
}

// done removes the oldest of a stream's waiting records.
func (l *limits) done(s *limitedStream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= int64(s.waiting[0].Bytes)
	s.waiting[0] = queue.Record{}
	s.waiting = s.waiting[1:]
	s.attempt, s.due = 0, time.Now()
	if len(s.waiting) == 0 {
		s.waiting, s.calm = nil, time.Now()
	}
	close(l.room)
	l.room = make(chan struct{})
}

// held returns how many streams wait, and describes those that are tried next.
func (l *limits) held() (streams int, next []HeldStream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*limitedStream
	for _, s := range l.streams {
		if len(s.waiting) > 0 {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *limitedStream) int {
		return cmp.Or(a.due.Compare(b.due), strings.Compare(a.labels, b.labels), strings.Compare(a.tenant, b.tenant))
	})
	for _, s := range all[:min(len(all), maxHeldShown)] {
		h := HeldStream{Labels: s.labels, Tenant: s.tenant, Since: s.waiting[0].Time, NextAttempt: s.due, Text: s.words}
		for _, r := range s.waiting {
			h.Waiting.Add(endpoint.Waiting{Items: r.Items, Bytes: int64(r.Bytes)})
		}
		next = append(next, h)
	}
	return len(all), next
}

// next returns the stream to try now and its oldest record. If there is none, it returns the time until the
// next one; 0 means until more data waits. It removes streams whose limitation is over.
func (l *limits) next() (s *limitedStream, r queue.Record, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now() // one moment for everything below
	var first time.Time
	for k, one := range l.streams {
		due := one.due
		if len(one.waiting) == 0 {
			if due = one.calm.Add(calmAfter); !due.After(now) {
				delete(l.streams, k)
				if one.logged {
					l.logger.Info("Loki accepts the stream again", "stream", k.labels, "after", one.calm.Sub(one.since).Round(time.Millisecond))
				}
				continue
			}
		}
		if s == nil || due.Before(first) {
			s, first = one, due
		}
	}
	switch {
	case s == nil:
		return nil, r, 0
	case first.After(now):
		return nil, r, first.Sub(now)
	}
	return s, s.waiting[0], 0
}
