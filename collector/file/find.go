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

// visit is the one whose file is read, or was read last.
func (t *Tailer) visit() *visit { return &t.trail[t.at] }

// open opens the file in which reading goes on, and reports whether there is one at present.
func (t *Tailer) open() (bool, error) {
	for try := 0; ; {
		s, err := openSource(t.path, t.o.Decompression)
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

// maxTries is how often the files of a directory are looked at anew because they were renamed meanwhile.
const maxTries = 10

// errMoved means that files were renamed while they were looked at.
var errMoved = errors.New("files were renamed meanwhile")

// choose returns the open file in which reading goes on, which may be s, the one at the path; s is nil if
// there is none. If it returns nil, done tells that there is none at present; else there is another visit.
func (t *Tailer) choose(s *source, careful bool) (found *source, done bool, err error) {
	if len(t.trail) == 0 {
		found, err = t.first(s)
		return found, true, err
	}
	v := t.visit()
	original := s != nil && v.is(s.look)
	if original && (!t.ended || t.mark.Offset > 0) { // if it has ended it may have been away for a while only
		holds, err := t.holds(s)
		if holds || err != nil {
			t.ended = false
			return s, false, err
		}
		if !t.ended {
			t.feed.Logger.Info("the file was cut off or made anew: it is read from its beginning")
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

// search returns the open file that has what is left to read of the present visit; nil if there is none.
// original tells that s, the file at the path, is the one of the visit, but was cut off.
func (t *Tailer) search(dir files, s *source, original bool) (*source, error) {
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
			if holds { // a copy has taken the file's place
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
	slices.SortFunc(copied, func(a, b fileAt) int { // the one that was written last is first
		return cmp.Or(cmp.Compare(b.mtime.Sec, a.mtime.Sec), cmp.Compare(b.mtime.Nsec, a.mtime.Nsec))
	})
	found, err := t.openOne(copied, func(l look) bool { return !v.is(l) })
	t.over = found != nil
	return found, err
}

// openOne opens the first file, other than the one at the path, that may is true for and that holds what
// was read; nil if there is none.
func (t *Tailer) openOne(dir files, may func(look) bool) (*source, error) {
	for _, f := range dir {
		if f.name == t.path || !may(f.look) {
			continue
		}
		s, err := openSource(f.name, t.o.Decompression)
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

// first begins the trail of a path that is seen for the first time.
func (t *Tailer) first(s *source) (*source, error) {
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

// lineStart returns the beginning of the line that an offset of a plain file is in. It is 0 if the
// file is shorter, and the offset itself if the line is longer than any may be.
func (t *Tailer) lineStart(s *source, offset int64) (int64, error) {
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

// bornAfter reports whether a file is known to have been made after a time, Unix nanoseconds.
func bornAfter(path string, at int64) bool {
	var st unix.Statx_t
	if at == 0 || unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &st) != nil || st.Mask&unix.STATX_BTIME == 0 {
		return false
	}
	return st.Btime.Sec*1e9+int64(st.Btime.Nsec) > at
}

// add adds a file to the trail, which is read from an offset on, and writes that down.
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

// advance begins the next file, and reports whether there is one. s is what is at the path, or nil.
func (t *Tailer) advance(dir files, s *source) bool {
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

// anew returns the file of the present visit if that was cut off, written anew and renamed. Only its name tells
// it from another log that was made with the inode of a file that is gone.
func (t *Tailer) anew(dir files) look {
	for _, f := range dir {
		if f.name == t.path || !t.visit().is(f.look) || !t.rotatedName(f.name) {
			continue
		}
		s, err := openSource(f.name, t.o.Decompression)
		if s == nil || err != nil {
			continue // it cannot be read by the next visit either
		}
		holds, err := t.holds(s)
		s.close()
		if s.same(f.look) && !holds && err == nil {
			return f.look
		}
	}
	return look{}
}

// between returns the file that was begun after another one, if that one was renamed and there is one
// between it and the one at the path: app.log.1 after app.log.2, and app.log-20260102 after app.log-20260101.
// Whether numbers grow or fall with a file's age is seen by when the files were last written; dates, and files
// that were written at one time, go by their names.
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

// later reports whether the file with the suffix a was begun after the one with the suffix b. The numbers
// of files that are counted get greater with their age, and dates have more digits.
func later(a, b string) bool {
	if isDate(a) && isDate(b) {
		return a > b
	}
	return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(b, a)) > 0
}

// isDate reports whether a suffix has as many digits as a date.
func isDate(suffix string) bool { return len(suffix) > len("20260102") }

// files are those that may have been at a path, with the one that is.
type files []fileAt

type fileAt struct {
	name string
	look
}

// at returns what has a name.
func (f files) at(name string) look {
	for _, one := range f {
		if one.name == name {
			return one.look
		}
	}
	return look{}
}

// scan returns the files of the path's directory, and of the directory of what the path links to, as they all
// were at one time: it looks until it sees the same twice. Who rotates files renames several of them.
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
		if err != nil { // without it a file that was renamed is as good as gone
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

// holds reports whether a file has what was read of the present visit: its first bytes, and those
// before the position.
func (t *Tailer) holds(s *source) (bool, error) {
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

// use has reading go on in s. away tells that it is not the file at the path.
func (t *Tailer) use(s *source, away bool) error {
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
