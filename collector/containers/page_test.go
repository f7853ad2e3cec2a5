package containers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/collector/containers"
)

// full is a container with a value for every metric.
func full(n int, since time.Time) *lighter.Container {
	c := running(n, since)
	c.Health = "healthy"
	c.Limits = lighter.Limits{MemoryBytes: 512 << 20, MemoryReservationBytes: 256 << 20, CPUQuota: 150_000, CPUPeriod: 100_000}
	return c
}

// A container has at most 30 series, whatever it has.
func TestSeriesOfAContainer(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(c *lighter.Container)
		log    bool
		want   int
		absent []string
	}{
		"plain":                {func(c *lighter.Container) { c.Health, c.Limits = "", lighter.Limits{} }, false, 27, nil},
		"log":                  {func(c *lighter.Container) { c.Health, c.Limits = "", lighter.Limits{} }, true, 28, nil},
		"health and log":       {func(c *lighter.Container) { c.Limits.CPUQuota = 0 }, true, 29, nil},
		"quota":                {func(c *lighter.Container) { c.Health = "" }, false, 29, []string{"container_memory_failcnt", "container_network_receive_packets_total", "container_network_transmit_packets_total"}},
		"quota and log":        {func(c *lighter.Container) { c.Health = "" }, true, 30, []string{"container_memory_failcnt", "container_network_receive_packets_total", "container_network_transmit_packets_total"}},
		"everything":           {func(*lighter.Container) {}, true, 30, []string{"container_memory_cache", "container_memory_failcnt", "container_network_receive_packets_total", "container_network_transmit_packets_total"}},
		"several disks":        {func(c *lighter.Container) { c.Name = "many" }, true, 30, nil},
		"a log that is remote": {func(c *lighter.Container) { c.LogDriver, c.Health, c.Limits = "gelf", "", lighter.Limits{} }, true, 27, nil},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			write(t, data, map[string]string{
				"containers/" + id(1) + "/" + id(1) + "-json.log":      "twelve bytes",
				"containers/" + id(1) + "/" + id(1) + "-json.log.1.gz": "eight by",
				"containers/" + id(1) + "/config.v2.json":              "{}",
			})
			synctest.Test(t, func(t *testing.T) {
				o := containers.Options{SizeDelay: time.Second}
				if tc.log {
					o.DataRoot = data
				}
				b := newBench(o)
				b.engine.stats[id(1)] = recorded(t, "engine-20.10-v1.json")
				c := full(1, time.Now())
				tc.change(c)
				if c.Name == "many" {
					s := b.engine.stats[c.ID]
					s.Networks = map[string]container.NetworkStats{"eth0": {}, "eth1": {}, "eth2": {}}
					for major := range uint64(5) {
						s.BlkioStats.IoServiceBytesRecursive = append(s.BlkioStats.IoServiceBytesRecursive, container.BlkioStatEntry{Major: 8, Minor: 16 * major, Op: "Read", Value: 1})
					}
					b.engine.stats[c.ID] = s
				}
				b.want(c)
				b.start()
				defer b.stop()
				time.Sleep(10 * time.Second)
				page := strings.Join(b.page(t), "\n")
				if got := strings.Count(page, `name="`+c.Name); got != tc.want || got > containers.MaxSeries {
					t.Errorf("%d series, want %d:\n%s", got, tc.want, page)
				}
				for _, name := range tc.absent {
					if strings.Contains(page, name) {
						t.Errorf("there is %s", name)
					}
				}
				if tc.log && c.LogDriver == "json-file" && !strings.Contains(page, `lighter_container_log_disk_bytes{image="nginx:1.27",name="`+c.Name+`",project="store",service="shop"} 20.0`) {
					t.Errorf("the size of the log is not 20:\n%s", page)
				}
			})
		})
	}
}

// The page of containers as two Engines describe them, with all values.
func TestPageOfAnEngine(t *testing.T) {
	for _, name := range []string{"engine-20.10-v1", "engine-28-v2", "podman"} {
		t.Run(name, func(t *testing.T) {
			proc := t.TempDir()
			write(t, proc, map[string]string{"diskstats": "   8       0 sda 1 2 3\n 254       0 vda 1 2 3\n 253       0 dm-0 1 2 3\n"})
			synctest.Test(t, func(t *testing.T) {
				b := newBench(containers.Options{SizeDelay: time.Second, ProcRoot: proc})
				b.engine.machine = lighter.Machine{CPUs: 2, MemoryBytes: 4 << 30, StorageDriver: "overlay2"}
				b.engine.stats[id(1)] = recorded(t, name+".json")
				b.engine.writable[id(1)] = 12345
				c := running(1, time.Now())
				c.Limits.MemoryBytes = 64 << 20
				b.want(c)
				b.start()
				defer b.stop()
				time.Sleep(10 * time.Second)
				golden(t, name+".page", strings.Join(b.page(t), "\n")+"\n")
			})
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Each metric that the docker-mixin dashboard queries is on the page, with the labels that the dashboard
// groups by.
func TestMetricsOfTheDockerMixin(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "docker-mixin-queries.txt"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("testdata", "engine-20.10-v1.page"))
	if err != nil {
		t.Fatal(err)
	}
	queries := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		queries++
		for _, name := range regexp.MustCompile(`(container|machine)_[a-z_]+`).FindAllString(line, -1) {
			if !regexp.MustCompile(`(?m)^` + name + `(\{.*name="web-1"| )`).Match(page) {
				t.Errorf("there is no %s, which %s asks for", name, line)
			}
		}
	}
	if queries != 16 {
		t.Errorf("%d queries, want 16", queries)
	}
}

func TestHealth(t *testing.T) {
	for health, want := range map[string]string{"": "", "healthy": "1.0", "unhealthy": "0.0", "starting": "0.0"} {
		b := newBench(containers.Options{})
		c := running(1, time.Now())
		c.Health = health
		b.want(c)
		if got, _ := b.value(t, "lighter_container_health"); got != want {
			t.Errorf("health %q: %q, want %q", health, got, want)
		}
	}
}

// Containers on the network of the host or of another container have no interfaces of their own.
func TestNetworksOfOthers(t *testing.T) {
	for mode, want := range map[string]bool{"bridge": true, "my-net": true, "": true, "host": false, "none": false, "container:abc": false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(containers.Options{})
			b.engine.stats[id(1)] = recorded(t, "engine-20.10-v1.json")
			c := running(1, time.Now())
			c.NetworkMode = mode
			b.want(c)
			b.start()
			defer b.stop()
			time.Sleep(5 * time.Second)
			if _, got := b.value(t, "container_network_receive_bytes_total"); got != want {
				t.Errorf("network mode %q: has counters: %t, want %t", mode, got, want)
			}
		})
	}
}

// The kernel also counts the traffic of an LVM device on the disk below it.
func TestDisksThatPassOn(t *testing.T) {
	entry := func(major uint64, n uint64) container.BlkioStatEntry {
		return container.BlkioStatEntry{Major: major, Op: "read", Value: n}
	}
	proc := t.TempDir()
	write(t, proc, map[string]string{"diskstats": "   8       0 sda 1\n   8       1 sda1 1\n 253       0 dm-0 1\n 11 0 sr0 1\n broken\n x y z 1\n"})
	for name, tc := range map[string]struct {
		entries []container.BlkioStatEntry
		want    string
	}{
		"a disk":          {[]container.BlkioStatEntry{entry(8, 5)}, `container_fs_reads_bytes_total{device="/dev/sda"} 5.0`},
		"LVM on a disk":   {[]container.BlkioStatEntry{entry(253, 5), entry(8, 5)}, `container_fs_reads_bytes_total{device="/dev/sda"} 5.0`},
		"LVM alone":       {[]container.BlkioStatEntry{entry(253, 5)}, `container_fs_reads_bytes_total{device="/dev/dm-0"} 5.0`},
		"two disks":       {[]container.BlkioStatEntry{entry(8, 5), entry(259, 6)}, `container_fs_reads_bytes_total{device="all"} 11.0`},
		"a disk, no name": {[]container.BlkioStatEntry{entry(65, 5)}, `container_fs_reads_bytes_total{device="65:0"} 5.0`},
		"none yet":        {[]container.BlkioStatEntry{}, `container_fs_reads_bytes_total{device="/dev/sda"} 0.0`},
		"not known":       {nil, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(containers.Options{ProcRoot: proc})
			s := sampleOf(1)
			s.BlkioStats.IoServiceBytesRecursive = tc.entries
			b.engine.stats[id(1)] = s
			b.wanted = []containers.Container{{Container: &lighter.Container{ID: id(1), Running: true}}}
			b.start()
			defer b.stop()
			time.Sleep(5 * time.Second)
			got := ""
			for _, line := range b.page(t) {
				if strings.HasPrefix(line, "container_fs_reads_bytes") {
					got = line
				}
			}
			if got != tc.want {
				t.Errorf("%s: %s, want %s", name, got, tc.want)
			}
		})
	}
}

// FuzzEngine checks that the page survives any response of an Engine.
func FuzzEngine(f *testing.F) {
	for _, name := range []string{"engine-20.10-v1.json", "engine-28-v2.json", "podman.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s container.StatsResponse
		_ = json.Unmarshal(b, &s)
		synctest.Test(t, func(t *testing.T) {
			b := newBench(containers.Options{})
			b.engine.stats[id(1)] = s
			b.want(full(1, time.Now()))
			b.start()
			defer b.stop()
			time.Sleep(time.Second)
			if n := len(b.page(t)); n > containers.MaxSeries+1 {
				t.Errorf("%d series", n)
			}
		})
	})
}

func BenchmarkGather(b *testing.B) {
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			bench := newBench(containers.Options{})
			var all []*lighter.Container
			s := recorded(b, "engine-20.10-v1.json")
			for i := range n {
				all = append(all, running(i, time.Now()))
				bench.engine.stats[id(i)] = s
			}
			bench.want(all...)
			bench.start()
			for len(bench.engine.requests("stats")) < n {
				time.Sleep(10 * time.Millisecond)
			}
			bench.stop()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
