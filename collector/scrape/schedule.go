package scrape

import "time"

const (
	// firstWithin is the time within which the first scrape of a target begins. Targets that are found
	// together are spread over it.
	firstWithin = 200 * time.Millisecond

	// spread is the longest time over which the scrapes of targets are spread.
	spread = 5 * time.Second
)

// beat is the distance of the moments at which scrapes start, or a tenth of a shorter interval. Waking an
// idle process and its threads, including the runtime's own, costs as much as some scrapes, so targets that
// share a moment share that cost.
const beat = 100 * time.Millisecond

// first returns when the first scrape starts, and the regular time that it replaces: the second scrape is
// due one interval after that. The first scrape starts within firstWithin of now. If another Loop has
// scraped the target before (TakeOver), it starts when the next scrape after that Loop's last one is due,
// unless that time has passed.
func (l *Loop) first(now time.Time) (start, due time.Time) {
	if l.last > 0 {
		wait := l.second(time.UnixMilli(l.last)).Sub(now)
		if wait > 0 && wait < 2*l.target.interval {
			due = now.Add(wait)
			return due, due
		}
	}
	within := min(l.target.interval, firstWithin)
	delay := time.Duration(l.target.hash % uint64(within))
	start = now.Add(delay - delay%(within/10))
	return start, l.second(start).Add(-l.target.interval)
}

// second returns when the scrape after one at the time first is due: at that one of the target's regular
// times (see offset) that is nearest to one interval later.
func (l *Loop) second(first time.Time) time.Time {
	within := min(l.target.interval, spread)
	earliest := first.Add(l.target.interval - within/2)
	return earliest.Add(l.offset(earliest))
}

// next returns when the scrape after one that was due at due is due. If that time has passed, it returns
// now, and skips further missed scrapes.
func next(due, now time.Time, interval time.Duration) time.Time {
	late := now.Sub(due) / interval
	return due.Add(max(late, 1) * interval)
}

// offset is the time from now until the target's moment. That depends only on the target and the clock, so
// that agents that are started together do not scrape together, and is a multiple of beat.
func (l *Loop) offset(now time.Time) time.Duration {
	within := min(l.target.interval, spread)
	phase := time.Duration(l.target.hash % uint64(within))
	phase -= phase % min(beat, within/10)
	past := time.Duration(now.UnixNano() % int64(within))
	return (phase - past + within) % within
}

// aligned returns the time of a scrape's samples in Unix milliseconds. It is the tick's time if the scrape
// is only slightly late, because equal distances compress better everywhere. Ticks follow the wall clock:
// if it was set since the first scrape, samples must not keep the old time.
func aligned(now, first time.Time, interval time.Duration) int64 {
	const moment = 2 * time.Millisecond
	passed := time.Duration(now.UnixNano() - first.UnixNano()) // unlike Sub
	if late := passed - passed.Round(interval); late >= -moment && late <= moment {
		return now.Add(-late).UnixMilli()
	}
	return now.UnixMilli()
}
