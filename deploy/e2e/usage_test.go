package e2e

import (
	"context"
	"fmt"
	"math"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// within is the range of values that a query may return, both ends included.
type within struct{ least, most float64 }

func exactly(v float64) within { return within{v, v} }

// inRange waits until a Prometheus query returns one value within the bounds.
func (a *agent) inRange(t *testing.T, query string, bounds within) {
	t.Helper()
	err := poll(t.Context(), time.Minute, func(ctx context.Context) error {
		got, err := a.lab.prom.Query(ctx, query)
		switch {
		case err != nil:
			return err
		case len(got) != 1:
			return fmt.Errorf("%s gives %d values, want one", query, len(got))
		case got[0].Value < bounds.least || got[0].Value > bounds.most:
			return fmt.Errorf("%s gives %v, want %v to %v", query, got[0].Value, bounds.least, bounds.most)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// usage measures a busy container, and compares the metrics that arrive with the kernel's figures for its
// process. Every Engine provides them in its own way.
func (l *lab) usage(t *testing.T) {
	const memory = 64 << 20
	a := l.agent(t, "usage", agentOptions{include: "use-*", env: []string{
		"LIGHTER_CONTAINER_METRICS=on", "LIGHTER_RESOURCE_INTERVAL=1s", "LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SCRAPE_TIMEOUT=1s"}})
	began := time.Now()
	app := l.generate(t, "use-app", generatorOptions{docker: []string{"--memory", strconv.Itoa(memory)}}, "-rate", "4000", "-size", "180")
	app.waitWritten(t, 8000)
	state, err := app.State(t.Context())
	must(t, err)
	selector := fmt.Sprintf(`{environment=%q,name="use-app"}`, a.environment)

	used, err := cpuSeconds(state.Pid)
	must(t, err)
	a.inRange(t, "sum(container_cpu_usage_seconds_total"+selector+") > "+fmt.Sprint(used), within{used, used + time.Minute.Seconds()*float64(goruntime.NumCPU())})
	share := used / time.Since(began).Seconds() // of a core, as the kernel counts it
	a.inRange(t, "sum(rate(container_cpu_usage_seconds_total"+selector+"[15s]))", within{share / 3, share*3 + .1})

	a.inRange(t, "container_memory_usage_bytes"+selector, within{512 << 10, memory})
	a.inRange(t, "container_spec_memory_limit_bytes"+selector, exactly(memory))
	a.inRange(t, "container_start_time_seconds"+selector, within{float64(began.Unix() - 2), float64(time.Now().Unix())})
	a.inRange(t, "time() - container_last_seen"+selector, within{-5, 10})
	a.inRange(t, "container_processes"+selector, within{1, 64})
	a.inRange(t, fmt.Sprintf(`lighter_container_state{environment=%q,name="use-app",state="running"}`, a.environment), exactly(1))
	a.inRange(t, "container_oom_events_total"+selector, exactly(0))
	a.inRange(t, fmt.Sprintf(`machine_cpu_cores{environment=%q}`, a.environment), exactly(float64(goruntime.NumCPU())))
	total := meminfo(t, "MemTotal")
	a.inRange(t, fmt.Sprintf(`machine_memory_bytes{environment=%q}`, a.environment), exactly(total))
	if l.within != "none" {
		a.inRange(t, "sum(container_network_receive_bytes_total"+selector+")", within{0, 1 << 30})
	}
	series, err := l.prom.Query(t.Context(), "count("+selector+")")
	must(t, err)
	if len(series) == 1 {
		t.Logf("on %s a container has %v series", l.kind, series[0].Value)
	}

	// The series end with the container.
	must(t, app.Stop(t.Context()))
	must(t, app.Remove(t.Context()))
	eventually(t, time.Minute, func(ctx context.Context) error {
		got, err := l.prom.Query(ctx, "container_last_seen"+selector)
		if err == nil && len(got) > 0 {
			err = fmt.Errorf("container_last_seen is %v, though the container is gone", got)
		}
		return err
	})
}

// cpuSeconds returns the CPU time of a process, as the kernel counts it.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.ParseFloat(f[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100, err // clock ticks, a hundred per second
}

// meminfo returns a value of /proc/meminfo in bytes.
func meminfo(t *testing.T, name string) float64 {
	t.Helper()
	b, err := os.ReadFile("/proc/meminfo")
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
			v, err := strconv.ParseFloat(f[1], 64)
			must(t, err)
			return v * 1024
		}
	}
	t.Fatalf("/proc/meminfo has no %s", name)
	return 0
}

// hostAndBudget runs an agent that measures the host, and compares the metrics that arrive with the figures of
// this machine. The agent has a budget of log lines, which a noisy container exceeds.
func (l *lab) hostAndBudget(t *testing.T) {
	const budget, lines, size = 100_000, 2000, 180
	// With rslave, as in README.md, the host's root mount must be shared, which it is not if this machine is a container.
	a := l.agent(t, "host", agentOptions{include: "host-*", docker: []string{"--volume", "/:/host:ro"}, env: []string{
		"LIGHTER_HOST_METRICS=on", "LIGHTER_RESOURCE_INTERVAL=1s", "LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SCRAPE_TIMEOUT=1s",
		fmt.Sprintf("LIGHTER_BUDGET_LOGS=%dB/month", budget)}})
	noisy := l.generate(t, "host-noisy", generatorOptions{}, "-count", strconv.Itoa(lines), "-size", strconv.Itoa(size))
	noisy.waitExited(t, 0)

	selector := func(more string) string {
		return fmt.Sprintf(`{job="integrations/node_exporter",environment=%q,instance=%q%s}`, a.environment, l.host, more)
	}
	cores := float64(goruntime.NumCPU())
	var disk syscall.Statfs_t
	must(t, syscall.Statfs("/", &disk))
	for query, bounds := range map[string]within{
		"node_memory_MemTotal_bytes" + selector(""):                                  exactly(meminfo(t, "MemTotal")),
		"node_memory_MemAvailable_bytes" + selector(""):                              {meminfo(t, "MemAvailable") / 2, meminfo(t, "MemTotal")},
		"time() - node_time_seconds" + selector(""):                                  {-5, 10},
		"time() - node_boot_time_seconds" + selector(""):                             {1, 1e9},
		"count(node_cpu_seconds_total" + selector(`,mode="idle"`) + ")":              exactly(cores),
		"sum(rate(node_cpu_seconds_total" + selector("") + "[15s]))":                 {cores * .7, cores * 1.3},
		"node_load1" + selector(""):                                                  {0, 1000},
		"node_filesystem_size_bytes" + selector(`,mountpoint="/"`):                   exactly(float64(disk.Blocks) * float64(disk.Bsize)),
		"node_filesystem_avail_bytes" + selector(`,mountpoint="/"`):                  {1, float64(disk.Blocks) * float64(disk.Bsize)},
		"node_uname_info" + selector(fmt.Sprintf(",nodename=%q", l.host)):            exactly(1),
		"sum(node_disk_written_bytes_total" + selector("") + ")":                     {1, math.MaxFloat64},
		"sum(node_network_receive_bytes_total" + selector(`,device!="lo"`) + ") > 0": {1, math.MaxFloat64},
		"up" + selector(""):           exactly(1),
		"count(" + selector("") + ")": {40, 119 + 8*cores},
		"count(node_filesystem_size_bytes" + selector(`,mountpoint=~".*/docker/.+"`) + ") or vector(0)":        exactly(0),
		"count(node_network_receive_bytes_total" + selector(`,device=~"veth.+"`) + ") or vector(0)":            exactly(0),
		fmt.Sprintf(`lighter_budget_logs_bytes{job="lighter",environment=%q,kind="limit"}`, a.environment):     exactly(budget),
		fmt.Sprintf(`lighter_budget_logs_bytes{job="lighter",environment=%q,kind="used"}`, a.environment):      {lines * size, 2 * lines * size},
		fmt.Sprintf(`lighter_budget_series{job="lighter",environment=%q,kind="active"} >= 100`, a.environment): {100, 300},
	} {
		a.inRange(t, query, bounds)
	}
	must(t, poll(t.Context(), 90*time.Second, func(ctx context.Context) error { // the agent checks its budget once a minute
		if said := a.Output(ctx, 1000); !strings.Contains(said, "of their budget; nothing is dropped because of that") || !strings.Contains(said, "host-noisy") {
			return fmt.Errorf("the agent does not warn of its budget:\n%s", said)
		}
		return nil
	}))
	a.verify(t, 30*time.Second, noisy) // nothing is dropped because of the budget
}
