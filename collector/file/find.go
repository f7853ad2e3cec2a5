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
	for {
		s, err := openSource(t.path, t.o.Decompression)
		if err != nil {
			return false, err
		}
		t.over = false
		found, err := t.choose(s)
		if s != nil && found != s {
			s.close()
		}
		if err != nil {
			return false, err
		}
		if found != nil {
			if err := t.use(found, found != s); err != nil {
				found.close()
				return false, err
			}
			return true, nil
		}
		if !t.advance(s) {
			return false, nil
		}
	}
}

// choose returns the open file in which reading goes on, which may be s, the one at the path; s is nil if
// there is none. It returns nil if nothing is left to read of the present visit.
func (t *Tailer) choose(s *source) (*source, error) {
	if len(t.trail) == 0 {
		return t.first(s)
	}
	v := t.visit()
	original := s != nil && v.is(s.look)
	if t.ended {
		if original && t.mark.Offset > 0 { // it may have been away for a while only
			if holds, err := t.holds(s); holds || err != nil {
				t.ended = false
				return s, err
			}
		}
		return nil, nil
	}
	known := v.HeadBytes >= knownBytes
	if original {
		if holds, err := t.holds(s); holds || err != nil {
			return s, err
		}
		t.feed.Logger.Info("the file was cut off or made anew: it is read from its beginning")
	} else {
		moved, err := t.search(v.is, false)
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
	if known && t.o.Decompression == "" {
		copied, err := t.search(func(l look) bool { return l.size > t.offset }, true)
		if copied != nil || err != nil {
			t.over = true
			return copied, err
		}
	}
	t.ended = true
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
	t.add(s, offset)
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
func (t *Tailer) add(s *source, offset int64) {
	if len(t.trail) > 0 {
		t.lastTime = max(t.lastTime, t.trail[len(t.trail)-1].last())
	}
	t.trail = append(t.trail, visit{
		Device: s.device, Inode: s.inode,
		Anchors: []anchor{{offset, max(time.Now().UnixNano(), t.lastTime)}},
		Until:   offset,
	})
	t.at = len(t.trail) - 1
	t.offset, t.mark, t.ended, t.readIn = offset, position.Bookmark{}, false, ""
	t.writeTrail()
}

// advance begins the next file, and reports whether there is one. s is what is at the path, or nil.
func (t *Tailer) advance(s *source) bool {
	if len(t.trail) == 0 {
		return false
	}
	if t.at+1 < len(t.trail) {
		t.at++
		v := t.visit()
		t.offset, t.mark, t.ended, t.readIn = v.begin(), position.Bookmark{}, false, ""
		return true
	}
	if next := t.between(); next != "" {
		if l, err := lookAt(next); err == nil && l.exists {
			t.add(&source{look: l}, 0)
			return true
		}
	}
	if s == nil {
		return false
	}
	t.add(s, 0)
	return true
}

// between returns the file that was begun after the one that was read last, if that one was renamed and
// there is one between it and the one at the path: app.log.1 after app.log.2, and app.log-20260102 after
// app.log-20260101. It is empty if there is none.
func (t *Tailer) between() string {
	name, ok := strings.CutPrefix(t.readIn, t.path)
	if !ok || len(name) < 2 || !isNumber(name[1:]) {
		return ""
	}
	next := ""
	for _, other := range t.names() {
		suffix, ok := strings.CutPrefix(other, t.path)
		if !ok || len(suffix) < 2 || suffix[0] != name[0] || !isNumber(suffix[1:]) {
			continue
		}
		if later(suffix, name) && (next == "" || later(next, suffix)) {
			next = suffix
		}
	}
	if next == "" {
		return ""
	}
	return t.path + next
}

// later reports whether the file with the suffix a was begun after the one with the suffix b. The numbers
// of files that are counted get greater with their age, and dates have more digits.
func later(a, b string) bool {
	const date = len("20260102")
	if len(a) > date && len(b) > date {
		return a > b
	}
	return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(b, a)) > 0
}

func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// names returns the paths of the files that may have been at the path: those of its directory, and of the
// directory of what it links to.
func (t *Tailer) names() []string {
	dirs := []string{filepath.Dir(t.path)}
	if real, err := filepath.EvalSymlinks(t.path); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	var all []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil { // without it the file is as good as gone
			continue
		}
		for _, e := range entries {
			if e.Type().IsRegular() {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

// search returns the file, other than the one at the path, that may is true for and that holds what was
// read; nil if there is none. Of several it takes the one that was written last. copies looks at files alone
// whose names begin as the path's.
func (t *Tailer) search(may func(look) bool, copies bool) (*source, error) {
	stem := strings.TrimSuffix(filepath.Base(t.path), filepath.Ext(t.path))
	type candidate struct {
		name string
		look
	}
	var all []candidate
	for _, name := range t.names() {
		if name == t.path || copies && !strings.HasPrefix(filepath.Base(name), stem) {
			continue
		}
		if l, err := lookAt(name); err == nil && l.exists && may(l) {
			all = append(all, candidate{name, l})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.mtime.Sec, a.mtime.Sec), cmp.Compare(b.mtime.Nsec, a.mtime.Nsec))
	})
	for _, c := range all {
		s, err := openSource(c.name, t.o.Decompression)
		if errors.Is(err, fs.ErrPermission) {
			continue
		}
		if s == nil || err != nil {
			return nil, err
		}
		if holds, err := t.holds(s); holds && err == nil {
			return s, nil
		}
		s.close()
	}
	return nil, nil
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
	t.readIn, t.opened = s.name, time.Now()
	t.forgetPassing()
	return nil
}
