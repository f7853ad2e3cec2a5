package containers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/collector/containers"
)

// sampleOf returns statistics with one second of CPU for each unit of n.
func sampleOf(n uint64) container.StatsResponse {
	var s container.StatsResponse
	s.Read = time.Unix(1, 0)
	s.CPUStats.CPUUsage.TotalUsage = n * 1e9
	s.MemoryStats.Usage = n << 20
	return s
}

func TestSamplesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		b := newBench(containers.Options{})
		begin := time.Now()
		var all []*lighter.Container
		for i := range n {
			all = append(all, running(i, begin))
			b.engine.stats[id(i)] = sampleOf(1)
		}
		b.want(all...)
		b.start()
		defer b.stop()

		time.Sleep(5 * time.Second)
		first := b.engine.requests("stats")
		if len(first) < n {
			t.Fatalf("%d of %d containers were measured within 5 s", len(first), n)
		}
		time.Sleep(10*time.Minute - 5*time.Second)
		asked := b.engine.requests("stats")
		if len(asked) < 10*n-n/2 || len(asked) > 11*n+n/2 {
			t.Errorf("%d requests in ten minutes, want about %d", len(asked), 10*n)
		}
		last := map[string]time.Time{}
		perSecond := map[int64]int{}
		for _, r := range asked {
			if before, ok := last[r.id]; ok && r.at.Sub(begin) > 2*time.Minute && r.at.Sub(before) != time.Minute {
				t.Errorf("container %s was measured after %s", r.id, r.at.Sub(before))
			}
			last[r.id] = r.at
			if r.at.Sub(begin) > 5*time.Second {
				perSecond[r.at.Unix()]++
			}
		}
		for at, requests := range perSecond {
			if requests > 10 {
				t.Errorf("%d requests in the second %d", requests, at)
			}
		}
	})
}

func TestRequestsDoNotOverlapAndSlowOnesDelayEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{Interval: 10 * time.Second})
		b.engine.takes = 2 * time.Second // ten take twice the interval
		var all []*lighter.Container
		for i := range 10 {
			all = append(all, running(i, time.Now()))
			b.engine.stats[id(i)] = sampleOf(1)
		}
		b.want(all...)
		b.start()
		defer b.stop()
		time.Sleep(2*time.Minute + time.Second)
		asked := b.engine.requests("stats")
		counts := map[string]int{}
		for i, r := range asked {
			counts[r.id]++
			if i > 0 && r.at.Sub(asked[i-1].at) < b.engine.takes {
				t.Fatalf("two requests at the same time")
			}
		}
		for i := range 10 {
			if n := counts[id(i)]; n < 4 || n > 8 {
				t.Errorf("container %d was measured %d times of %d", i, n, len(asked))
			}
		}
	})
}

func TestContainersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{})
		begin := time.Now()
		b.start()
		defer b.stop()
		if page := b.page(t); len(page) > 0 {
			t.Errorf("the page of no containers has %q", page)
		}
		time.Sleep(time.Second)
		one, two := running(1, begin), running(2, begin)
		b.engine.stats[one.ID], b.engine.stats[two.ID] = sampleOf(1), sampleOf(2)
		b.want(one, two)
		if _, ok := b.value(t, `container_cpu_usage_seconds_total`); ok {
			t.Error("there is a sample before the container was measured")
		}
		if got, _ := b.value(t, "container_start_time_seconds"); got == "" {
			t.Error("what needs no sample is not on the page at once")
		}
		time.Sleep(8 * time.Second)
		const cpu = `container_cpu_usage_seconds_total{cpu="total",image="nginx:1.27",name="web-%d",project="store",service="shop"}`
		if got, _ := b.value(t, fmt.Sprintf(cpu, 2)); got != "2.0" {
			t.Errorf("the CPU of the second container is %q, want 2.0", got)
		}

		b.want(two)
		for _, line := range b.page(t) {
			if strings.Contains(line, "web-1") {
				t.Errorf("a container that is gone has the series %s", line)
			}
		}

		stopped := *two
		stopped.Running, stopped.State, stopped.ExitCode, stopped.Restarts = false, "exited", 3, 7
		b.want(&stopped)
		const labels = `{image="nginx:1.27",name="web-2",project="store",service="shop"} `
		want := []string{
			"container_oom_events_total" + labels + "0.0",
			"lighter_container_exit_code" + labels + "3.0",
			"lighter_container_restarts_total" + labels + "7.0",
			`lighter_container_state{image="nginx:1.27",name="web-2",project="store",service="shop",state="exited"} 1.0`,
		}
		if diff := cmp.Diff(want, b.page(t)); diff != "" {
			t.Errorf("page of a stopped container (-want +got):\n%s", diff)
		}

		again := *two
		again.Started = time.Now()
		b.engine.mu.Lock()
		b.engine.stats[two.ID] = sampleOf(5)
		b.engine.mu.Unlock()
		b.want(&again)
		if got, ok := b.value(t, "container_cpu_usage_seconds_total"); ok {
			t.Errorf("a container that was started again has the CPU %s of the run before", got)
		}
		time.Sleep(6 * time.Second)
		if got, _ := b.value(t, fmt.Sprintf(cpu, 2)); got != "5.0" {
			t.Errorf("the CPU of the new run is %q, want 5.0", got)
		}

		atOnce := again
		atOnce.Started = time.Now()
		b.want(&atOnce)
		if got, ok := b.value(t, "container_cpu_usage_seconds_total"); ok {
			t.Errorf("a container that was restarted has the CPU %s of the run before", got)
		}
	})
}

func TestErrorsAreLoggedWhenTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{Interval: 10 * time.Second, SizeDelay: time.Hour})
		fail := func(err error) {
			b.engine.mu.Lock()
			defer b.engine.mu.Unlock()
			b.engine.err = err
		}
		var all []*lighter.Container
		for i := range 3 {
			all = append(all, running(i, time.Now()))
			b.engine.stats[id(i)] = sampleOf(1)
		}
		b.want(all...)
		b.start()
		time.Sleep(15 * time.Second)
		fail(errors.New("the Engine is on holiday"))
		time.Sleep(time.Minute)
		if got, ok := b.value(t, "container_cpu_usage_seconds_total"); ok {
			t.Errorf("the CPU is %s while the Engine fails", got)
		}
		if _, ok := b.value(t, "lighter_container_state"); !ok {
			t.Error("the state of containers is missing while the Engine fails")
		}
		fail(nil)
		time.Sleep(time.Minute)
		fail(fmt.Errorf("%w", lighter.ErrGone))
		time.Sleep(time.Minute)
		b.stop()
		if got := strings.Count(b.log.String(), "on holiday"); got != 1 {
			t.Errorf("the error was logged %d times, want once:\n%s", got, b.log)
		}
		if got := strings.Count(b.log.String(), "\n"); got != 2 || !strings.Contains(b.log.String(), "measured again") {
			t.Errorf("want the error and its end in the log:\n%s", b.log)
		}
	})
}

func TestASampleOfAnEngineThatHangsIsNotServedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{Interval: 10 * time.Second})
		b.engine.stats[id(1)] = sampleOf(1)
		b.want(running(1, time.Now()))
		b.start()
		defer b.stop()
		time.Sleep(15 * time.Second)
		b.engine.mu.Lock()
		b.engine.takes = time.Hour
		b.engine.mu.Unlock()
		time.Sleep(15 * time.Second)
		if _, ok := b.value(t, "container_cpu_usage_seconds_total"); !ok {
			t.Error("a sample vanishes at once")
		}
		time.Sleep(time.Minute)
		if _, ok := b.value(t, "container_cpu_usage_seconds_total"); ok {
			t.Error("a sample is served a minute after the Engine has stopped answering")
		}
	})
}

func TestSizesAreAskedForSeldomAndOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{})
		b.engine.machine = lighter.Machine{CPUs: 4, MemoryBytes: 8 << 30, StorageDriver: "overlay2"}
		b.engine.writable[id(1)], b.engine.writable[id(2)] = 4096, 0
		b.want(running(1, time.Now()), running(2, time.Now()), &lighter.Container{ID: id(3), Name: "stopped", State: "exited"})
		b.start()
		defer b.stop()
		begin := time.Now()
		time.Sleep(containers.DefaultSizeDelay / 2)
		if got := b.engine.requests("size"); len(got) > 0 {
			t.Errorf("sizes were asked for at once: %v", got)
		}
		time.Sleep(containers.DefaultSizeDelay)
		if got, _ := b.value(t, `container_fs_usage_bytes{device="overlay2",image="nginx:1.27",name="web-1",project="store",service="shop"}`); got != "4096.0" {
			t.Errorf("the size is %q, want 4096.0", got)
		}
		time.Sleep(time.Hour)
		asked := b.engine.requests("size")
		var after []time.Duration
		for _, r := range asked {
			after = append(after, r.at.Sub(begin))
		}
		const first, again = containers.DefaultSizeDelay, containers.SizeInterval
		want := []time.Duration{first, first + time.Second, first + again, first + again + time.Second, first + 2*again, first + 2*again + time.Second}
		if !slices.Equal(after, want) {
			t.Errorf("sizes were asked for after %v, want %v", after, want)
		}
		if got := b.engine.requests("machine"); len(got) != 1 {
			t.Errorf("the size of the host was asked for %d times, want once", len(got))
		}
		if got, _ := b.value(t, "machine_memory_bytes"); got != "8.589934592e+09" {
			t.Errorf("machine_memory_bytes is %q", got)
		}
		if got, _ := b.value(t, "machine_cpu_cores"); got != "4.0" {
			t.Errorf("machine_cpu_cores is %q", got)
		}
	})
}

func TestTheSizeOfTheHostIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{})
		b.engine.err = errors.New("not yet")
		b.start()
		defer b.stop()
		time.Sleep(150 * time.Second)
		if got := b.engine.requests("machine"); len(got) != 3 {
			t.Errorf("the Engine was asked %d times in 150 s, want 3", len(got))
		}
		b.engine.mu.Lock()
		b.engine.err, b.engine.machine = nil, lighter.Machine{CPUs: 4}
		b.engine.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if got, _ := b.value(t, "machine_cpu_cores"); got != "4.0" {
			t.Errorf("machine_cpu_cores is %q, want 4.0", got)
		}
	})
}

func TestOutOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{})
		c := running(1, time.Now())
		change := func(f func(c *lighter.Container)) {
			now := *c
			f(&now)
			c = &now
			b.want(c)
		}
		check := func(what, want string) {
			t.Helper()
			if got, _ := b.value(t, "container_oom_events_total"); got != want {
				t.Errorf("%s: %s events, want %s", what, got, want)
			}
		}
		change(func(c *lighter.Container) { c.OOMKilled = true })
		check("what was before the agent", "0.0")
		change(func(c *lighter.Container) { c.Started, c.OOMKilled = c.Started.Add(time.Minute), false })
		check("a new run", "0.0")
		b.OutOfMemory(c.ID)
		check("an event", "1.0")
		change(func(c *lighter.Container) { c.OOMKilled, c.Running, c.State = true, false, "exited" })
		check("the mark of the same kill", "1.0")
		change(func(c *lighter.Container) {
			c.Started, c.OOMKilled, c.Running = c.Started.Add(time.Minute), false, true
		})
		check("the next run", "1.0")
		change(func(c *lighter.Container) { c.OOMKilled, c.Running, c.State = true, false, "exited" })
		check("a mark without an event", "2.0")
		b.OutOfMemory("no such container")
	})
}
