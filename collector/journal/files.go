package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/collector/journal/journalfile"
)

// Directories of the journal of this machine.
const (
	persistent = "/var/log/journal"
	runtime    = "/run/log/journal"
)

// errNone means that there is no directory of a journal.
var errNone = errors.New("there is no journal")

// files are the files of a journal, read as one. nextEntry gives their entries in journalctl's order.
//
// journald writes one entry after another, but the files are also read one after another: an entry could be seen in
// one file although an earlier one, in another file, was missed. So the files are refreshed twice, and entries are
// only returned up to a bound: the last entry of their source that the first refresh found.
type files struct {
	roots   []string      // one, or two of this machine: on the disk, and below /run
	machine func() string // the id of this machine; empty if it is not known
	logger  *slog.Logger
	broken  prometheus.Counter // entries that could not be read

	windows   journalfile.Windows
	marks     *marks
	open      []*file
	started   bool              // files were opened once
	known     map[string]*known // by path
	dirs      []dir             // that were listed last
	bounds    map[journalfile.ID]uint64
	unsettled int               // how many listings, up to the last one, were not whole; with 0 nextEntry may be called
	bounded   bool              // an entry was not given because it is beyond the bound of its source
	logged    map[string]string // errors, by path
	xzLogged  bool              // it was logged that fields are compressed by XZ
	current   *file             // the last entry that nextEntry gave is its
}

// known is a file that was listed.
type known struct {
	inode  inode
	source journalfile.ID
	file   *file // nil: it is closed, because it is read to its end and nothing is written to it any more
}

// dir is a directory that was listed.
type dir struct {
	path    string
	changed time.Time // when it was modified, as read before it was listed
	listed  time.Time // when it was listed
}

type inode struct{ device, number uint64 }

// file is an open file.
type file struct {
	*journalfile.File
	path   string
	root   string
	inode  inode
	handle *os.File

	next   uint64            // number of the next entry
	head   journalfile.Entry // that entry, if it is loaded
	loaded bool
	last   uint64 // sequence number of the last entry
	lastOf uint64 // how many entries the file had when last was read
	listed bool   // the last listing has it

	started bool // next is where reading begins
}

// newFiles returns the files below one root, or below two of this machine: one on the disk, and one that journald
// writes to while it may not write to the disk.
func newFiles(roots []string, machine func() string, m *marks, logger *slog.Logger, broken prometheus.Counter) *files {
	return &files{roots: roots, machine: machine, logger: logger, broken: broken, marks: m, known: map[string]*known{}, logged: map[string]string{}}
}

// machineID returns the id of this machine, empty if it is not known.
func machineID() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// close closes all files.
func (f *files) close() {
	for _, one := range f.open {
		_ = one.handle.Close()
	}
	f.open, f.known = nil, map[string]*known{}
}

// look finds what was written since the last look, and reports whether there is anything new. If it returns an
// error, it has found what it could. While unsettled is not 0, it must be called again before nextEntry.
func (f *files) look() (news bool, err error) {
	f.bounds = make(map[journalfile.ID]uint64, len(f.bounds))
	for _, one := range f.open {
		f.refresh(one)
		if one.last > f.bounds[one.Source()] {
			f.bounds[one.Source()] = one.last
		}
	}
	err = f.list()
	if f.unsettled < maxUnsettled && !f.settled() {
		f.unsettled++
		return false, err
	}
	f.unsettled = 0
	f.start()
	for _, one := range f.open {
		f.refresh(one)
		news = news || one.next < one.Len()
	}
	f.bounded = false
	return news, err
}

// start finds where to begin in new files.
func (f *files) start() {
	for _, one := range f.open {
		if !one.started {
			one.next = f.marks.start(one.File, !f.started && f.missing(one.Source()))
		}
	}
	for _, one := range f.open {
		one.started = true
	}
	f.started = true
}

// missing reports whether none of a source's files has the last entry that was read of it.
func (f *files) missing(source journalfile.ID) bool {
	at := f.marks.source[source]
	return !slices.ContainsFunc(f.open, func(one *file) bool { return one.Source() == source && at.in(one.File) })
}

// refresh finds what was written to a file.
func (f *files) refresh(one *file) {
	if _, err := one.Refresh(); err != nil {
		f.report(one.path, err)
		return
	}
	if one.next > one.Len() {
		one.next, one.loaded = one.Len(), false
	}
	if one.lastOf == one.Len() {
		return
	}
	var e journalfile.Entry
	for n := one.Len(); n > one.lastOf && n > one.next; n-- { // the last one that can be read
		if one.Entry(n-1, &e) == nil {
			one.last = e.Seqnum
			break
		}
	}
	one.lastOf = one.Len()
}

// unsettled is how long a directory must not have changed for a listing of it to be complete: a file that is renamed
// meanwhile may be missing. The modification times of a file system lag by a few milliseconds.
const unsettled = 20 * time.Millisecond

// maxUnsettled limits how often a directory is listed again because of that.
const maxUnsettled = 50

// settled reports whether the last listing is complete.
func (f *files) settled() bool {
	for _, dir := range f.dirs {
		info, err := os.Stat(dir.path)
		if err != nil || !info.ModTime().Equal(dir.changed) || dir.changed.After(dir.listed.Add(-unsettled)) && dir.changed.Before(dir.listed.Add(unsettled)) {
			return false
		}
	}
	return true
}

// list opens new files, and finds those that were renamed or deleted.
func (f *files) list() error {
	for _, one := range f.open {
		one.listed = false
	}
	f.dirs = f.dirs[:0]
	before := f.known
	f.known = make(map[string]*known, len(before))
	var failed error
	missing := 0
	for _, root := range f.roots {
		err := f.listRoot(root, before)
		if errors.Is(err, fs.ErrNotExist) {
			missing++
		} else if err != nil {
			failed = cmp.Or(failed, advise(err))
		}
	}
	for path := range f.logged {
		if f.known[path] == nil {
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
				delete(f.logged, path)
			}
		}
	}
	if len(f.marks.source) > maxMarks && missing == 0 && failed == nil {
		f.forget()
	}
	if missing == len(f.roots) {
		return fmt.Errorf("%w: %s does not exist", errNone, strings.Join(f.roots, " or "))
	}
	return failed
}

// maxMarks is how many sources may have marks before those without files are forgotten. After that there are at most
// as many marks as files.
const maxMarks = 32

// forget forgets the marks of sources without files.
func (f *files) forget() {
	left := map[journalfile.ID]bool{}
	for _, k := range f.known {
		left[k.source] = true
	}
	for _, one := range f.open {
		left[one.Source()] = true
	}
	maps.DeleteFunc(f.marks.source, func(id journalfile.ID, _ mark) bool { return !left[id] })
}

// advise adds to an error what the user can do about it.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; run the agent as root or in the group systemd-journal", err)
	}
	return err
}

// listRoot lists the files of a root directory and of the machines' directories in it. Directories of a
// namespace, which have a dot in their names, are skipped, as journalctl does.
func (f *files) listRoot(root string, before map[string]*known) error {
	entries, err := f.readDir(root)
	if err != nil {
		return err
	}
	var failed error
	only := ""
	if len(f.roots) == 2 && root == f.roots[0] { // other machines' journals may be there too
		own := f.machine()
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == own }) {
			only = own
		}
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(root, name)
		if _, err := journalfile.ParseID(name); err == nil && !e.Type().IsRegular() && (only == "" || name == only) {
			inner, err := f.readDir(path)
			if err != nil {
				failed = cmp.Or(failed, err)
				continue
			}
			for _, e := range inner {
				failed = cmp.Or(failed, f.found(root, filepath.Join(path, e.Name()), before))
			}
			continue
		}
		failed = cmp.Or(failed, f.found(root, path, before))
	}
	return failed
}

// readDir lists a directory. An error says its path.
func (f *files) readDir(path string) ([]fs.DirEntry, error) {
	now := time.Now()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	f.dirs = append(f.dirs, dir{path, info.ModTime(), now})
	return entries, nil
}

// found records what is at a path, and opens it if it is an unknown file of the journal.
func (f *files) found(root, path string, before map[string]*known) error {
	if !strings.HasSuffix(path, ".journal") && !strings.HasSuffix(path, ".journal~") {
		return nil
	}
	k := before[path]
	if k != nil && final(path) { // such a name is not used again
		f.keep(path, k)
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil // it was deleted since
	}
	id := inodeOf(info)
	if k != nil && k.inode == id {
		f.keep(path, k)
		return nil
	}
	for _, one := range f.open {
		if one.inode == id {
			one.path = path
			f.keep(path, &known{id, one.Source(), one})
			return nil
		}
	}
	one, err := f.openFile(root, path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		f.report(path, err)
		return nil
	}
	f.open = append(f.open, one)
	f.keep(path, &known{one.inode, one.Source(), one})
	return nil
}

// final reports whether a file with such a name was rotated away or found to be damaged.
func final(path string) bool {
	return strings.Contains(filepath.Base(path), "@") || strings.HasSuffix(path, "~")
}

// keep records that the last listing has a file.
func (f *files) keep(path string, k *known) {
	f.known[path] = k
	if k.file != nil {
		k.file.listed = true
	}
}

func inodeOf(info fs.FileInfo) inode {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return inode{s.Dev, s.Ino}
	}
	return inode{}
}

// openFile opens a file.
func (f *files) openFile(root, path string) (*file, error) {
	handle, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe of that name must not block
	if err != nil {
		return nil, err
	}
	one, err := f.take(root, path, handle)
	if err != nil {
		_ = handle.Close()
		return nil, err
	}
	return one, nil
}

// take returns the file that a handle is open on.
func (f *files) take(root, path string, handle *os.File) (*file, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	j, err := journalfile.New(handle, &f.windows)
	if err != nil {
		return nil, err
	}
	if err := j.Short(); err != nil {
		f.report(path, err)
	}
	return &file{File: j, root: root, path: path, inode: inodeOf(info), handle: handle}, nil
}

// nextEntry returns the next entry, nil if there is none. It is valid until the next call. An error is ctx's.
func (f *files) nextEntry(ctx context.Context) (*file, *journalfile.Entry, error) {
	if f.current != nil {
		f.pass(f.current)
		f.current = nil
	}
	for {
		var best *file
		for _, one := range f.open {
			ok, err := f.load(ctx, one)
			if err != nil {
				return nil, nil, err
			}
			if !ok {
				continue
			}
			if n := one.head.Seqnum; n > f.bounds[one.Source()] && n <= one.last { // greater than last: it is damaged
				f.bounded = true
				continue
			}
			if best == nil || journalfile.Compare(one.File, &one.head, best.File, &best.head) < 0 {
				best = one
			}
		}
		if best == nil {
			return nil, nil, nil
		}
		for _, one := range f.open { // a clock that was set back may have hidden it behind another source's
			if one.loaded && one.head.Seqnum < best.head.Seqnum && one.Source() == best.Source() {
				best = one
			}
		}
		if other := f.original(best); other != nil {
			best = other // regardless of its bound: journald writes to one file at a time there
		}
		if at, ok := f.marks.source[best.Source()]; ok && at == markOf(&best.head) {
			f.pass(best) // another file has the same entry
			continue
		}
		if !f.isRuntime(best) && f.marks.takeCopy(&best.head) {
			f.pass(best)
			continue
		}
		f.current = best
		return best, &best.head, nil
	}
}

// pass moves behind the next entry of a file.
func (f *files) pass(one *file) {
	if one.head.Seqnum <= one.last {
		f.marks.set(one.Source(), &one.head)
		if f.isRuntime(one) {
			f.marks.noteRuntime(one.Source(), &one.head)
		}
	}
	one.next++
	one.loaded = false
}

// load reads the next entry of a file, and passes over those that cannot be read. It returns false if there is
// none.
func (f *files) load(ctx context.Context, one *file) (bool, error) {
	for n := 0; !one.loaded && one.next < one.Len(); n++ {
		if n%1024 == 1023 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err := one.Entry(one.next, &one.head); err != nil {
			f.unreadable(one, err)
			one.next++
			continue
		}
		one.loaded = true
	}
	return one.loaded, nil
}

// isRuntime reports whether a file belongs to the runtime journal. Only the journal of this machine has one.
func (f *files) isRuntime(one *file) bool { return len(f.roots) == 2 && one.root == f.roots[1] }

// original returns the file of the runtime journal that holds the original of the next entry of one, if that
// original is still unread, and nil otherwise.
func (f *files) original(one *file) *file {
	if len(f.roots) < 2 || f.isRuntime(one) {
		return nil
	}
	for _, other := range f.open {
		var e journalfile.Entry
		if !f.isRuntime(other) || other.next >= other.Len() || other.Entry(other.Len()-1, &e) != nil || e.Boot != one.head.Boot || e.Monotonic < one.head.Monotonic {
			continue
		}
		first := other.Search(func(e *journalfile.Entry) bool {
			return e.Boot == one.head.Boot && e.Monotonic >= one.head.Monotonic
		})
		for i := max(first, other.next); i < other.Len() && other.Entry(i, &e) == nil && e.Monotonic == one.head.Monotonic; i++ {
			if e.Boot == one.head.Boot && e.Realtime == one.head.Realtime && e.Hash == one.head.Hash {
				return other
			}
		}
	}
	return nil
}

// tidy closes files that are read to their end and will not grow. Call it when nextEntry has returned nil.
func (f *files) tidy() {
	if f.bounded {
		return // an entry that waits for its bound may be a copy of one in a deleted file
	}
	f.open = slices.DeleteFunc(f.open, func(one *file) bool {
		over := one.next >= one.Len() && (!one.listed || one.Archived() && final(one.path) || strings.HasSuffix(one.path, "~"))
		if over {
			_ = one.handle.Close()
			if k := f.known[one.path]; k != nil && k.file == one {
				k.file = nil
			}
		}
		return over
	})
}

// unreadable counts an entry, or a field of one, that cannot be read.
func (f *files) unreadable(one *file, err error) {
	f.broken.Inc()
	f.report(one.path, err)
}

// report logs an error of a file unless it was the last one logged for that file. Compression with XZ is logged once
// for all files, because it affects every file that an older journald writes.
func (f *files) report(path string, err error) {
	if errors.Is(err, journalfile.ErrXZ) {
		if !f.xzLogged {
			f.xzLogged = true
			f.logger.Warn("fields of the journal that are compressed with XZ cannot be read, because only LZ4 and Zstandard are supported: an entry with such a MESSAGE is dropped; "+
				"systemd uses Zstandard since version 246; with an older one, set Compress=no in /etc/systemd/journald.conf, "+
				"restart systemd-journald and run journalctl --rotate", "file", path)
		}
		return
	}
	text := err.Error()
	if errors.Is(err, journalfile.ErrDamaged) {
		text = journalfile.ErrDamaged.Error() // each of its entries may be damaged in another way
	}
	if f.logged[path] == text {
		return
	}
	f.logged[path] = text
	f.logger.Warn("a journal file, or a part of it, cannot be read and is skipped", "file", path, "error", err)
}
