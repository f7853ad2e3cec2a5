package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// The labels of a target that name its file or files, and the label that entries get with the path.
const (
	LabelPath        = "__path__"
	LabelPathExclude = "__path_exclude__"
	LabelFilename    = "filename"
)

// Source is a file to read.
type Source struct {
	Path   string
	Labels labels.Labels // of the entries
	Key    string        // for Options.Key
}

// Sources returns the sources of targets, which each have the path of a file in the label __path__. The entries have
// the labels of the target that do not begin with __, and the path as filename. Targets with the
// same path and labels become one Source, and targets without a path are ignored. A path whose entries get several
// sets of labels is read once for each set; the keys distinguish the Sources.
func Sources(targets []lighter.Target) []Source {
	var all []Source
	for _, target := range targets {
		path := target.Labels.Get(LabelPath)
		if path == "" {
			continue
		}
		b := labels.NewBuilder(labels.EmptyLabels())
		target.Labels.Range(func(l labels.Label) {
			if !strings.HasPrefix(l.Name, "__") {
				b.Set(l.Name, l.Value)
			}
		})
		b.Set(LabelFilename, path)
		all = append(all, Source{Path: path, Labels: b.Labels(), Key: path})
	}
	slices.SortFunc(all, func(a, b Source) int { return labels.Compare(a.Labels, b.Labels) })
	all = slices.CompactFunc(all, func(a, b Source) bool { return labels.Equal(a.Labels, b.Labels) })
	seen := map[string]bool{}
	for i := range all {
		s := &all[i]
		if seen[s.Path] {
			s.Key += fmt.Sprintf("@%016x", labels.StableHash(s.Labels))
		}
		seen[s.Path] = true
	}
	return all
}

// Gone reports whether the file of the Source with a Key was removed: it does not exist, but its folder exists. A
// folder that does not exist may be on a disk that is not mounted.
func Gone(key string) bool {
	if !removed(key) {
		return false
	}
	n := len(key) - len("@0123456789abcdef") // the suffix that Sources may have added; a path may end in the same way
	if n <= 0 || key[n] != '@' || strings.Trim(key[n+1:], "0123456789abcdef") != "" {
		return true
	}
	return removed(key[:n])
}

func removed(path string) bool {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	info, err := os.Stat(filepath.Dir(path))
	return err == nil && info.IsDir()
}

// legacyLabels returns the labels of entries in the form of Alloy's positions, without the filename.
func legacyLabels(l labels.Labels) string {
	var b strings.Builder
	b.WriteByte('{')
	l.Range(func(l labels.Label) {
		if l.Name == LabelFilename {
			return
		}
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name + "=" + strconv.Quote(l.Value))
	})
	b.WriteByte('}')
	return b.String()
}
