package file

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sys/unix"

	"lighter"
)

// MatchOptions determine which files Match leaves out.
type MatchOptions struct {
	IgnoreOlderThan time.Duration // leave out files that have not changed for so long; 0 means none
}

// Match returns a target for each file that matches the pattern of a target, with the file's path in __path__ and
// all other labels of the target. The pattern of a target is in __path__, and a pattern of files to omit may be in
// __path_exclude__.
//
// In a pattern * and ? stand for characters of a name, [a-z] and [^a-z] or [!a-z] for one of several, {a,b} for
// one of several texts, and ** as a whole name for any number of directories; \ takes the meaning from the
// next character. Links are followed, but not twice into the same directory. The error lists the patterns
// that are malformed and the directories that cannot be read; the targets are those of all others.
func Match(targets []lighter.Target, o MatchOptions) ([]lighter.Target, error) {
	var found []lighter.Target
	var failed []error
	for _, target := range targets {
		pattern := target.Labels.Get(LabelPath)
		files, err := Glob(pattern)
		if err != nil {
			failed = append(failed, fmt.Errorf("find files by %q: %w", pattern, err))
		}
		exclude, err := compile(target.Labels.Get(LabelPathExclude))
		if err != nil {
			failed = append(failed, fmt.Errorf("exclude files by %q: %w", target.Labels.Get(LabelPathExclude), err))
			continue // better no file than one that should be left out
		}
		for _, file := range files {
			if exclude.match(file) {
				continue
			}
			absolute, err := filepath.Abs(file)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			info, err := os.Stat(absolute)
			if err != nil || info.IsDir() { // it may have just been removed
				continue
			}
			if o.IgnoreOlderThan > 0 && time.Since(info.ModTime()) > o.IgnoreOlderThan {
				continue
			}
			b := labels.NewBuilder(target.Labels)
			b.Set(LabelPath, absolute)
			found = append(found, lighter.Target{Labels: b.Labels(), Container: target.Container})
		}
	}
	return found, errors.Join(failed...)
}

// Glob returns the paths that a pattern of Match finds, sorted, without those that do not exist. An error
// lists the directories that cannot be read; the paths are those in the others.
func Glob(pattern string) ([]string, error) {
	all, err := compile(pattern)
	if err != nil {
		return nil, err
	}
	w := walk{found: map[string]bool{}}
	for _, names := range all {
		if names[0] == "" && len(names) > 1 { // an absolute path
			w.walk("/", names[1:], nil)
		} else {
			w.walk("", names, nil)
		}
	}
	paths := make([]string, 0, len(w.found))
	for p := range w.found {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths, errors.Join(w.failed...)
}

// patterns are the alternatives of a pattern, without braces, split into names.
type patterns [][]string

// maxAlternatives is how many alternatives a pattern may have because of its braces.
const maxAlternatives = 1000

var errAlternatives = fmt.Errorf("its braces expand to more than %d patterns", maxAlternatives)

// compile parses a pattern. An empty one matches nothing.
func compile(pattern string) (patterns, error) {
	if pattern == "" {
		return nil, nil
	}
	if strings.Contains(pattern, "\x00") {
		return nil, fmt.Errorf("%q is malformed: a path cannot contain a zero byte", pattern)
	}
	all, err := expand(pattern)
	if err != nil {
		return nil, err
	}
	var p patterns
	for _, one := range all {
		names := strings.Split(one, "/")
		kept := names[:1]
		for _, name := range names[1:] {
			if name != "" && name != "." {
				kept = append(kept, name)
			}
		}
		for i, name := range kept {
			kept[i] = negate(name)
			if _, err := path.Match(kept[i], ""); err != nil {
				return nil, fmt.Errorf("%q is malformed: it has an incomplete [ or \\", name)
			}
		}
		p = append(p, kept)
	}
	return p, nil
}

// expand returns a pattern without its braces: a{b,c}d is abd and acd.
func expand(pattern string) ([]string, error) {
	done, todo := []string{}, []string{pattern}
	for len(todo) > 0 {
		one := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		open, parts, end, err := braces(one)
		if err != nil {
			return nil, err
		}
		if open < 0 {
			done = append(done, one)
		}
		for i := range parts {
			todo = append(todo, one[:open]+parts[len(parts)-1-i]+one[end:])
		}
		if len(done)+len(todo) > maxAlternatives {
			return nil, errAlternatives
		}
	}
	return done, nil
}

// braces finds the first pair of braces in a pattern: the index of the opening one, the parts between the
// commas, and the index after the closing one. open is negative if there are no braces.
func braces(pattern string) (open int, parts []string, end int, err error) {
	open = -1
	depth, from, class := 0, 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = strings.IndexByte(pattern[i:], ']') > 0
		case c == '{':
			if depth++; depth == 1 {
				open, from = i, i+1
			}
		case c == ',' && depth == 1:
			parts = append(parts, pattern[from:i])
			from = i + 1
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				return open, append(parts, pattern[from:i]), i + 1, nil
			}
		}
	}
	if depth > 0 {
		return 0, nil, 0, fmt.Errorf("%q is malformed: a { is not closed", pattern)
	}
	return -1, nil, 0, nil
}

// negate rewrites [!a] as [^a], which path.Match understands.
func negate(name string) string {
	b := []byte(name)
	for i := 0; i+1 < len(b); i++ {
		switch {
		case b[i] == '\\':
			i++
		case b[i] == '[' && b[i+1] == '!':
			b[i+1] = '^'
		}
	}
	return string(b)
}

// match reports whether one of the patterns matches a path.
func (p patterns) match(file string) bool {
	names := strings.Split(file, "/")
	return slices.ContainsFunc(p, func(pattern []string) bool { return matchNames(pattern, names) })
}

func matchNames(pattern, names []string) bool {
	for i, one := range pattern {
		if one == "**" {
			for n := range len(names) + 1 {
				if matchNames(pattern[i+1:], names[n:]) {
					return true
				}
			}
			return false
		}
		if len(names) == 0 {
			return false
		}
		if ok, _ := path.Match(one, names[0]); !ok {
			return false
		}
		names = names[1:]
	}
	return len(names) == 0
}

// walk is a search for files.
type walk struct {
	found  map[string]bool
	failed []error
}

// fileID identifies a directory.
type fileID struct{ device, inode uint64 }

// walk finds the files below a directory that the names match. above are the directories that a ** has already
// entered.
func (w *walk) walk(dir string, names []string, above []fileID) {
	name, rest := names[0], names[1:]
	switch {
	case name == "**":
		w.through(dir, rest, above)
	case !strings.ContainsAny(name, `*?[\`):
		w.take(join(dir, name), rest, above)
	default:
		for _, e := range w.list(dir) {
			if ok, _ := path.Match(name, e.Name()); ok {
				w.take(join(dir, e.Name()), rest, above)
			}
		}
	}
}

// take continues below a file that a name has matched, or records the file if no name is left.
func (w *walk) take(file string, rest []string, above []fileID) {
	if len(rest) > 0 {
		w.walk(file, rest, above)
	} else if _, err := os.Stat(file); err == nil {
		w.found[file] = true
	}
}

// through finds the files that the names match in a directory and in all directories below it.
func (w *walk) through(dir string, names []string, above []fileID) {
	id, ok := idOf(dir)
	if !ok || slices.Contains(above, id) {
		return
	}
	above = append(slices.Clip(above), id)
	for len(names) > 0 && names[0] == "**" {
		names = names[1:]
	}
	if len(names) > 0 {
		w.walk(dir, names, nil)
	}
	for _, e := range w.list(dir) {
		below := join(dir, e.Name())
		isDir := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(below)
			isDir = err == nil && info.IsDir()
		}
		switch {
		case isDir:
			w.through(below, names, above)
		case len(names) == 0:
			w.take(below, nil, above)
		}
	}
}

// list returns the entries of a directory, or none if there is no such directory.
func (w *walk) list(dir string) []fs.DirEntry {
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		w.failed = append(w.failed, err)
	}
	return entries
}

func idOf(dir string) (fileID, bool) {
	var st unix.Stat_t
	err := unix.Stat(cmp.Or(dir, "."), &st)
	return fileID{st.Dev, st.Ino}, err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}
