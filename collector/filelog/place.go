package filelog

import (
	"fmt"
	"slices"
	"time"

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
		return nil
	}
	if err := r.begin(all); err != nil {
		closeAll(all)
		return fmt.Errorf("find the place in the log: %w", err)
	}
	r.lines.Forget(tail.Stdout)
	r.lines.Forget(tail.Stderr)
	r.feed.State.Set(tail.Following)
	return nil
}

func (r *reader) openFiles() ([]*segment, error) {
	return openFiles(r.path, func() { r.began = r.created() })
}

// begin makes ready for reading where the position is, by its hint or else by the times of lines.
func (r *reader) begin(all []*segment) error {
	from, hint := r.feed.From()
	i, err := find(all, hint)
	if err != nil {
		return err
	}
	if i < 0 {
		return r.beginByTime(all, from)
	}
	all[i].offset = hint.Offset
	r.readFrom(all, i, position.SkipLines(hint.Lines))
	return nil
}

// readFrom has the files from the first on read, which s takes the lines before the position out of.
func (r *reader) readFrom(all []*segment, first int, s position.Skipper) {
	closeAll(all[:first])
	r.files = all[first:]
	r.feed.Begin(s)
}

// find returns which file has the place that h describes, -1 if none is known to have it.
func find(all []*segment, h position.Hint) (int, error) {
	found := -1
	for i, s := range all {
		if h.Offset == 0 {
			break
		}
		holds, err := s.holds(h)
		if err != nil && s.inode == h.Inode {
			return -1, err
		}
		if holds && (found < 0 || s.inode == h.Inode) {
			found = i // a restored or moved directory has other inodes
		}
	}
	return found, nil
}

// beginByTime is begin without a hint. What a file ends with says what to leave out, but where
// the clock was set back it says nothing of the lines before: so the position's own line is
// looked for. Where that is gone, times are believed as long as they go on from the position.
func (r *reader) beginByTime(all []*segment, from position.Position) error {
	first, offset := since(all, from.Since())
	for p := from; p.Lines > 0; p = p.WithoutTop() {
		start, err := holding(all, first, p.Top())
		if err != nil {
			return err
		}
		if start >= 0 {
			r.readFrom(all, start, position.NewSkipper(p))
			return nil
		}
	}
	if from.Lines > 0 && r.setBack(all[len(all)-1], from) {
		r.readFrom(all, 0, position.SkipLines(0)) // rather twice than not at all
		r.feed.Gap()
		return nil
	}
	all[first].offset = offset
	r.readFrom(all, first, position.NewSkipper(from))
	return nil
}

// since returns the first file that is not known to end before a time, and where to begin in
// it: if the newest ends before it too, at its end.
func since(all []*segment, time int64) (first int, offset int64) {
	for i, s := range all {
		at, end, ok := s.last()
		if !ok || at >= time {
			return i, 0
		}
		first, offset = i, end
	}
	return first, offset
}

// holding returns from which file on the log is to be read so that a line of a time is in it: the
// first if that or one after it has such a line, 0 if one before has, and else -1.
func holding(all []*segment, first int, time int64) (start int, err error) {
	for i := range all {
		n := (first + i) % len(all)
		switch held, err := all[n].has(time); {
		case err != nil:
			return -1, err
		case held && n < first:
			return 0, nil
		case held:
			return first, nil
		}
	}
	return -1, nil
}

// maxAhead is how far a position may be ahead of the clock without that the clock counts as
// set back: an Engine on another host has a clock of its own.
const maxAhead = time.Minute

// setBack reports whether the clock was set back since the position's line was written, as far
// as the last file tells. Where that has no lines, or the Engine has just moved it or somebody
// removed the newest, the clock itself tells.
func (r *reader) setBack(last *segment, from position.Position) bool {
	if from.Peak != (position.Peak{}) {
		return true
	}
	if at, _, ok := last.last(); ok && last.name == r.path {
		return at < from.Time
	}
	return from.Time > time.Now().Add(maxAhead).UnixNano()
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

// newer opens the files that are newer than those that are open, and reports whether there are
// any. If it fails, what is open stays so: it may have no name any more.
func (r *reader) newer() (bool, error) {
	if !r.rotation {
		return false, nil
	}
	last := r.files[len(r.files)-1]
	if inode := inodeOf(r.path); inode == 0 || inode == last.inode {
		r.rotation = false
		return false, nil
	}
	before := r.began
	all, err := r.openFiles()
	if err != nil {
		r.began = before
		return false, fmt.Errorf("open the log after its rotation: %w", err)
	}
	r.rotation = false
	created, counted := r.began.since(before)
	older := r.notNewer(all, last, created, counted)
	closeAll(all[:older])
	all = all[older:]
	if counted && created > len(all) && len(all) > 0 {
		all[0].lost = true // more files have come to be than there are
	}
	r.files = append(r.files, all...)
	r.feed.State.Set(tail.Following)
	return len(all) > 0, nil
}

// notNewer returns how many of all files are not newer than last, which was the newest when it was
// opened. If it is not among them, either all are newer, or somebody has removed it and those
// before it are still there; the newest is newer in any case.
func (r *reader) notNewer(all []*segment, last *segment, created int, counted bool) int {
	known := slices.IndexFunc(all, func(s *segment) bool { return s.inode == last.inode || s.packs(last) })
	if known >= 0 || len(all) == 0 {
		return known + 1
	}
	if counted {
		return max(len(all)-max(created, 1), 0)
	}
	read := max(r.feed.Last().Time, r.lines.Open(tail.Stdout), r.lines.Open(tail.Stderr))
	if at, _, ok := all[len(all)-1].last(); ok && at < read {
		return 0 // the clock was set back: rather twice than not at all
	}
	first, _ := since(all, read+1)
	return first
}
