package budget

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Status contains the counts for the status page.
type Status struct {
	Logs   LogStatus
	Series SeriesStatus
}

// LogStatus is about the log lines of this calendar month, in UTC.
type LogStatus struct {
	Month     string    // such as 2026-11
	Since     time.Time // when counting began, or the beginning of the month if that is later
	Used      int64     // bytes sent
	Projected int64     // projected bytes at the end of the month
	Limit     int64     // the budget; 0 means none
	Services  []Service // the ten with the most bytes, largest first
}

// Service is the volume of a service in the month.
type Service struct {
	Name      string
	Bytes     int64
	Share     float64 // of the bytes of all services, 0 to 1
	Projected int64   // projected bytes at the end of the month, if the share stays the same
}

// SeriesStatus is about the present series.
type SeriesStatus struct {
	Active     int      // series with a sample within the last 20 minutes
	DataPoints int      // per minute
	Used       int      // what is billed: the larger of the two
	Limit      int      // the budget; 0 means none
	Targets    []Target // the ten with the most billed, largest first
	Metrics    []Metric // the ten with the most series in all targets, largest first; counted every ten minutes
}

// Target is the volume of a target.
type Target struct {
	Name       string
	Active     int
	DataPoints int      // per minute
	Metrics    []Metric // the ten with the most series, largest first
}

// Metric is a metric name and the number of its series.
type Metric struct {
	Name   string
	Series int
}

// top is how many services and targets a Status names.
const top = 10

// Status returns the counts so far.
func (b *Budget) Status() Status {
	now := b.o.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	return b.status(now)
}

// status is Status. The caller holds mu.
func (b *Budget) status(now time.Time) Status {
	l := &b.logs
	s := Status{
		Logs: LogStatus{
			Month: l.month.Format("2006-01"), Since: l.month,
			Used: l.used, Projected: l.projected(now), Limit: b.o.LogBytes,
		},
		Series: SeriesStatus{Limit: b.o.Series},
	}
	if begun := time.Unix(l.begun*3600, 0).UTC(); begun.After(l.month) {
		s.Logs.Since = begun
	}
	for name, bytes := range l.services {
		share := float64(bytes) / float64(max(l.used, 1))
		s.Logs.Services = append(s.Logs.Services, Service{name, bytes, share, int64(share * float64(s.Logs.Projected))})
	}
	slices.SortFunc(s.Logs.Services, func(a, b Service) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	s.Logs.Services = s.Logs.Services[:min(top, len(s.Logs.Services))]

	points, byName := 0.0, map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(b.series.targets)) {
		t := b.series.targets[name]
		active, own := t.active(now), t.dataPoints(now)
		if active == 0 && own == 0 {
			continue
		}
		s.Series.Active += active
		points += own
		s.Series.Targets = append(s.Series.Targets, Target{name, active, int(math.Round(own)), t.metrics[:min(top, len(t.metrics))]})
		for _, m := range t.metrics {
			byName[m.Name] += m.Series
		}
	}
	s.Series.DataPoints = int(math.Round(points))
	s.Series.Used = max(s.Series.Active, s.Series.DataPoints)
	slices.SortStableFunc(s.Series.Targets, func(a, b Target) int {
		return cmp.Compare(max(b.Active, b.DataPoints), max(a.Active, a.DataPoints))
	})
	s.Series.Targets = s.Series.Targets[:min(top, len(s.Series.Targets))]
	s.Series.Metrics = largest(byName, top)
	return s
}

// named is how many services and targets a warning names.
const named = 3

// mostServices names the services that send the most, such as "api 62 %, worker 20 %".
func mostServices(services []Service) string {
	var all []string
	for _, s := range services[:min(named, len(services))] {
		all = append(all, fmt.Sprintf("%s %.0f %%", s.Name, 100*s.Share))
	}
	return strings.Join(all, ", ")
}

// mostTargets names the targets that show the most, such as "api:3000 5200".
func mostTargets(targets []Target) string {
	var all []string
	for _, t := range targets[:min(named, len(targets))] {
		all = append(all, fmt.Sprintf("%s %d", t.Name, max(t.Active, t.DataPoints)))
	}
	return strings.Join(all, ", ")
}

// bytesText formats a number of bytes, such as 41.3 GB.
func bytesText(n int64) string {
	v, i := float64(n), 0
	for _, unit := range [...]string{"B", "KB", "MB", "GB", "TB"} {
		if v < 1000 || unit == "TB" {
			if i == 0 {
				return fmt.Sprintf("%d B", n)
			}
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1000
		i++
	}
	return ""
}
