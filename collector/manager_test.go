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

	"lighter/collector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary notes what Runners do, in order.
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
		r.diary.add("%s stopped, gone = %t", r.name, errors.Is(context.Cause(ctx), collector.ErrGone))
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

// A wake that comes before the end of the last run is noticed must not be lost.
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
		m.Sync([]collector.Job{d.job("c", "1", "", nil)}) // wanted again: it goes on
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
