package filelog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lighter"
)

// Path returns the path of a container's log. root is where the Engine's data directory is mounted. The
// file need not exist.
func Path(root string, c *lighter.Container) string {
	if rest, ok := strings.CutPrefix(c.LogPath, filepath.Clean(root)+"/"); ok {
		return filepath.Join(root, rest) // also below the separate directory of a user namespace
	}
	name := c.ID + "-json.log"
	if c.LogPath != "" {
		name = filepath.Base(c.LogPath)
	}
	return filepath.Join(root, "containers", c.ID, name)
}

// ErrDriver means that a container's log is not in a readable file.
var ErrDriver = errors.New("only the files of the log driver json-file can be read")

// driver returns ErrDriver if a container's log is not a json-file log. An unknown driver may be json-file.
func driver(c *lighter.Container) error {
	if c.LogDriver != "json-file" && c.LogDriver != "" {
		return fmt.Errorf("%w, the container has %s", ErrDriver, c.LogDriver)
	}
	return nil
}

// Readable returns nil if the log of a container can be read from its file, and otherwise an error with the
// reason.
func Readable(root string, c *lighter.Container) error {
	if err := driver(c); err != nil {
		return err
	}
	if _, err := highestNumber(Path(root, c)); err != nil { // finding rotated files requires listing the directory
		return err
	}
	f, err := os.Open(Path(root, c))
	if err != nil {
		return err
	}
	return f.Close()
}

// openFiles opens all files of a log, oldest first, without gaps or duplicates.
//
// The Engine may rotate the log at the same time: it renames files to higher numbers, one after the other,
// the newest last, and compresses one. So openFiles tries again until each file is still where it was
// opened and the newest is still the newest. Then all of them existed at one moment.
func openFiles(path string) ([]*logFile, error) {
	const attempts = 100 // each takes a fraction of a millisecond
	for range attempts {
		highest, err := highestNumber(path)
		if err != nil {
			return nil, err
		}
		all, err := openOnce(path, highest)
		if err != nil {
			return nil, err
		}
		if inPlace(path, all, highest) {
			return all, nil
		}
		closeAll(all)
	}
	return nil, fmt.Errorf("%s is rotated faster than its files can be opened; give the log driver a larger max-size", path)
}

// inPlace reports whether the files are where they were opened and there are no others, neither newer nor
// older. An inode is not reused while its file is open.
func inPlace(path string, all []*logFile, highest int) bool {
	newest := uint64(0)
	for _, s := range all {
		if inodeOf(s.name) != s.inode {
			return false
		}
		if s.name == path {
			newest = s.inode
		}
	}
	n, err := highestNumber(path)
	return err == nil && n == highest && inodeOf(path) == newest
}

func openOnce(path string, highest int) (all []*logFile, err error) {
	for n := 0; n <= highest; n++ {
		s, err := openNumber(path, n)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		if s != nil {
			all = append(all, s)
		}
	}
	slices.Reverse(all)
	return all, nil
}

// openNumber opens the file with a number; number 0 is the newest file. It returns nil if there is none.
// While the Engine compresses a file both forms exist, and the compressed one is incomplete.
func openNumber(path string, n int) (*logFile, error) {
	name := path
	if n > 0 {
		name += "." + strconv.Itoa(n)
	}
	s, err := openLogFile(name, false)
	if n > 0 && errors.Is(err, fs.ErrNotExist) {
		s, err = openLogFile(name+".gz", true)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s, err
}

// highestNumber returns the highest number of a log's rotated files, or 0 if there are none.
func highestNumber(path string) (int, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	highest := 0
	for _, e := range entries {
		if number, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+"."); ok {
			if n, err := strconv.Atoi(strings.TrimSuffix(number, ".gz")); err == nil && n < 10_000 {
				highest = max(highest, n)
			}
		}
	}
	return highest, err
}

// inodeOf returns the inode of the named file, or 0 if it does not exist.
func inodeOf(name string) uint64 {
	var info unix.Stat_t
	if err := unix.Stat(name, &info); err != nil {
		return 0
	}
	return info.Ino
}

func closeAll(all []*logFile) {
	for _, s := range all {
		s.close()
	}
}
