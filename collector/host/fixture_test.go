package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plainHost writes the /proc and /sys of a host with four CPUs, two disks with swap and LVM on them, two
// interfaces, three filesystems, and what Docker makes for three containers. It returns the root.
func plainHost(t testing.TB) string {
	root := t.TempDir()
	files := map[string]string{
		"proc/loadavg":         "0.52 0.58 0.59 2/612 40123\n",
		"proc/sys/fs/file-nr":  "2944\t0\t1048576\n",
		"proc/mdstat":          "Personalities : \nunused devices: <none>\n",
		"proc/pressure/cpu":    psi(1_000_000),
		"proc/pressure/io":     psi(2_000_000),
		"proc/pressure/memory": psi(3_000_000),
		"proc/pressure/irq":    "full avg10=0.00 avg60=0.00 avg300=0.00 total=4\n",
		"proc/vmstat":          "nr_free_pages 123\npgpgin 1\npgpgout 2\npswpin 3\npswpout 4\npgfault 5\npgmajfault 6\npgmajfault_s 7\noom_kill 8\n",
		"etc/os-release":       "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",

		"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource":   "tsc\n",
	}
	var stat strings.Builder
	stat.WriteString("cpu  4000 40 800 80000 400 0 40 4 0 0\n")
	for cpu := range 4 {
		fmt.Fprintf(&stat, "cpu%d 1000 10 200 20000 100 0 10 1 0 0\n", cpu)
		files[fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/core_id", cpu)] = fmt.Sprintln(cpu)
		files[fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu)] = "0\n"
		files[fmt.Sprintf("sys/devices/system/cpu/cpu%d/online", cpu)] = "1\n"
	}
	stat.WriteString("intr 1234567 1 2 3\nctxt 7654321\nbtime 1700000000\nprocesses 4321\nprocs_running 2\nprocs_blocked 0\nsoftirq 1 0 0 0 0 0 0 0 0 0 1\n")
	files["proc/stat"] = stat.String()

	var memory strings.Builder
	for i, field := range strings.Fields("MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive SwapTotal SwapFree Dirty Writeback AnonPages Mapped Shmem Slab SReclaimable CommitLimit Committed_AS VmallocTotal") {
		fmt.Fprintf(&memory, "%s: %d kB\n", field, 1000*(i+1))
	}
	files["proc/meminfo"] = memory.String()

	var disks strings.Builder
	for i, name := range strings.Fields("sda sda1 sda2 nvme0n1 nvme0n1p1 dm-0 dm-1 loop0 loop1 sr0 zram0 mmcblk0boot0") {
		fmt.Fprintf(&disks, "   8       %d %s 100 1 2000 30 200 2 4000 60 0 80 90 0 0 0 0 5 6\n", i, name)
	}
	files["proc/diskstats"] = disks.String()

	interfaces := []string{"eth0", "wg0", "lo", "ifb0", "sit0", "docker0", "docker_gwbridge", "br-0123456789ab"}
	for i := range 3 {
		interfaces = append(interfaces, fmt.Sprintf("veth12345%d", i))
	}
	files["proc/1/net/dev"] = netDev(interfaces...)
	files["proc/net/dev"] = netDev("eth0", "lo") // of the container that reads it
	files["proc/1/mountinfo"] = strings.TrimSpace(plainMounts) + "\n"

	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"boot/efi", "srv/data", "var/lib/docker"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// plainMounts has three filesystems on disks, one of them mounted in a second place, too, and those of the
// kernel, of packages, of two containers and of a volume on a separate disk.
const plainMounts = `
24 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
25 24 0:22 / /proc rw - proc proc rw
26 24 0:23 / /sys rw - sysfs sysfs rw
27 24 0:5 / /dev rw - devtmpfs udev rw
28 24 0:24 / /run rw - tmpfs tmpfs rw
29 24 8:1 / /boot/efi rw - vfat /dev/sda1 rw
30 24 259:1 / /srv/data ro - xfs /dev/nvme0n1p1 rw
31 24 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
32 24 0:40 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
33 24 8:2 /home/ci /var/chroot/ci/home rw - ext4 /dev/sda2 rw
34 24 0:50 / /var/lib/docker/overlay2/aaaa/merged rw - overlay overlay rw
35 24 0:51 / /var/lib/docker/overlay2/bbbb/merged rw - overlay overlay rw
36 24 0:52 / /mnt/docker/overlay2/cccc/merged rw - overlay overlay rw
37 24 0:53 / /var/lib/docker/containers/aaaa/mounts/shm rw - tmpfs shm rw
38 24 0:4 net:[4026532000] /run/docker/netns/aaaa rw - nsfs nsfs rw
39 24 8:33 / /var/lib/docker/volumes/db/_data rw - ext4 /dev/sdc1 rw
40 24 8:34 / /mnt/docker/volumes/db/_data rw - ext4 /dev/sdc2 rw
41 24 0:54 / /tmp rw - tmpfs tmpfs rw
`

func psi(total int) string {
	line := fmt.Sprintf("avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n", total)
	return "some " + line + "full " + line
}

func netDev(interfaces ...string) string {
	var b strings.Builder
	b.WriteString("Inter-|   Receive                                                |  Transmit\n")
	b.WriteString(" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for i, name := range interfaces {
		fmt.Fprintf(&b, "%s: %d1 %d2 %d3 %d4 0 0 0 0 %d5 %d6 %d7 %d8 0 0 0 0\n", name, i, i, i, i, i, i, i, i)
	}
	return b.String()
}
