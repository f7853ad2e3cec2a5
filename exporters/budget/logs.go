package budget

import (
	"context"
	"strings"
	"time"

	"lighter"
)

const (
	day         = 24 * time.Hour
	hoursKept   = 7 * 24
	maxServices = 1000     // that are counted by name in a month
	others      = "others" // the name of all further ones
)

// logs are the bytes of lines that were sent.
type logs struct {
	month    time.Time        // the first moment of the month that services are of
	services map[string]int64 // bytes sent in the month
	used     int64            // the sum of services

	begun int64            // the hour in which counting began; hours are counted from 1970
	first int64            // the earliest hour of which lines were counted
	last  int64            // the latest hour of hours
	hours [hoursKept]int64 // bytes by the hour in which lines were written, h at h%hoursKept, up to last
}

func newLogs(now time.Time) logs {
	h := hourOf(now)
	return logs{month: monthOf(now), services: map[string]int64{}, begun: h, first: h, last: h}
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// monthOf returns the first moment of a time's calendar month, in UTC.
func monthOf(t time.Time) time.Time {
	year, month, _ := t.UTC().Date()
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

// roll goes on to now. It reports whether a new month has begun. A clock that is set back changes nothing.
func (l *logs) roll(now time.Time) bool {
	h := hourOf(now)
	if h-l.last >= hoursKept { // nothing is known of the last week
		l.begun, l.first = h, h
	}
	for n := max(l.last+1, h-hoursKept+1); n <= h; n++ {
		l.hours[n%hoursKept] = 0
	}
	l.last = max(l.last, h)
	month := monthOf(now)
	if !month.After(l.month) {
		return false
	}
	l.month, l.used = month, 0
	clear(l.services)
	return true
}

// add counts bytes of lines of a service that were written at a time.
func (l *logs) add(service string, bytes int64, written time.Time) {
	if _, ok := l.services[service]; !ok {
		service = strings.Clone(service) // it may be a part of a stream's labels
		if len(l.services) >= maxServices {
			service = others
		}
	}
	l.services[service] += bytes
	l.used += bytes
	h := min(hourOf(written), l.last)
	if h <= l.last-hoursKept || h < 0 {
		return
	}
	l.first = min(l.first, h)
	l.hours[h%hoursKept] += bytes
}

// from returns the first hour that the projection rests on. What was written before counting began may be
// incomplete, because containers keep only so much; it is used until there is a day of what is complete.
func (l *logs) from(now time.Time) int64 {
	from := l.begun
	if hourOf(now)-from < 24 {
		from = l.first
	}
	return max(from, l.last-hoursKept+1)
}

// known returns how long the lines were written that the projection rests on.
func (l *logs) known(now time.Time) time.Duration {
	return now.Sub(time.Unix(l.from(now)*3600, 0))
}

// projected returns what the month will have had at its end.
func (l *logs) projected(now time.Time) int64 {
	from := l.from(now)
	known := max(l.known(now).Hours(), 1)
	sum := 0.0
	var byDay [24]struct {
		bytes float64
		hours int
	}
	for h := from; h <= l.last; h++ {
		bytes := float64(l.hours[h%hoursKept])
		sum += bytes
		if h > from && h < l.last { // those that were counted from their beginning to their end
			d := &byDay[h%24]
			d.bytes += bytes
			d.hours++
		}
	}
	average := sum / known
	end := l.month.AddDate(0, 1, 0)
	rest := 0.0
	for h := l.last + 1; h < hourOf(end); h++ {
		before := h - hoursKept
		for before > l.last {
			before -= hoursKept
		}
		switch d := byDay[h%24]; {
		case before > from && before < l.last:
			rest += float64(l.hours[before%hoursKept])
		case d.hours > 0:
			rest += d.bytes / float64(d.hours)
		default:
			rest += average
		}
	}
	if left := time.Unix((l.last+1)*3600, 0).Sub(now); left > 0 { // of this hour
		rest += average * left.Hours()
	}
	return l.used + int64(rest)
}

// AddLogs counts bytes of log lines that were sent, of a service, and written at about the same time. It is
// called for each batch.
func (b *Budget) AddLogs(service string, bytes int, written time.Time) {
	if bytes <= 0 {
		return
	}
	now := b.o.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	b.logs.add(service, int64(bytes), written)
	b.dirty = true
}

// AddBatch counts the lines of a batch and their structured metadata, as Loki counts what it receives. The
// label service of a stream names the service; where there is none, service_name, container or job does. The
// caller holds the batch.
func (b *Budget) AddBatch(batch *lighter.Batch) {
	for i := 0; i < len(batch.Entries); {
		first, bytes := &batch.Entries[i], 0
		for ; i < len(batch.Entries) && batch.Entries[i].Stream == first.Stream; i++ {
			bytes += len(batch.Entries[i].Line)
			for _, f := range batch.Fields(&batch.Entries[i]) {
				bytes += len(f.Name) + len(f.Value)
			}
		}
		b.AddLogs(serviceOf(batch.Streams[first.Stream]), bytes, time.Unix(0, first.Time))
	}
}

func serviceOf(s *lighter.Stream) string {
	for _, name := range [...]string{"service", "service_name", "container", "job"} {
		if v := s.Labels.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// Logs returns a lighter.Logs that hands batches on to next and counts those that it has taken.
func (b *Budget) Logs(next lighter.Logs) lighter.Logs { return counted{b, next} }

type counted struct {
	budget *Budget
	next   lighter.Logs
}

// Append implements lighter.Logs.
func (c counted) Append(ctx context.Context, b *lighter.Batch) error {
	if err := c.next.Append(ctx, b); err != nil {
		return err
	}
	c.budget.AddBatch(b)
	return nil
}
