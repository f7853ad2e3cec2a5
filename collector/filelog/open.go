package filelog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lighter/collector/position"
	"lighter/collector/tail"
)

// open opens the log at its position. It fails if ctx ends while it searches for the position.
func (r *reader) open(ctx context.Context) error {
	all, err := openFiles(r.path)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	if len(all) == 0 {
		return nil
	}
	if err := r.begin(ctx, all); err != nil {
		closeAll(all)
		return fmt.Errorf("find where reading goes on in the log: %w", err)
	}
	r.lines.Forget(tail.Stdout)
	r.lines.Forget(tail.Stderr)
	r.feed.State.Set(tail.Following)
	return nil
}

// begin prepares the reader for reading at the position, which it finds by the bookmark or else by the
// times of the lines.
func (r *reader) begin(ctx context.Context, all []*logFile) error {
	from, bookmark := r.feed.From()
	i, err := find(all, bookmark)
	if err != nil {
		return err
	}
	if i < 0 {
		r.warnOfTruncation(all, bookmark)
		return r.beginByTime(ctx, all, from)
	}
	all[i].offset = bookmark.Offset
	r.readFrom(all, i, position.SkipLines(bookmark.Lines))
	return nil
}

// warnOfTruncation logs that the file in which reading should continue is shorter than what was read of it.
func (r *reader) warnOfTruncation(all []*logFile, b position.Bookmark) {
	for _, s := range all {
		if s.packed || s.inode != b.Inode || b == r.cutOff {
			continue
		}
		if size, err := s.length(); err == nil && size < b.Offset {
			r.cutOff = b
			r.feed.Logger.Warn("the log file is shorter than what was read of it before: it was truncated since. If it was not the Engine, have nothing else rotate its logs; a larger max-size does not help then", "file", s.name, "read", b.Offset, "size", size)
		}
	}
}

// readFrom makes the reader read the files from the first on. s skips the lines before the position.
func (r *reader) readFrom(all []*logFile, first int, s position.Skipper) {
	closeAll(all[:first])
	r.files = all[first:]
	r.feed.Begin(s)
}

// find returns the index of the file that matches the bookmark, or -1 if none is known to.
func find(all []*logFile, b position.Bookmark) (int, error) {
	found := -1
	for i, s := range all {
		if b.Offset == 0 {
			break
		}
		holds, err := s.holds(b)
		if err != nil && s.inode == b.Inode {
			return -1, err
		}
		if holds && (found < 0 || s.inode == b.Inode) {
			found = i // a restored or moved directory has different inodes
		}
	}
	return found, nil
}

// beginByTime is begin without a bookmark. The time of a file's last line shows whether the file must be
// read, but not if the clock was set back: earlier lines of the file may have later times than its last
// one. So beginByTime first searches for the line with the position's time. If no file has it, it uses the
// times, as long as they continue from the position.
func (r *reader) beginByTime(ctx context.Context, all []*logFile, from position.Position) error {
	first, offset := since(all, from.Since())
	if from.HasLines() {
		start, err := fileWithTime(ctx, all, first, from.Time)
		if err != nil {
			return err
		}
		if start >= 0 {
			r.readFrom(all, start, position.NewSkipper(from))
			return nil
		}
		if r.setBack(all[len(all)-1], from) {
			r.files = all
			r.feed.BeginAnew()
			return nil
		}
	}
	all[first].offset = offset
	r.readFrom(all, first, position.NewSkipper(from))
	return nil
}

// since returns the index of the first file that is not known to end before a time, and the offset at which
// to begin in it. If all files end before that time, that is the end of the newest.
func since(all []*logFile, time int64) (first int, offset int64) {
	for i, s := range all {
		at, end, ok := s.last()
		if !ok || at >= time {
			return i, 0
		}
		first, offset = i, end
	}
	return first, offset
}

// fileWithTime returns the index of the file to start from so that the line with the given time is read: it is
// first, or 0 if the line is in an older file, or -1 if no file has it. It may read all files completely.
func fileWithTime(ctx context.Context, all []*logFile, first int, time int64) (start int, err error) {
	for i := range all {
		n := (first + i) % len(all)
		switch held, err := all[n].has(ctx, time); {
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

// maxAhead is how far a position may be ahead of this host's clock before the Engine's clock is considered
// set back: an Engine on another host has a clock of its own.
const maxAhead = time.Minute

// setBack reports whether the clock was set back after the line before the position was written. The last
// file shows that, unless it has no lines or is not the newest: the Engine may have just renamed the
// newest, or somebody may have removed it. Then the present time decides.
func (r *reader) setBack(last *logFile, from position.Position) bool {
	if from.Unordered() {
		return true
	}
	if at, _, ok := last.last(); ok && last.name == r.path {
		return at < from.Time
	}
	return from.Time > time.Now().Add(maxAhead).UnixNano()
}

// restart makes the reader read a file from its start because the file no longer contains what was read of
// it.
func (r *reader) restart() {
	s := r.files[0]
	r.feed.Logger.Warn("the log file was truncated and is read from its start; if it was not the Engine, have nothing else rotate its logs", "file", s.name, "read", s.offset)
	s.offset, s.mark = 0, position.Bookmark{}
}

// next continues with the next newer file. The Engine has finished writing this one.
func (r *reader) next() {
	if s := r.files[0]; !s.ended() {
		r.at = s.offset
		r.broken(errCut)
	}
	r.files[0].close()
	r.files = r.files[1:]
	r.torn = false
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

// newer opens the files that are newer than the open ones, and reports whether there are any. If it fails,
// the open files stay open, because they may no longer have a name.
func (r *reader) newer() (bool, error) {
	if !r.rotation {
		return false, nil
	}
	last := r.files[len(r.files)-1]
	if inode := inodeOf(r.path); inode == 0 || inode == last.inode {
		r.rotation = false
		return false, nil
	}
	all, err := openFiles(r.path)
	if err != nil {
		return false, fmt.Errorf("open the log after its rotation: %w", err)
	}
	r.rotation = false
	older := r.notNewer(all, last)
	closeAll(all[:older])
	r.files = append(r.files, all[older:]...)
	r.feed.State.Set(tail.Following)
	return older < len(all), nil
}

// notNewer returns how many of the files are not newer than last, which was the newest when it was opened.
// If last is not among them, either all are newer, or somebody has removed it and the files before it still
// exist, as their times show. The newest file is newer in any case.
func (r *reader) notNewer(all []*logFile, last *logFile) int {
	known := slices.IndexFunc(all, func(s *logFile) bool { return s.inode == last.inode || s.packs(last) })
	if known >= 0 || len(all) == 0 {
		return known + 1
	}
	read := max(r.feed.Last().Time, r.lines.Open(tail.Stdout), r.lines.Open(tail.Stderr))
	if at, _, ok := all[len(all)-1].last(); ok && at < read {
		return 0 // the clock was set back: reading twice is better than not at all
	}
	first, _ := since(all, read+1)
	return first
}
