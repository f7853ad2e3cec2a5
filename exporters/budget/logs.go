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
	maxServices = 1000     // services counted by name in a month
	others      = "others" // the name of all other services
)

// logs counts the bytes of lines sent.
type logs struct {
	month    time.Time        // the beginning of the month that services counts
	services map[string]int64 // bytes sent in the month
	used     int64            // the sum of services

	begun int64            // the hour in which counting began, in hours since 1970
	first int64            // the earliest hour with counted lines
	last  int64            // the latest hour in hours
	hours [hoursKept]int64 // bytes by the hour in which lines were written; hour h is at h%hoursKept, up to last
}

func newLogs(now time.Time) logs {
	h := hourOf(now)
	return logs{month: monthOf(now), services: map[string]int64{}, begun: h, first: h, last: h}
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// monthOf returns the beginning of a time's calendar month, in UTC.
func monthOf(t time.Time) time.Time {
	year, month, _ := t.UTC().Date()
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

// roll advances to now. It reports whether a new month has begun. A clock that is set back has no effect.
func (l *logs) roll(now time.Time) bool {
	h := hourOf(now)
	if h-l.last >= hoursKept { // the last week was not counted
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

// add counts bytes of a service's lines that were written at a certain time.
func (l *logs) add(service string, bytes int64, written time.Time) {
	if _, ok := l.services[service]; !ok {
		service = strings.Clone(service) // it may be part of a stream's labels
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

// from returns the first hour that the projection uses. Hours before counting began may be incomplete,
// because containers keep only a part of their log; they are used until there is a day of complete hours.
func (l *logs) from(now time.Time) int64 {
	from := l.begun
	if hourOf(now)-from < 24 {
		from = l.first
	}
	return max(from, l.last-hoursKept+1)
}

// known returns the length of the time that the projection uses.
func (l *logs) known(now time.Time) time.Duration {
	return now.Sub(time.Unix(l.from(now)*3600, 0))
}

// projected returns the projected bytes at the end of the month.
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
		if h > from && h < l.last { // hours that were counted completely
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
	if left := time.Unix((l.last+1)*3600, 0).Sub(now); left > 0 { // the rest of the present hour
		rest += average * left.Hours()
	}
	return l.used + int64(rest)
}

// AddLogs counts bytes of a service's log lines that were sent and that were written at about the same
// time. It is called for each batch.
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

// AddBatch counts the lines of a batch and their structured metadata, as Loki counts them. A stream's label
// service is the name of the service; if it is missing, service_name, container or job is. The caller holds
// the batch.
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

// Logs returns a lighter.Logs that hands batches on to next and counts those that next has taken.
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
