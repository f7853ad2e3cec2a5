package budget_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/budget"
)

// clock is a time that the test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// weekly is the hourly volume of services: half as much at night, and a third on weekends.
func weekly(hour time.Time) int {
	n := 100_000_000
	if h := hour.Hour(); h < 7 || h >= 22 {
		n /= 2
	}
	if d := hour.Weekday(); d == time.Saturday || d == time.Sunday {
		n /= 3
	}
	return n
}

// daily is weekly without weekends.
func daily(hour time.Time) int {
	if h := hour.Hour(); h < 7 || h >= 22 {
		return 50_000_000
	}
	return 100_000_000
}

// simulation feeds a Budget hour by hour.
type simulation struct {
	*budget.Budget
	clock   *clock
	traffic func(hour time.Time) int
	options budget.Options
	log     *bytes.Buffer
}

func simulate(start time.Time, traffic func(time.Time) int, o budget.Options) *simulation {
	s := &simulation{clock: &clock{start}, traffic: traffic, options: o, log: &bytes.Buffer{}}
	s.options.Now = s.clock.Now
	s.options.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	s.Budget = budget.New(s.options)
	return s
}

// until advances to a time, in steps of six minutes, and calls each on the hour.
func (s *simulation) until(end time.Time, each func(now time.Time)) {
	for s.clock.now.Before(end) {
		n := s.traffic(s.clock.now) / 10
		s.AddLogs("api", n*6/10, s.clock.now)
		s.AddLogs("worker", n*3/10, s.clock.now)
		s.AddLogs("db", n/10, s.clock.now)
		s.clock.now = s.clock.now.Add(6 * time.Minute)
		s.Tick()
		if each != nil && s.clock.now.Minute() == 0 {
			each(s.clock.now)
		}
	}
}

func (s *simulation) restart() {
	s.Save()
	s.Budget = budget.New(s.options)
}

// total is the sum of traffic.
func total(traffic func(time.Time) int, from, to time.Time) (n int64) {
	for ; from.Before(to); from = from.Add(time.Hour) {
		n += int64(traffic(from))
	}
	return n
}

// An agent that ran before the month began knows nights and weekends from its first day on. One that starts
// with the month learns nights within a day, and weekends when it has seen one.
func TestProjection(t *testing.T) {
	for name, tc := range map[string]struct {
		traffic        func(time.Time) int
		begun, checked string
		within         float64
	}{
		"weeks, known":      {weekly, "2026-11-20 00:00", "2026-12-01 01:00", 0.01},
		"weeks, third day":  {weekly, "2026-11-26 15:30", "2026-12-03 16:30", 0.01},
		"nights, third day": {daily, "2026-12-01 09:00", "2026-12-03 00:00", 0.02},
		"nights, next day":  {daily, "2026-12-01 09:12", "2026-12-02 10:00", 0.05},
		"weeks, begun":      {weekly, "2026-12-01 00:00", "2026-12-08 01:00", 0.01},
		"mid-month":         {daily, "2026-12-14 18:00", "2026-12-16 00:00", 0.02},
	} {
		t.Run(name, func(t *testing.T) {
			s := simulate(at(tc.begun), tc.traffic, budget.Options{File: filepath.Join(t.TempDir(), "budget.json")})
			month, end := at("2026-12-01 00:00"), at("2027-01-01 00:00")
			if s.clock.now.After(month) {
				month = s.clock.now.Truncate(time.Hour)
			}
			want := float64(total(tc.traffic, month, end))
			worst := 0.0
			s.until(end.Add(-time.Hour), func(now time.Time) {
				if now.Before(at(tc.checked)) {
					return
				}
				if now.Hour() == 13 && now.Day()%5 == 0 {
					s.restart()
				}
				worst = max(worst, math.Abs(float64(s.Status().Logs.Projected)/want-1))
			})
			t.Logf("off by %.2f %% at most", 100*worst)
			if worst > tc.within {
				t.Errorf("the projection is off by %.1f %%, want at most %.0f %%", 100*worst, 100*tc.within)
			}
			if used := float64(s.Status().Logs.Used); math.Abs(used/want-1) > 0.01 {
				t.Errorf("used = %.0f at the end, want about %.0f", used, want)
			}
		})
	}
}

// A backlog counts for the hours in which it was written, so that the first minutes do not project it to
// every hour, and a time in which the agent was down does not distort the projection.
func TestProjectionOfBacklog(t *testing.T) {
	constant := func(time.Time) int { return 100_000_000 }
	s := simulate(at("2026-12-10 00:00"), constant, budget.Options{LogBytes: 1})
	for h := range 24 {
		s.AddLogs("api", 100_000_000, s.clock.now.Add(-time.Duration(h+1)*time.Hour))
	}
	s.clock.now = s.clock.now.Add(3 * time.Minute)
	check := func(hours int) {
		t.Helper()
		if got, want := float64(s.Status().Logs.Projected), float64(hours)*1e8; math.Abs(got/want-1) > 0.02 {
			t.Errorf("projected %.0f, want about %.0f", got, want)
		}
	}
	check(24 + 22*24)
	s.clock.now = at("2026-12-10 00:00")
	s.until(at("2026-12-14 00:00"), nil)
	check(24 + 22*24)
	for h := range 36 { // down for that long
		s.clock.now = at("2026-12-15 12:00")
		s.AddLogs("api", 100_000_000, at("2026-12-14 00:00").Add(time.Duration(h)*time.Hour))
	}
	check(24 + 22*24)
}

func TestMonthChanges(t *testing.T) {
	s := simulate(at("2026-12-31 20:00"), daily, budget.Options{})
	s.until(at("2026-12-31 23:54"), nil)
	before := s.Status().Logs
	if before.Month != "2026-12" || before.Used == 0 || !before.Since.Equal(at("2026-12-31 20:00")) {
		t.Errorf("status = %+v", before)
	}
	s.clock.now = at("2027-01-01 00:00")
	after := s.Status().Logs
	if after.Month != "2027-01" || after.Used != 0 || len(after.Services) != 0 || !after.Since.Equal(at("2027-01-01 00:00")) {
		t.Errorf("status = %+v, want that of a new month", after)
	}
	if after.Projected == 0 {
		t.Error("the new month is projected to nothing, though the last one is known")
	}
	s.clock.now = at("2026-12-31 23:00") // set back
	s.AddLogs("api", 5, s.clock.now)
	if got := s.Status().Logs; got.Month != "2027-01" || got.Used != 5 {
		t.Errorf("status = %+v after the clock was set back", got)
	}
}

func TestWarnsOnceAMonth(t *testing.T) {
	dir := t.TempDir()
	full := total(weekly, at("2026-12-01 00:00"), at("2027-01-01 00:00"))
	s := simulate(at("2026-11-28 00:00"), weekly, budget.Options{LogBytes: full * 100 / 90, File: filepath.Join(dir, "budget.json")})
	s.until(at("2026-12-01 00:00"), nil)
	s.log.Reset() // of November
	for day := 2; day <= 31; day++ {
		s.until(at(fmt.Sprintf("2026-12-%02d 00:00", day)), nil)
		s.restart()
	}
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], " are projected to reach ") ||
		!strings.Contains(lines[0], `most="api 60 %, worker 30 %, db 10 %"`) || !strings.Contains(lines[0], `budget="`) {
		t.Errorf("the log of December is %q, want one warning", lines)
	}
	s.log.Reset()
	s.traffic = func(hour time.Time) int { return 2 * weekly(hour) }
	s.until(at("2027-02-01 00:00"), nil)
	// January exceeds both levels, and each is logged once.
	if got := s.log.String(); strings.Count(got, "level=WARN") > 2 || !strings.Contains(got, " are projected to reach 1") {
		t.Errorf("the log of January is %q, want one warning for each level", got)
	}
}

// Within the first day little is known, and what is sent at the start is a backlog: a projection alone
// causes no warning, but the bytes sent do.
func TestNoWarningOnLittle(t *testing.T) {
	s := simulate(at("2026-12-10 12:00"), daily, budget.Options{LogBytes: 10_000_000_000})
	s.until(at("2026-12-10 18:00"), nil)
	if s.log.Len() > 0 {
		t.Errorf("warned after six hours: %s", s.log)
	}
	s.AddLogs("api", 9_000_000_000, s.clock.now)
	s.Tick()
	if !strings.Contains(s.log.String(), "level=WARN") {
		t.Error("not warned though 90 % are used")
	}
}

func TestMetrics(t *testing.T) {
	s := simulate(at("2026-12-31 23:00"), daily, budget.Options{LogBytes: 5000, Series: 300})
	s.AddLogs("api", 1000, s.clock.now)
	s.clock.now = at("2026-12-31 23:59")
	s.ObserveScrape(budget.Scrape{Target: "api", Interval: 15 * time.Second, Series: 10, Added: 10})
	if err := testutil.CollectAndCompare(s.Budget, strings.NewReader(`
# HELP lighter_budget_logs_bytes Bytes of log lines in this calendar month (UTC): used (sent so far), projected (at its end), and limit (the budget, if there is one).
# TYPE lighter_budget_logs_bytes gauge
lighter_budget_logs_bytes{kind="limit"} 5000
lighter_budget_logs_bytes{kind="projected"} 1016
lighter_budget_logs_bytes{kind="used"} 1000
# HELP lighter_budget_series Series as Grafana Cloud counts them: active (with a sample in the last 20 minutes), data_points (per minute), used (the larger of the two, which is billed), and limit (the budget, if there is one).
# TYPE lighter_budget_series gauge
lighter_budget_series{kind="active"} 10
lighter_budget_series{kind="data_points"} 40
lighter_budget_series{kind="limit"} 300
lighter_budget_series{kind="used"} 40
`)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(s.Budget)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	without := simulate(at("2026-12-31 23:00"), daily, budget.Options{})
	if n := testutil.CollectAndCount(without.Budget); n != 5 {
		t.Errorf("%d metrics without budgets, want 5", n)
	}
	prometheus.NewRegistry().MustRegister(s.Budget)
}

// Each stream of a batch counts for its service, with its structured metadata, once the endpoint has it.
func TestLogs(t *testing.T) {
	s := simulate(at("2026-12-10 12:00"), daily, budget.Options{})
	b := &lighter.Batch{Streams: []*lighter.Stream{
		lighter.NewStream(labels.FromStrings("service", "api", "stream", "stdout")),
		lighter.NewStream(labels.FromStrings("container", "db-1")),
	}}
	for _, stream := range []int32{0, 0, 1, 0} {
		b.Entries = append(b.Entries, lighter.Entry{Time: s.clock.now.UnixNano(), Line: []byte("0123456789"), Stream: stream})
	}
	b.AddField(&b.Entries[3], "id", []byte("abc"))
	end := &endpoint{}
	counting := s.Logs(end)
	if err := counting.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	end.err = context.Canceled
	if err := counting.Append(t.Context(), b); err != context.Canceled {
		t.Errorf("error = %v", err)
	}
	want := []budget.Service{{Name: "api", Bytes: 35, Share: 35. / 45}, {Name: "db-1", Bytes: 10, Share: 10. / 45}}
	got := s.Status().Logs.Services
	for i := range got {
		got[i].Projected = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	end.err = nil
	if n := testing.AllocsPerRun(100, func() { _ = counting.Append(t.Context(), b) }); n != 0 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}

type endpoint struct{ err error }

func (e *endpoint) Append(context.Context, *lighter.Batch) error { return e.err }

// However many services there are, only a limited number is remembered.
func TestManyServices(t *testing.T) {
	s := simulate(at("2026-12-10 12:00"), daily, budget.Options{File: filepath.Join(t.TempDir(), "budget.json")})
	for i := range 3000 {
		s.AddLogs(fmt.Sprintf("job-%d", i), 10, s.clock.now)
	}
	s.restart()
	got := s.Status().Logs
	if got.Used != 30_000 || got.Services[0].Name != "others" || got.Services[0].Bytes != 20_000 || len(got.Services) != 10 {
		t.Errorf("status = %+v", got)
	}
}

func BenchmarkAddLogs(b *testing.B) {
	s := budget.New(budget.Options{Logger: slog.New(slog.DiscardHandler)})
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s.AddLogs("api", 100, now)
	}
}
