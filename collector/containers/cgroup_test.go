package containers_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/collector/containers"
)

// The files of a container's cgroup on v2, as Linux 6.1 writes them, without lines that are not read.
func v2Files(dir string) map[string]string {
	return map[string]string{
		"cgroup.controllers":     "cpuset cpu io memory pids\n",
		dir + "/cpu.stat":        "usage_usec 12500000\nuser_usec 10000000\nsystem_usec 2500000\nnr_periods 40\nnr_throttled 10\nthrottled_usec 1500000\n",
		dir + "/memory.current":  "104857600\n",
		dir + "/memory.stat":     "anon 52428800\nfile 41943040\nkernel_stack 65536\ninactive_file 31457280\nactive_file 10485760\n",
		dir + "/memory.events":   "low 0\nhigh 0\nmax 17\noom 3\noom_kill 2\n",
		dir + "/io.stat":         "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n253:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
		dir + "/cgroup.procs":    "1\n20\n300\n",
		dir + "/pids.current":    "12\n",
		dir + "/memory.max":      "max\n",
		dir + "/unrelated/x.txt": "x",
	}
}

func v1Files(cpu, dir string) map[string]string {
	return map[string]string{
		cpu + "/" + dir + "/cpuacct.usage":                  "12500000000\n",
		cpu + "/" + dir + "/cpu.stat":                       "nr_periods 40\nnr_throttled 10\nthrottled_time 1500000000\n",
		"memory/" + dir + "/memory.usage_in_bytes":          "104857600\n",
		"memory/" + dir + "/memory.stat":                    "cache 1\nrss 2\ninactive_file 3\ntotal_cache 41943040\ntotal_rss 52428800\ntotal_inactive_file 31457280\n",
		"memory/" + dir + "/memory.failcnt":                 "17\n",
		"memory/" + dir + "/memory.oom_control":             "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
		"memory/" + dir + "/cgroup.procs":                   "1\n20\n300\n",
		"pids/" + dir + "/pids.current":                     "12\n",
		"blkio/" + dir + "/blkio.throttle.io_service_bytes": "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 0\n8:0 Async 12288\n8:0 Total 12288\nTotal 12288\n",
		"blkio/" + dir + "/blkio.throttle.io_serviced":      "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n",
	}
}

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    1000      10    1    2    0     0          0         0     2000      20    3    4    0     0       0          0
tunl0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
`

// wantOfFiles is the page for the files above, with a quota and without labels.
var wantOfFiles = []string{
	`container_cpu_cfs_periods_total 40.0`,
	`container_cpu_cfs_throttled_periods_total 10.0`,
	`container_cpu_cfs_throttled_seconds_total 1.5`,
	`container_cpu_usage_seconds_total{cpu="total"} 12.5`,
	`container_fs_reads_bytes_total{device="/dev/sda"} 4096.0`,
	`container_fs_reads_total{device="/dev/sda"} 1.0`,
	`container_fs_writes_bytes_total{device="/dev/sda"} 8192.0`,
	`container_fs_writes_total{device="/dev/sda"} 2.0`,
	`container_memory_cache 4.194304e+07`,
	`container_memory_rss 5.24288e+07`,
	`container_memory_usage_bytes 1.048576e+08`,
	`container_memory_working_set_bytes 7.340032e+07`,
	`container_network_receive_bytes_total{interface="eth0"} 1000.0`,
	`container_network_receive_errors_total{interface="eth0"} 1.0`,
	`container_network_receive_packets_dropped_total{interface="eth0"} 2.0`,
	`container_network_transmit_bytes_total{interface="eth0"} 2000.0`,
	`container_network_transmit_errors_total{interface="eth0"} 3.0`,
	`container_network_transmit_packets_dropped_total{interface="eth0"} 4.0`,
	`container_oom_events_total 0.0`,
	`container_processes 3.0`,
}

func TestCgroupFiles(t *testing.T) {
	docker, systemd := "docker/"+id(1), "system.slice/docker-"+id(1)+".scope"
	odd := "user.slice/app.slice/docker-" + id(1) + ".scope"
	for name, tc := range map[string]struct {
		files  map[string]string
		cgroup string // the cgroups of the process as the kernel reports them
	}{
		"v2, systemd":                      {v2Files(systemd), "0::/" + systemd},
		"v2, cgroupfs":                     {v2Files(docker), "0::/" + docker},
		"v2, seen from a container":        {v2Files(systemd), "0::/../../" + systemd},
		"v2, below another slice":          {v2Files(odd), "0::/" + odd},
		"v2, Podman":                       {v2Files("machine.slice/libpod-" + id(1) + ".scope/container"), "0::/x/" + id(1)},
		"v1, cgroupfs":                     {v1Files("cpu,cpuacct", docker), "4:cpu,cpuacct:/" + docker + "\n9:memory:/" + docker},
		"v1, systemd":                      {v1Files("cpu,cpuacct", systemd), "4:cpu,cpuacct:/" + systemd + "\n9:memory:/" + systemd},
		"v1, below another slice":          {v1Files("cpuacct,cpu", odd), "4:cpu,cpuacct:/" + odd + "\n9:memory:/" + odd + "\n7:pids:/" + odd + "\n8:blkio:/" + odd},
		"v1, with files that include more": {recursive(v1Files("cpu,cpuacct", docker), docker), "4:cpu,cpuacct:/" + docker},
	} {
		t.Run(name, func(t *testing.T) {
			cgroups, proc := t.TempDir(), t.TempDir()
			write(t, cgroups, tc.files)
			write(t, proc, map[string]string{
				"77/cgroup": tc.cgroup + "\n", "77/net/dev": netDev,
				"diskstats": " 8 0 sda 1 2 3\n 253 0 dm-0 1 2 3\n",
			})
			synctest.Test(t, func(t *testing.T) {
				b := newBench(containers.Options{CgroupRoot: cgroups, ProcRoot: proc})
				c := &lighter.Container{ID: id(1), PID: 77, Running: true, NetworkMode: "bridge", Limits: lighter.Limits{CPUQuota: 1, CPUPeriod: 1}}
				b.wanted = []containers.Container{{Container: c}}
				b.start()
				defer b.stop()
				time.Sleep(5 * time.Second)
				if asked := b.engine.requests("stats"); len(asked) > 0 {
					t.Errorf("the Engine was asked %d times", len(asked))
				}
				var got []string
				for _, line := range b.page(t) {
					switch name, _, _ := strings.Cut(line, "_"); {
					case name != "container", strings.Contains(line, "_spec_"), strings.Contains(line, "last_seen"):
					default:
						got = append(got, line)
					}
				}
				if diff := cmp.Diff(wantOfFiles, got); diff != "" {
					t.Errorf("page (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// recursive moves the counters of disks to the files that include nested cgroups, and makes those that do
// not wrong.
func recursive(files map[string]string, dir string) map[string]string {
	for _, name := range []string{"io_service_bytes", "io_serviced"} {
		path := "blkio/" + dir + "/blkio.throttle." + name
		files[path+"_recursive"], files[path] = files[path], "8:0 Read 999\n"
	}
	return files
}

// The Engine is asked for what the files lack, or if the process is not the container's.
func TestFilesAndEngine(t *testing.T) {
	docker := "docker/" + id(1)
	for name, tc := range map[string]struct {
		files    map[string]string
		cgroup   string
		mode     string
		asked    bool
		cpu, net string
	}{
		"no files":                      {nil, "0::/" + docker, "bridge", true, "3.0", "700.0"},
		"no cgroup of the container":    {map[string]string{"cgroup.controllers": "cpu"}, "0::/" + docker, "bridge", true, "3.0", "700.0"},
		"no process of the host":        {v2Files(docker), "", "bridge", true, "12.5", "700.0"},
		"the process of something else": {v2Files(docker), "0::/init.scope", "bridge", true, "12.5", "700.0"},
		"files without a network":       {v2Files(docker), "", "none", false, "12.5", ""},
		"files":                         {v2Files(docker), "0::/" + docker, "bridge", false, "12.5", "1000.0"},
	} {
		t.Run(name, func(t *testing.T) {
			cgroups, proc := t.TempDir(), t.TempDir()
			write(t, cgroups, tc.files)
			if tc.cgroup != "" {
				write(t, proc, map[string]string{"77/cgroup": tc.cgroup + "\n", "77/net/dev": netDev})
			}
			synctest.Test(t, func(t *testing.T) {
				b := newBench(containers.Options{CgroupRoot: cgroups, ProcRoot: proc})
				s := sampleOf(3)
				s.Networks = recorded(t, "engine-20.10-v1.json").Networks
				for name, n := range s.Networks {
					n.RxBytes = 700
					s.Networks[name] = n
				}
				b.engine.stats[id(1)] = s
				b.wanted = []containers.Container{{Container: &lighter.Container{ID: id(1), PID: 77, Running: true, NetworkMode: tc.mode}}}
				b.start()
				defer b.stop()
				time.Sleep(5 * time.Second)
				if asked := len(b.engine.requests("stats")) > 0; asked != tc.asked {
					t.Errorf("the Engine was asked: %t, want %t", asked, tc.asked)
				}
				if got, _ := b.value(t, "container_cpu_usage_seconds_total"); got != tc.cpu {
					t.Errorf("CPU %q, want %q", got, tc.cpu)
				}
				if got, _ := b.value(t, "container_network_receive_bytes_total"); got != tc.net {
					t.Errorf("received %q, want %q", got, tc.net)
				}
			})
		})
	}
}

// The cgroup counts the kills of a run; kills before the agent's start do not count.
func TestOutOfMemoryInFiles(t *testing.T) {
	cgroups, dir := t.TempDir(), "docker/"+id(1)
	write(t, cgroups, v2Files(dir))
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{CgroupRoot: cgroups, Interval: 10 * time.Second})
		c := &lighter.Container{ID: id(1), Running: true, NetworkMode: "none", Started: time.Now()}
		b.want(c)
		b.start()
		defer b.stop()
		check := func(kills int, want string) {
			t.Helper()
			write(t, cgroups, map[string]string{dir + "/memory.events": "oom_kill " + strconv.Itoa(kills) + "\n"})
			time.Sleep(20 * time.Second)
			if got, _ := b.value(t, "container_oom_events_total"); got != want {
				t.Errorf("%s events after %d kills, want %s", got, kills, want)
			}
		}
		time.Sleep(time.Second)
		check(2, "0.0")
		check(5, "3.0")
		again := *c
		again.Started = time.Now()
		b.want(&again)
		check(1, "4.0")
		b.OutOfMemory(c.ID)
		check(1, "4.0")
	})
}

// Files with unexpected content yield no metrics.
func TestBrokenFiles(t *testing.T) {
	for _, content := range []string{"", "x", "\n\n", "8:0 rbytes=x", ":::", "18446744073709551616", "usage_usec -1", "8:0 Read", "1:1 a=b=c", "max"} {
		for _, files := range []map[string]string{v2Files("docker/" + id(1)), v1Files("cpu,cpuacct", "docker/"+id(1))} {
			cgroups, proc := t.TempDir(), t.TempDir()
			for name := range files {
				files[name] = content
			}
			write(t, cgroups, files)
			write(t, proc, map[string]string{"77/cgroup": id(1) + "\n" + content, "77/net/dev": content, "diskstats": content})
			synctest.Test(t, func(t *testing.T) {
				b := newBench(containers.Options{CgroupRoot: cgroups, ProcRoot: proc})
				b.wanted = []containers.Container{{Container: &lighter.Container{ID: id(1), PID: 77, Running: true, NetworkMode: "bridge"}}}
				b.start()
				defer b.stop()
				time.Sleep(5 * time.Second)
				if got, ok := b.value(t, "container_cpu_usage_seconds_total"); ok && content != "18446744073709551616" {
					t.Errorf("the CPU is %s by a file with %q", got, content)
				}
			})
		}
	}
}

// An ID or a path that leads out of the cgroups is not followed.
func TestPathsStayBelowTheRoot(t *testing.T) {
	root, proc := t.TempDir(), t.TempDir()
	write(t, root, v2Files("outside"))
	write(t, root, map[string]string{"cgroups/cgroup.controllers": "cpu"})
	write(t, proc, map[string]string{"77/cgroup": "0::/../outside/" + id(1) + "/..\n"})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(containers.Options{CgroupRoot: root + "/cgroups", ProcRoot: proc})
		b.wanted = []containers.Container{
			{Container: &lighter.Container{ID: id(1), PID: 77, Running: true, NetworkMode: "none"}},
			{Container: &lighter.Container{ID: "../../outside", Running: true, NetworkMode: "none"}},
		}
		b.start()
		defer b.stop()
		time.Sleep(5 * time.Second)
		if got, ok := b.value(t, "container_cpu_usage_seconds_total"); ok {
			t.Errorf("the CPU is %s by files outside of the root", got)
		}
	})
}
