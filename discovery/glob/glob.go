// Package glob finds files by patterns.
//
// In a pattern, * is any characters but a slash, ? is one, [a-z] is one of a class and [!a-z] is one that is
// none of it, {a,b} is either, ** as a whole element of a path is any number of folders, none too, and a
// backslash takes its meaning from the character behind it.
package glob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxAlternatives bounds what the braces of one pattern may stand for.
const maxAlternatives = 1000

// ErrAlternatives says that a pattern stands for too many others.
var ErrAlternatives = fmt.Errorf("the braces stand for more than %d patterns", maxAlternatives)

// anyFolders is the element of a path that is any number of folders.
const anyFolders = "**"

// Match reports whether a pattern means a file of a name.
func Match(pattern, name string) (bool, error) {
	all, err := parse(pattern)
	if err != nil {
		return false, err
	}
	elements := strings.Split(path.Clean(name), "/")
	return slices.ContainsFunc(all, func(p []string) bool { return match(p, elements) }), nil
}

func match(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == anyFolders {
			for i := range len(name) + 1 {
				if match(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); !ok || err != nil {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

// Find returns the names of what a pattern means, sorted: files and folders. Folders that cannot be read are
// passed over. If nothing is found, that is the error; an error also says that the pattern is none.
func Find(pattern string) ([]string, error) {
	all, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	f := finder{found: map[string]bool{}}
	for _, p := range all {
		f.find("", p, nil)
	}
	if len(f.found) == 0 {
		return nil, f.err
	}
	names := make([]string, 0, len(f.found))
	for name := range f.found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

type finder struct {
	found map[string]bool
	err   error // why the first folder that could not be read was not
}

// find finds what the rest of a pattern means below a folder. through are the folders with their links
// followed that ** has come through: a link to one of them is not followed again.
func (f *finder) find(folder string, pattern, through []string) {
	for len(pattern) > 0 && !isPattern(pattern[0]) {
		folder = join(folder, unescape(pattern[0]))
		pattern = pattern[1:]
	}
	if len(pattern) == 0 {
		if _, err := os.Lstat(folder); err == nil {
			f.found[folder] = true
		}
		return
	}
	any := pattern[0] == anyFolders
	if any {
		real, err := filepath.EvalSymlinks(nameOf(folder))
		if err != nil || slices.Contains(through, real) {
			return
		}
		through = append(slices.Clip(through), real)
		f.find(folder, pattern[1:], nil)
	}
	entries, err := os.ReadDir(nameOf(folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && f.err == nil {
		f.err = err
	}
	for _, e := range entries {
		name := join(folder, e.Name())
		switch {
		case any:
			if isFolder(name, e) {
				f.find(name, pattern, through)
			} else if len(pattern) == 1 {
				f.found[name] = true
			}
		default:
			if ok, err := path.Match(pattern[0], e.Name()); !ok || err != nil {
				continue
			}
			if len(pattern) == 1 {
				f.found[name] = true
			} else if isFolder(name, e) {
				f.find(name, pattern[1:], nil)
			}
		}
	}
}

func isFolder(name string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// join appends an element to the name of a folder, which is empty at the beginning of a name. The element
// before the slash of an absolute name is empty too.
func join(folder, element string) string {
	switch {
	case folder == "" && element == "":
		return "/"
	case folder == "" || folder == "/":
		return folder + element
	}
	return folder + "/" + element
}

func nameOf(folder string) string {
	if folder == "" {
		return "."
	}
	return folder
}

// parse returns the elements of each of the patterns that a pattern with braces stands for.
func parse(pattern string) (all [][]string, err error) {
	expanded, err := expand(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	for _, one := range expanded {
		elements := strings.Split(path.Clean(one), "/")
		for i, e := range elements {
			e = negated(e)
			if _, err := path.Match(e, ""); err != nil {
				return nil, fmt.Errorf("pattern %q: a class has no end, or a backslash stands at the end", pattern)
			}
			elements[i] = e
		}
		elements = slices.CompactFunc(elements, func(a, b string) bool { return a == anyFolders && b == anyFolders })
		all = append(all, elements)
	}
	return all, nil
}

// expand returns the patterns without braces that a pattern stands for.
func expand(pattern string) ([]string, error) {
	open, close, commas := braces(pattern)
	if open < 0 {
		return []string{pattern}, nil
	}
	if close < 0 {
		return nil, errors.New("a brace is not closed")
	}
	var all []string
	from := open + 1
	for _, to := range append(commas, close) {
		one, err := expand(pattern[:open] + pattern[from:to] + pattern[close+1:])
		if err != nil {
			return nil, err
		}
		if all = append(all, one...); len(all) > maxAlternatives {
			return nil, ErrAlternatives
		}
		from = to + 1
	}
	return all, nil
}

// braces returns where the first opening brace of a pattern is, where the one is that closes it, and the
// commas between them that are in no other brace. What is not there is -1.
func braces(pattern string) (open, close int, commas []int) {
	open, close = -1, -1
	depth, class := 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '{':
			if depth == 0 {
				open = i
			}
			depth++
		case c == ',' && depth == 1:
			commas = append(commas, i)
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				return open, i, commas
			}
		}
	}
	return open, -1, nil
}

// negated writes [!a] as [^a], as package path does.
func negated(element string) string {
	b := []byte(element)
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

func isPattern(element string) bool { return strings.ContainsAny(element, `*?[`) }

func unescape(element string) string {
	if !strings.Contains(element, `\`) {
		return element
	}
	var b strings.Builder
	for i := 0; i < len(element); i++ {
		if element[i] == '\\' && i+1 < len(element) {
			i++
		}
		b.WriteByte(element[i])
	}
	return b.String()
}
