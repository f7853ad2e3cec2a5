package file

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lighter/collector/position"
)

// visit returns the visit whose file is read, or was read last.
func (t *Tailer) visit() *visit { return &t.trail[t.at] }

// open opens the file in which reading continues, and reports whether there is one at present.
func (t *Tailer) open() (bool, error) {
	for try := 0; ; {
		s, err := openPath(t.path, t.o.Decompression)
		if err != nil {
			return false, err
		}
		t.over = false
		found, done, err := t.choose(s, try < maxTries)
		if s != nil && found != s {
			s.close()
		}
		switch {
		case err == errMoved:
			try++
		case err != nil:
			return false, err
		case found != nil:
			if err := t.use(found, found != s); err != nil {
				found.close()
				return false, err
			}
			return true, nil
		case done:
			return false, nil
		}
	}
}

// maxTries is how often a directory is listed again because its files were renamed in the meantime.
const maxTries = 10

// errMoved means that files were renamed while the directory was searched.
var errMoved = errors.New("files were renamed in the meantime")

// choose returns the open file in which reading continues. It may be s, which is the file at the path, or nil
// if there is none there. If choose returns nil, done means that there is no such file at present; otherwise
// another visit has begun, and choose must be called again.
func (t *Tailer) choose(s *openFile, careful bool) (found *openFile, done bool, err error) {
	if len(t.trail) == 0 {
		found, err = t.first(s)
		return found, true, err
	}
	v := t.visit()
	original := s != nil && v.is(s.look)
	if original && (!t.ended || t.mark.Offset > 0) { // a visit that has ended may only have been renamed for a while
		holds, err := t.holds(s)
		if holds || err != nil {
			t.ended = false
			return s, false, err
		}
		if !t.ended {
			t.feed.Logger.Info("the file was truncated or created again: it is read from its beginning")
		}
	}
	dir := t.scan()
	if at := dir.at(t.path); careful && (at.exists != (s != nil) || s != nil && !at.same(s.look)) {
		return nil, false, errMoved
	}
	if !t.ended {
		if found, err := t.search(dir, s, original); found != nil || err != nil {
			return found, false, err
		}
		t.ended = true
	}
	return nil, !t.advance(dir, s), nil
}

// search returns the open file that has the rest of the present visit, or nil if there is none. original means
// that s, the file at the path, is the one of the visit, but was truncated.
func (t *Tailer) search(dir files, s *openFile, original bool) (*openFile, error) {
	v := t.visit()
	known := v.HeadBytes >= knownBytes
	if !original {
		renamed := dir
		if !known { // its inode may be that of another log by now
			renamed = slices.DeleteFunc(slices.Clone(dir), func(f fileAt) bool { return !t.rotatedName(f.name) })
		}
		moved, err := t.openOne(renamed, v.is)
		if moved != nil || err != nil {
			return moved, err
		}
		if s != nil && known {
			holds, err := t.holds(s)
			if err != nil {
				return nil, err
			}
			if holds { // a copy has replaced the file
				v.Device, v.Inode = s.device, s.inode
				return s, nil
			}
		}
	}
	if !known || t.o.Decompression != "" {
		return nil, nil
	}
	stem := strings.TrimSuffix(t.path, filepath.Ext(t.path))
	copied := slices.DeleteFunc(slices.Clone(dir), func(f fileAt) bool {
		return f.size <= t.offset || !strings.HasPrefix(f.name, stem)
	})
	slices.SortFunc(copied, func(a, b fileAt) int { // the last written first
		return cmp.Or(cmp.Compare(b.mtime.Sec, a.mtime.Sec), cmp.Compare(b.mtime.Nsec, a.mtime.Nsec))
	})
	found, err := t.openOne(copied, func(l look) bool { return !v.is(l) })
	t.over = found != nil
	return found, err
}

// openOne opens the first file, other than the one at the path, for which may returns true and that has the
// content that was read. It returns nil if there is none.
func (t *Tailer) openOne(dir files, may func(look) bool) (*openFile, error) {
	for _, f := range dir {
		if f.name == t.path || !may(f.look) {
			continue
		}
		s, err := openPath(f.name, t.o.Decompression)
		if errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s == nil {
			return nil, errMoved
		}
		holds, err := t.holds(s)
		if s.same(f.look) && holds && err == nil {
			return s, nil
		}
		s.close()
		if err != nil {
			return nil, err
		}
		if !s.same(f.look) {
			return nil, errMoved
		}
	}
	return nil, nil
}

// first begins the trail of a path that is read for the first time.
func (t *Tailer) first(s *openFile) (*openFile, error) {
	if s == nil {
		t.late = true
		return nil, nil
	}
	offset := int64(0)
	if legacy, ok := t.o.Legacy.Offset(t.path, t.labels); ok && t.o.Decompression == "" {
		start, err := t.lineStart(s, legacy)
		if err != nil {
			return nil, err
		}
		offset = start
	} else if t.o.FromEnd && !t.late && !bornAfter(t.path, t.o.Begin) && t.o.Decompression == "" {
		start, err := t.lineStart(s, s.size)
		if err != nil {
			return nil, err
		}
		offset = start
	}
	t.add(s.look, offset)
	return s, nil
}

// lineStart returns the offset of the beginning of the line that contains an offset of a plain file. It is 0
// if the file is shorter, and the given offset if the line is over 1 MiB.
func (t *Tailer) lineStart(s *openFile, offset int64) (int64, error) {
	head, err := s.bom()
	if err != nil {
		return 0, err
	}
	c := codingOf(head, t.set)
	if c.newline == nil {
		c = t.set
	}
	unit := int64(len(c.newline))
	offset -= offset % unit
	if offset <= 0 || offset > s.size {
		return 0, nil
	}
	buf := make([]byte, min(offset, 1<<20))
	from := offset - int64(len(buf))
	if _, err := s.file.ReadAt(buf, from); err != nil {
		return 0, err
	}
	for n := int64(len(buf)) - unit; n >= 0; n -= unit {
		if string(buf[n:n+unit]) == string(c.newline) {
			return from + n + unit, nil
		}
	}
	if from == 0 {
		return 0, nil
	}
	return offset, nil
}

// bornAfter reports whether a file is known to have been created after a time in Unix nanoseconds.
func bornAfter(path string, at int64) bool {
	var st unix.Statx_t
	if at == 0 || unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &st) != nil || st.Mask&unix.STATX_BTIME == 0 {
		return false
	}
	return st.Btime.Sec*1e9+int64(st.Btime.Nsec) > at
}

// add adds a file to the trail, to be read from an offset, and stores the trail.
func (t *Tailer) add(l look, offset int64) {
	if len(t.trail) > 0 {
		t.lastTime = max(t.lastTime, t.trail[len(t.trail)-1].last())
	}
	t.trail = append(t.trail, visit{
		Device: l.device, Inode: l.inode,
		Anchors: []anchor{{offset, max(time.Now().UnixNano(), t.lastTime)}},
		Until:   offset,
	})
	t.at = len(t.trail) - 1
	t.offset, t.mark, t.ended, t.was = offset, position.Bookmark{}, false, look{}
	t.writeTrail()
}

// advance begins the next file, and reports whether there is one. s is the file at the path, or nil.
func (t *Tailer) advance(dir files, s *openFile) bool {
	if t.at+1 < len(t.trail) {
		t.at++
		t.offset, t.mark, t.ended, t.was = t.visit().begin(), position.Bookmark{}, false, look{}
		return true
	}
	if next := t.anew(dir); next.exists {
		t.add(next, 0)
		return true
	}
	if next := t.between(dir, t.was); next.exists {
		t.add(next, 0)
		return true
	}
	if s == nil {
		return false
	}
	t.add(s.look, 0)
	return true
}

// anew returns the file of the present visit if it was truncated, written to again, and renamed.
func (t *Tailer) anew(dir files) look {
	for _, f := range dir {
		if f.name == t.path || !t.visit().is(f.look) || !t.rotatedName(f.name) {
			continue
		}
		s, err := openPath(f.name, t.o.Decompression)
		if s == nil || err != nil {
			continue // the next visit cannot read it either
		}
		holds, err := t.holds(s)
		s.close()
		if s.same(f.look) && !holds && err == nil {
			return f.look
		}
	}
	return look{}
}

// between returns the file that was begun right after another one, if both were renamed: app.log.1 after
// app.log.2, and app.log-20260102 after app.log-20260101. Numbers may grow or fall with a file's age, so files
// are ordered by when they were last written; dates, and files that were written at the same time, are ordered
// by their names.
func (t *Tailer) between(dir files, last look) (next look) {
	i := slices.IndexFunc(dir, func(f fileAt) bool { return f.same(last) })
	if i < 0 {
		return look{}
	}
	read := dir[i]
	name := t.suffix(read.name)
	if name == "" {
		return look{}
	}
	var first fileAt
	for _, f := range dir {
		suffix := t.suffix(f.name)
		if suffix == "" || suffix[0] != name[0] || !t.before(read, f) {
			continue
		}
		if !first.exists || t.before(f, first) {
			first = f
		}
	}
	return first.look
}

// before reports whether a rotated file was begun before another one.
func (t *Tailer) before(a, b fileAt) bool {
	suffixA, suffixB := t.suffix(a.name), t.suffix(b.name)
	written := cmp.Or(cmp.Compare(a.mtime.Sec, b.mtime.Sec), cmp.Compare(a.mtime.Nsec, b.mtime.Nsec))
	if isDate(suffixA) && isDate(suffixB) || written == 0 {
		return later(suffixB, suffixA)
	}
	return written < 0
}

// rotatedName reports whether a file may be the one of the path after rotating it, by its name: app.log.1,
// app.log-20260102, app.log.old and app-20260102.log after app.log, but not app-worker.log.
func (t *Tailer) rotatedName(name string) bool {
	added, ok := strings.CutPrefix(name, t.path)
	if ok {
		return added != "" && strings.Contains(".-_", added[:1])
	}
	added, ok = strings.CutPrefix(name, strings.TrimSuffix(t.path, filepath.Ext(t.path)))
	return ok && len(added) > 1 && strings.Contains(".-_", added[:1]) && added[1] >= '0' && added[1] <= '9'
}

// suffix returns what rotating has added to the path, a character and a number; empty if name is
// something else.
func (t *Tailer) suffix(name string) string {
	suffix, ok := strings.CutPrefix(name, t.path)
	if !ok || len(suffix) < 2 || strings.Trim(suffix[1:], "0123456789") != "" {
		return ""
	}
	return suffix
}

// later reports whether the file with the suffix a was begun after the one with the suffix b. A number grows
// with the age of the file; a date has more digits than a number.
func later(a, b string) bool {
	if isDate(a) && isDate(b) {
		return a > b
	}
	return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(b, a)) > 0
}

// isDate reports whether a suffix has as many digits as a date, or more.
func isDate(suffix string) bool { return len(suffix) > len("20260102") }

// files are the files that may have been at a path before, and the one that is there.
type files []fileAt

type fileAt struct {
	name string
	look
}

// at returns the file with a name.
func (f files) at(name string) look {
	for _, one := range f {
		if one.name == name {
			return one.look
		}
	}
	return look{}
}

// scan returns the files of the path's directory, and of the directory of the file that the path links to. A
// rotation renames several files, so scan lists them until two lists are the same.
func (t *Tailer) scan() files {
	last := t.scanOnce()
	for range maxTries {
		now := t.scanOnce()
		if slices.EqualFunc(last, now, func(a, b fileAt) bool { return a.name == b.name && a.same(b.look) }) {
			return now
		}
		last = now
	}
	return last
}

func (t *Tailer) scanOnce() (all files) {
	add := func(name string) {
		if l, err := lookAt(name); err == nil && l.exists {
			all = append(all, fileAt{name, l})
		}
	}
	add(t.path)
	dirs := []string{filepath.Dir(t.path)}
	if real, err := filepath.EvalSymlinks(t.path); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil { // then a renamed file cannot be found
			continue
		}
		for _, e := range entries {
			if name := filepath.Join(dir, e.Name()); e.Type().IsRegular() && name != t.path {
				add(name)
			}
		}
	}
	return all
}

// holds reports whether a file has the content that was read of the present visit, judged by its first bytes
// and those before the position.
func (t *Tailer) holds(s *openFile) (bool, error) {
	v := t.visit()
	if v.HeadBytes > 0 {
		sum, ok, err := s.head(v.HeadBytes)
		if err != nil || !ok || sum != v.Head {
			return false, err
		}
	}
	if s.packed != "" {
		return true, nil
	}
	if s.size < t.offset {
		return false, nil
	}
	if t.mark.Offset != t.offset || t.offset == 0 {
		return true, nil
	}
	sum, ok, err := s.sum(t.offset)
	return ok && sum == t.mark.Sum, err
}

// use makes reading continue in s. away means that s is not the file at the path.
func (t *Tailer) use(s *openFile, away bool) error {
	head, err := s.bom()
	if err != nil {
		return err
	}
	c := codingOf(head, t.set)
	if c.skip > t.offset {
		t.offset = c.skip
	}
	if err := s.seek(t.offset); err != nil {
		return err
	}
	t.file, t.away, t.looked, t.final, t.coding, t.decoder = s, away, false, false, c, nil
	t.was = s.look
	t.forgetPassing()
	return nil
}
