package filelog

import (
	"fmt"
	"slices"

	"lighter/collector/position"
	"lighter/collector/tail"
)

// open opens the log where its position is.
func (r *reader) open() error {
	all, err := r.openFiles()
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	if len(all) == 0 {
		return nil // a container that has not started yet has none
	}
	r.lines.Forget(tail.Stdout)
	r.lines.Forget(tail.Stderr)
	from, hint := r.feed.From()
	if i := find(all, hint); i >= 0 {
		closeAll(all[:i])
		r.files = all[i:]
		r.files[0].offset = hint.Offset
		r.feed.Begin(position.SkipLines(hint.Lines))
	} else {
		if from.Peak != (position.Peak{}) {
			from = from.WithoutTop() // whether the files still hold it is not known: rather twice than not at all
		}
		r.files = since(all, from.Since())
		r.feed.Begin(position.NewSkipper(from))
	}
	r.feed.State.Set(tail.Following)
	return nil
}

func (r *reader) openFiles() ([]*segment, error) {
	return openFiles(r.path, func() { r.began, r.counted = r.created() })
}

// find returns which file has the place that h describes, -1 if none is known to have it.
func find(all []*segment, h position.Hint) int {
	found := -1
	for i, s := range all {
		if h.Offset > 0 && s.holds(h) && (found < 0 || s.inode == h.Inode) {
			found = i // a restored or moved directory has other inodes
		}
	}
	return found
}

// since leaves out the files whose lines are all older than a time; of the newest, its lines.
func since(all []*segment, time int64) []*segment {
	for len(all) > 0 {
		end, ok := all[0].endsBefore(time)
		if !ok {
			break
		}
		if len(all) == 1 {
			all[0].offset = end
			break
		}
		all[0].close()
		all = all[1:]
	}
	return all
}

// restart reads a file from its start that no longer holds what was read of it.
func (r *reader) restart() {
	s := r.files[0]
	r.feed.Logger.Warn("the log file was truncated and is read from its start; if it was not the Engine, have nothing else rotate its logs", "file", s.name, "read", s.offset)
	s.offset, s.mark = 0, position.Hint{}
}

// next goes on to the next newer file. The Engine has finished with this one.
func (r *reader) next() {
	if s := r.files[0]; !s.ended() {
		r.at = s.offset
		r.broken(errCut)
	}
	r.files[0].close()
	r.files = r.files[1:]
	r.torn = false
	if r.files[0].lost {
		r.feed.Gap()
	}
}

// grown reports whether the file has changed since it was read.
func (r *reader) grown() bool {
	if len(r.files) == 0 || r.files[0].packed {
		return false
	}
	s := r.files[0]
	size, err := s.length()
	return err != nil || size != s.size
}

// newer opens the files that are newer than those that are open, and reports whether there are any.
func (r *reader) newer() (bool, error) {
	if !r.rotation {
		return false, nil
	}
	r.rotation = false
	if inode := inodeOf(r.path); inode == 0 || inode == r.files[len(r.files)-1].inode {
		return false, nil
	}
	last := r.files[len(r.files)-1]
	began, counted := r.began, r.counted
	all, err := r.openFiles()
	if err != nil {
		return false, fmt.Errorf("open the log after its rotation: %w", err)
	}
	known := slices.IndexFunc(all, func(s *segment) bool { return s.inode == last.inode || s.packs(last) })
	closeAll(all[:known+1])
	all = all[known+1:]
	if counted && r.counted && r.began-began > len(all) && len(all) > 0 {
		all[0].lost = true // more files have come to be than there are
	}
	r.files = append(r.files, all...)
	return len(all) > 0, nil
}
