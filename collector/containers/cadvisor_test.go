package containers_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/containers"
)

// text returns the samples of the page as a scrape that does not get OpenMetrics sees them.
func (b *bench) text(t *testing.T) (samples []string) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(b.Collector, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			samples = append(samples, strings.TrimSuffix(line, "\n"))
		}
	}
	return samples
}

// families returns the names of the metrics of samples, each once and in order.
func families(samples []string) (names []string) {
	for _, s := range samples {
		names = append(names, s[:strings.IndexAny(s, "{ ")])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// The requested kinds determine which metrics are on a page like cAdvisor's.
func TestCAdvisorKinds(t *testing.T) {
	const always = `container_last_seen container_spec_memory_limit_bytes container_spec_memory_reservation_limit_bytes
		container_start_time_seconds machine_cpu_cores machine_memory_bytes`
	const cpu = "container_cpu_system_seconds_total container_cpu_usage_seconds_total container_cpu_user_seconds_total"
	const memory = `container_memory_cache container_memory_failcnt container_memory_rss container_memory_usage_bytes container_memory_working_set_bytes`
	const network = `container_network_receive_bytes_total container_network_receive_errors_total container_network_receive_packets_dropped_total container_network_receive_packets_total
		container_network_transmit_bytes_total container_network_transmit_errors_total container_network_transmit_packets_dropped_total container_network_transmit_packets_total`
	const disk = "container_fs_usage_bytes"
	const diskIO = "container_fs_reads_bytes_total container_fs_reads_total container_fs_writes_bytes_total container_fs_writes_total"
	const oom = "container_oom_events_total"
	for name, tc := range map[string]struct {
		cadvisor containers.CAdvisor
		want     string
	}{
		"defaults":                       {containers.CAdvisor{}, strings.Join([]string{always, cpu, memory, network, disk, diskIO, oom}, " ")},
		"enabled":                        {containers.CAdvisor{Enabled: []string{"cpu", "process", "tcp"}}, always + " " + cpu + " container_processes"},
		"enabled wins":                   {containers.CAdvisor{Enabled: []string{"disk"}, Disabled: []string{"disk"}}, always + " " + disk},
		"disabled, in place of defaults": {containers.CAdvisor{Disabled: []string{"memory", "network", "diskIO"}}, strings.Join([]string{always, cpu, disk, oom, "container_processes"}, " ")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(containers.Options{SizeDelay: time.Second, CAdvisor: &tc.cadvisor})
				b.engine.stats[id(1)] = recorded(t, "engine-20.10-v1.json")
				b.engine.writable[id(1)] = 100
				b.engine.machine = lighter.Machine{CPUs: 4, MemoryBytes: 1 << 30}
				stopped := running(2, time.Now())
				stopped.Running, stopped.State, stopped.Finished = false, "exited", time.Now()
				c := running(1, time.Now())
				b.want(c, stopped)
				b.start()
				defer b.stop()
				time.Sleep(10 * time.Second)
				page := b.text(t)
				want := strings.Fields(tc.want)
				slices.Sort(want)
				if diff := cmp.Diff(want, families(page)); diff != "" {
					t.Errorf("families (-want +got):\n%s", diff)
				}
				for _, s := range page {
					if strings.Contains(s, `name="`+stopped.Name+`"`) {
						t.Errorf("there is %s of a container that does not run", s)
					}
					if strings.HasPrefix(s, "container_") && !strings.Contains(s, `id="/docker/`+c.ID+`",image="`+c.Image+`"`) || strings.Contains(s, `service="`) {
						t.Errorf("%s has not the labels of cAdvisor", s)
					}
				}
			})
		})
	}
}

func TestContainerLabels(t *testing.T) {
	discovered := labels.FromStrings("__meta_docker_container_id", "x", "__meta_docker_container_label_com_docker_compose_service", "api", "__meta_docker_container_label_team", "a", "service", "api")
	for name, tc := range map[string]struct {
		all     bool
		allowed []string
		want    labels.Labels
	}{
		"all":     {true, nil, labels.FromStrings("container_label_com_docker_compose_service", "api", "container_label_team", "a")},
		"allowed": {false, []string{"com.docker.compose.service", "none"}, labels.FromStrings("container_label_com_docker_compose_service", "api")},
		"none":    {false, []string{""}, labels.EmptyLabels()},
	} {
		if got := containers.ContainerLabels(discovered, tc.all, tc.allowed); !labels.Equal(got, tc.want) {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestCAdvisorCheck(t *testing.T) {
	if err := (&containers.CAdvisor{Enabled: []string{"cpu", "sched"}, Disabled: []string{"percpu"}}).Check(); err != nil {
		t.Error(err)
	}
	if err := (&containers.CAdvisor{Disabled: []string{"cpus"}}).Check(); err == nil || !strings.Contains(err.Error(), `no kind of metrics "cpus"`) {
		t.Errorf("Check = %v, want the kind", err)
	}
	if diff := cmp.Diff([]string{"sched", "tcp"}, (&containers.CAdvisor{Enabled: []string{"cpu", "sched", "tcp"}}).Without()); diff != "" {
		t.Errorf("kinds without metrics (-want +got):\n%s", diff)
	}
}
