package containers

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// disks caches what the kernel reports of block devices.
type disks struct {
	path string // of the kernel's list; empty if it does not exist

	mu   sync.Mutex
	last *diskNames
}

func newDisks(proc string) *disks {
	d := &disks{last: &diskNames{}}
	if proc != "" {
		d.path = filepath.Join(proc, "diskstats")
	}
	return d
}

// diskNames are the names of block devices. They are immutable.
type diskNames struct {
	names map[[2]uint64]string // by major and minor number; empty if the kernel does not list the device
	only  string               // name of the only disk in use; empty if there are several
}

// of returns the name of a device, or "".
func (d *diskNames) of(of disk) string { return d.names[[2]uint64{of.major, of.minor}] }

// namesFor returns the names of the devices in a sample. It reads the kernel's list if one of them is new.
func (d *disks) namesFor(s *stats) *diskNames {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.last.names != nil
	for _, of := range s.disks {
		_, ok := d.last.names[[2]uint64{of.major, of.minor}]
		known = known && ok
	}
	if known || d.path == "" {
		return d.last
	}
	now := readDisks(readFile(d.path))
	for _, of := range s.disks {
		now.names[[2]uint64{of.major, of.minor}] += "" // so that a device without a name is not searched for again
	}
	for numbers := range d.last.names {
		now.names[numbers] += ""
	}
	d.last = now
	return now
}

// readDisks reads the kernel's list, /proc/diskstats.
func readDisks(b []byte) *diskNames {
	found := &diskNames{names: map[[2]uint64]string{}}
	var whole []string
	for line := range bytes.Lines(b) { //    8       0 sda 15 3 …
		fields := strings.Fields(string(line))
		if len(fields) < 4 {
			continue
		}
		major, err := strconv.ParseUint(fields[0], 10, 64)
		minor, err2 := strconv.ParseUint(fields[1], 10, 64)
		if err != nil || err2 != nil {
			continue
		}
		name, reads := fields[2], fields[3]
		found.names[[2]uint64{major, minor}] = name
		partition := len(whole) > 0 && strings.HasPrefix(name, whole[len(whole)-1]) // partitions follow their disk
		if reads != "0" && !partition && !stacked(major, name) && !strings.HasPrefix(name, "zram") && !strings.HasPrefix(name, "sr") {
			whole = append(whole, name)
		}
	}
	if len(whole) == 1 {
		found.only = whole[0]
	}
	return found
}

func deviceNumbers(major, minor uint64) string {
	return strconv.FormatUint(major, 10) + ":" + strconv.FormatUint(minor, 10)
}

// stacked reports whether a block device passes requests on to other devices.
func stacked(major uint64, name string) bool {
	const loop, md = 7, 9
	return major == loop || major == md || strings.HasPrefix(name, "dm-") || strings.HasPrefix(name, "md")
}
