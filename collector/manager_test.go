package collector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lighter"
	"lighter/collector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary records what Runners do, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	slices.Sort(lines)
	return lines
}

// runner runs until ctx ends or finish is closed.
type runner struct {
	name   string
	diary  *diary
	finish chan struct{}
}

func (r runner) Run(ctx context.Context) error {
	r.diary.add("%s runs", r.name)
	select {
	case <-ctx.Done():
		r.diary.add("%s stopped, gone = %t", r.name, errors.Is(context.Cause(ctx), lighter.ErrGone))
		return nil
	case <-r.finish:
		r.diary.add("%s finished", r.name)
		return errors.New("read to its end")
	}
}

func (d *diary) job(id, version, wake string, finish chan struct{}) collector.Job {
	return collector.Job{ID: id, Version: version, Wake: wake, New: func() (collector.Runner, error) {
		return runner{id + version, d, finish}, nil
	}}
}

func expect(t *testing.T, d *diary, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, d.take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func ignore(collector.Job, collector.Runner, error) {}

func TestManagerFollowsWhatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		m := collector.NewManager(0, ignore)
		m.Sync([]collector.Job{d.job("a", "1", "", nil), d.job("b", "1", "", nil)})
		expect(t, d, "a1 runs", "b1 runs")
		m.Sync([]collector.Job{d.job("a", "1", "", nil), d.job("b", "1", "", nil)})
		expect(t, d)
		m.Sync([]collector.Job{d.job("a", "2", "", nil), d.job("c", "1", "", nil)})
		expect(t, d, "a1 stopped, gone = false", "a2 runs", "b1 stopped, gone = true", "c1 runs")
		m.Stop()
		expect(t, d, "a2 stopped, gone = false", "c1 stopped, gone = false")
		m.Sync([]collector.Job{d.job("d", "1", "", nil)})
		expect(t, d)
	})
}

func TestManagerStartsAgainOnlyWhatWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		m := collector.NewManager(0, ignore)
		defer m.Stop()
		finish := make(chan struct{})
		m.Sync([]collector.Job{d.job("a", "1", "monday", finish)})
		expect(t, d, "a1 runs")
		close(finish)
		expect(t, d, "a1 finished")
		m.Sync([]collector.Job{d.job("a", "1", "monday", nil)})
		expect(t, d)
		m.Sync([]collector.Job{d.job("a", "1", "tuesday", nil)})
		expect(t, d, "a1 runs")
		m.Sync([]collector.Job{d.job("a", "1", "wednesday", nil)}) // it runs: nothing to wake
		expect(t, d)
	})
}

// A wake that comes before the end of the last run has been noticed is not lost.
func TestManagerWakeDuringTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		m := collector.NewManager(0, ignore)
		defer m.Stop()
		finish := make(chan struct{})
		m.Sync([]collector.Job{d.job("a", "1", "monday", finish)})
		expect(t, d, "a1 runs")
		m.Sync([]collector.Job{d.job("a", "1", "tuesday", nil)})
		close(finish)
		expect(t, d, "a1 finished", "a1 runs")
	})
}

func TestManagerGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		m := collector.NewManager(10*time.Second, ignore)
		defer m.Stop()
		finish := make(chan struct{})
		m.Sync([]collector.Job{d.job("a", "1", "", finish), d.job("b", "1", "", nil), d.job("c", "1", "", nil)})
		expect(t, d, "a1 runs", "b1 runs", "c1 runs")
		m.Sync(nil)
		time.Sleep(5 * time.Second)
		close(finish)
		expect(t, d, "a1 finished")
		m.Sync([]collector.Job{d.job("c", "1", "", nil)}) // wanted again, so it continues
		time.Sleep(6 * time.Second)
		expect(t, d, "b1 stopped, gone = true")
	})
}

func TestManagerSaysWhatCannotBeMade(t *testing.T) {
	broken := errors.New("no address")
	var said []error
	m := collector.NewManager(0, func(_ collector.Job, r collector.Runner, err error) {
		if r != nil {
			t.Errorf("runner = %v, want nil", r)
		}
		said = append(said, err)
	})
	job := collector.Job{ID: "a", New: func() (collector.Runner, error) { return nil, broken }}
	m.Sync([]collector.Job{job})
	m.Sync([]collector.Job{job})
	m.Stop()
	if len(said) != 1 || !errors.Is(said[0], broken) {
		t.Errorf("said = %v, want %v once", said, broken)
	}
}

// slowRunner needs a second to end, like one that still has something to write.
type slowRunner struct{ runner }

func (r slowRunner) Run(ctx context.Context) error {
	err := r.runner.Run(ctx)
	time.Sleep(time.Second)
	return err
}

func (d *diary) slowJob(version string) collector.Job {
	return collector.Job{ID: "a", Version: version, New: func() (collector.Runner, error) {
		return slowRunner{runner{"a" + version, d, nil}}, nil
	}}
}

// TestManagerRunsWhatIsWantedInTheEnd changes the wanted job while a Runner that was told to stop has not
// ended yet. Only the last wanted version counts.
func TestManagerRunsWhatIsWantedInTheEnd(t *testing.T) {
	const none = ""
	for name, tc := range map[string]struct {
		wanted []string // versions of the one job, a tenth of a second apart
		want   []string // what the Runners do from the second on
		runs   bool     // in the end
	}{
		"wanted again":               {[]string{"1", none, "1"}, []string{"a1 runs", "a1 stopped, gone = true"}, true},
		"wanted again, twice":        {[]string{"1", none, "1", none, "1"}, []string{"a1 runs", "a1 stopped, gone = true"}, true},
		"wanted again, and no more":  {[]string{"1", none, "1", none}, []string{"a1 stopped, gone = true"}, false},
		"another version and back":   {[]string{"1", "2", "1"}, []string{"a1 runs", "a1 stopped, gone = false"}, true},
		"another version and a next": {[]string{"1", "2", "3"}, []string{"a1 stopped, gone = false", "a3 runs"}, true},
		"gone, then another version": {[]string{"1", none, "2"}, []string{"a1 stopped, gone = true", "a2 runs"}, true},
		"another version, then gone": {[]string{"1", "2", none}, []string{"a1 stopped, gone = false"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				m := collector.NewManager(0, ignore)
				for i, version := range tc.wanted {
					var jobs []collector.Job
					if version != none {
						jobs = append(jobs, d.slowJob(version))
					}
					m.Sync(jobs)
					if i == 0 {
						expect(t, d, "a1 runs")
					}
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(time.Hour)
				expect(t, d, tc.want...)
				running := 0
				m.Each(func(collector.Job, collector.Runner) { running++ })
				if (running > 0) != tc.runs || running > 1 {
					t.Errorf("%d Runners run in the end, want one = %t", running, tc.runs)
				}
				m.Stop()
			})
		})
	}
}

// TestManagerWaitsForEachRunner: the Manager also waits for Runners that were told to end before the stop.
func TestManagerWaitsForEachRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		ended := 0
		m := collector.NewManager(0, func(collector.Job, collector.Runner, error) { ended++ })
		m.Sync([]collector.Job{d.slowJob("1")})
		synctest.Wait()
		m.Sync([]collector.Job{d.slowJob("2")})
		m.Stop()
		if ended != 1 {
			t.Errorf("%d Runners had ended when Stop returned, want 1", ended)
		}
		m.Sync([]collector.Job{d.slowJob("2")})
		expect(t, d, "a1 runs", "a1 stopped, gone = false")
	})
}

// TestManagerGraceBeginsAnew: the grace begins anew for a job that is unwanted for the second time.
func TestManagerGraceBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		m := collector.NewManager(10*time.Second, ignore)
		defer m.Stop()
		m.Sync([]collector.Job{d.job("a", "1", "", nil)})
		expect(t, d, "a1 runs")
		m.Sync(nil)
		time.Sleep(4 * time.Second)
		m.Sync([]collector.Job{d.job("a", "1", "", nil)})
		time.Sleep(4 * time.Second)
		m.Sync(nil)
		m.Sync(nil) // another list does not begin it anew
		time.Sleep(9 * time.Second)
		expect(t, d)
		time.Sleep(2 * time.Second)
		expect(t, d, "a1 stopped, gone = true")
	})
}
