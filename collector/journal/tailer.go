package journal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"golang.org/x/sys/unix"

	"lighter"
	"lighter/collector/inotify"
	"lighter/collector/internal/recent"
	"lighter/collector/journal/journalfile"
	"lighter/collector/position"
	"lighter/collector/stage"
	"lighter/collector/tail"
)

// Options are what a Tailer works with; it owns none of it.
type Options struct {
	// Path is the directory of the journal's files, which may have a directory of a machine's id around
	// them. If it is empty, the journal of this machine is read: /var/log/journal and /run/log/journal. Of the
	// directories in the first of them only this machine's own counts, unless there is none of its id, as in
	// a container that has another id than its host.
	Path string
	// MaxAge is how far back a journal is read that is seen for the first time; 0 reads all of it. Later the
	// Tailer goes on where it was, however long ago that is.
	MaxAge time.Duration
	// Cursor is a cursor of journalctl, such as Alloy keeps it. A journal that is seen for the first time is
	// read after that entry, and MaxAge does not count. Empty: there is none.
	Cursor  string
	Matches Matches // of the entries that are read
	JSON    bool    // a line is all fields of an entry as a JSON object, and not its MESSAGE
	// Labels are on every entry before the rules see it. The label job that Alloy gives to every entry, the
	// component's name, is one of them.
	Labels       labels.Labels
	Rules        []*relabel.Config // what they make of __journal_… labels
	MaxLineBytes int               // a longer line is cut; 0 is 256 KiB

	Positions *position.Store
	Key       string       // of the position
	Logs      lighter.Logs // takes the batches, in the order of the journal
	Metrics   *tail.Metrics
	Logger    *slog.Logger
}

const defaultMaxLine = 256 << 10

// Tailer follows a journal. Run may be called once.
type Tailer struct {
	o       Options
	state   tail.State
	cursor  *position.Cursor
	marks   *marks
	files   *files
	labels  *labeller
	pace    pace
	roots   []string
	machine func() string

	inotify *inotify.Instance // nil if there is none
	notify  func() (*inotify.Instance, error)
	watched map[int32]bool // descriptors of directories

	want     func(name []byte) bool // wants
	text     []byte                 // of the fields of an entry
	offsets  []uint64
	fields   []field
	internal []field                     // those that rules read
	cache    recent.Map[fieldKey, field] // entries share equal fields, such as the name of a unit; a field that is not needed has the zero value
	batches  sync.Pool                   // of *batch
	batch    *batch
	number   uint64 // of batches
	passed   bool   // an entry was read after the last Mark
	failed   string // why the journal cannot be read, as logged
	bare     bool   // it was logged that an entry has no label
}

// pace says how long to wait between two looks at a journal.
type pace struct {
	step  time.Duration // while it is written all the time
	told  time.Duration // if inotify reports nothing
	alone time.Duration // if there is no inotify, or it does not report everything
}

// patience is how long there may be no room in Logs before the status says so.
const patience = 5 * time.Second

// A journal that cannot be read is tried again after a pause, which is doubled each time.
const (
	minRetry = time.Second
	maxRetry = 30 * time.Second
)

// field is a field of an entry.
type field struct {
	name, value []byte
	cut         bool // the value has more
	internal    bool // a rule reads it
}

// fieldKey is where a field is.
type fieldKey struct {
	file *journalfile.File
	at   uint64
}

const (
	cacheFields = 4096 // a Tailer caches less than twice as many
	maxCached   = 256  // bytes of a field that is cached
)

// batch is a batch that is filled, and of what.
type batch struct {
	lighter.Batch
	first int64 // time of the first entry
	bytes int   // of the lines
}

const (
	maxBatchBytes   = 64 << 10
	maxBatchEntries = 1000
	entryBytes      = 40 // what an entry costs beside its line
)

// New returns a Tailer that does nothing until Run.
func New(o Options) *Tailer {
	o.MaxLineBytes = cmp.Or(o.MaxLineBytes, defaultMaxLine)
	t := &Tailer{
		o:       o,
		labels:  newLabeller(o.Labels, o.Rules),
		pace:    pace{step: 500 * time.Millisecond, told: 10 * time.Second, alone: time.Second},
		roots:   []string{o.Path},
		machine: machineID,
		notify:  inotify.Open,
	}
	t.want, t.cache.Half = t.wants, cacheFields
	if o.Path == "" {
		t.roots = []string{persistent, runtime}
	}
	return t
}

// Status returns what the Tailer does and has done. It may be called at any time.
func (t *Tailer) Status() tail.Status { return t.state.Status() }

// State returns what Status is taken from. It outlives Run: a line may be delivered after Run has ended.
func (t *Tailer) State() *tail.State { return &t.state }

// Run reads until ctx ends, which it reports as nil. A journal that cannot be read is tried again.
func (t *Tailer) Run(ctx context.Context) error {
	t.begin()
	defer t.end()
	retry := minRetry
	for untold, again := false, false; ctx.Err() == nil; {
		began := time.Now()
		news, failed := t.files.look()
		if t.files.unsettled > 0 {
			t.sleep(ctx, unsettled)
			continue
		}
		fresh := t.watch()
		if err := t.drain(ctx); err != nil {
			break // ctx has ended
		}
		if t.files.bounded || fresh { // or something was written before inotify told of it
			if again && !t.sleep(ctx, t.pace.step-time.Since(began)) { // it is written faster than it is looked at
				break
			}
			again = true
			continue
		}
		again = false
		t.report(failed)
		if failed == nil {
			retry = minRetry
		}
		if news {
			if !t.sleep(ctx, t.pace.step-time.Since(began)) {
				break
			}
		} else {
			t.files.windows.Forget()
		}
		wait := t.pace.told
		if t.inotify == nil || untold {
			wait = t.pace.alone
		}
		if failed != nil && len(t.files.open) == 0 {
			wait = retry
			retry = min(2*retry, maxRetry)
		}
		told := t.wait(ctx, wait)
		if t.inotify != nil && !told && !untold && ctx.Err() == nil && t.grown() {
			untold = true // a file system that does not tell of what another machine writes
		}
	}
	t.state.End(nil)
	return nil
}

// report records whether the journal can be read.
func (t *Tailer) report(failed error) {
	if failed != nil && len(t.files.open) == 0 {
		t.state.Break(failed)
	} else {
		t.state.Set(tail.Following)
	}
	text := ""
	if failed != nil {
		text = failed.Error()
	}
	if text != "" && text != t.failed {
		t.o.Logger.Warn("the journal, or a part of it, cannot be read; trying again", "error", failed)
	}
	t.failed = text
}

// begin finds where reading continues.
func (t *Tailer) begin() {
	t.cursor = t.o.Positions.Cursor(t.o.Key)
	first := &marks{source: map[journalfile.ID]mark{}}
	if t.o.MaxAge > 0 {
		first.begin = uint64(max(time.Now().Add(-t.o.MaxAge).UnixMicro(), 0))
	}
	if t.o.Cursor != "" {
		given, err := parseCursor(t.o.Cursor)
		if err != nil {
			t.o.Logger.Warn("the cursor that another agent left for the journal is not understood; the journal is read as one that is seen for the first time", "error", err)
		} else {
			first = given
		}
	}
	t.cursor.Start(position.Position{Time: int64(first.begin) * 1000, Cursor: string(first.appendTo(nil))})
	at := t.cursor.Read()
	m, err := parseMarks(at.Cursor)
	if err != nil {
		t.o.Logger.Warn("the position in the journal is not understood; the journal is read from the time of the last delivered line", "error", err)
		m = &marks{begin: uint64(max(at.Time, 0)) / 1000, source: map[journalfile.ID]mark{}}
	}
	t.marks = m
	t.files = newFiles(t.roots, t.machine, m, t.o.Logger, t.o.Metrics.Broken)
	if t.inotify, err = t.notify(); err != nil {
		t.noInotify(err)
	}
}

// end releases everything. Lines that a stage still holds are read again by the next Tailer.
func (t *Tailer) end() {
	t.files.close()
	if t.inotify != nil {
		_ = t.inotify.Close()
	}
	if h, ok := t.o.Logs.(stage.Holder); ok {
		h.Drop()
	}
	t.cursor.Done()
}

// watch has inotify watch the directories that exist now, and reports whether one of them is new. inotify does
// not notice writes to mapped memory, so journald truncates a file to its current size after each write.
func (t *Tailer) watch() (fresh bool) {
	if t.inotify == nil {
		return false
	}
	before := t.watched
	t.watched = make(map[int32]bool, len(t.files.dirs))
	for _, dir := range t.files.dirs {
		d, err := t.inotify.Add(dir.path, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.noInotify(err)
			return false
		}
		t.watched[d] = true
		fresh = fresh || !before[d]
	}
	return fresh
}

// noInotify continues without inotify.
func (t *Tailer) noInotify(err error) {
	if t.inotify != nil {
		_ = t.inotify.Close()
		t.inotify = nil
	}
	t.o.Logger.Warn("inotify cannot be used, so the journal is looked at once a second and not when it is written; raise the sysctls fs.inotify.max_user_instances and fs.inotify.max_user_watches", "error", err)
}

// wait waits until something is written, but no longer than d. told reports whether inotify has reported that.
func (t *Tailer) wait(ctx context.Context, d time.Duration) (told bool) {
	if t.inotify == nil {
		t.sleep(ctx, d)
		return false
	}
	told, err := t.inotify.Wait(ctx, d)
	if err != nil && ctx.Err() == nil {
		t.noInotify(err)
	}
	return told
}

// grown reports whether a file has entries that are not read.
func (t *Tailer) grown() bool {
	for _, one := range t.files.open {
		if changed, err := one.Refresh(); err == nil && changed {
			return true
		}
	}
	return false
}

// sleep waits, and returns false if ctx ends meanwhile.
func (t *Tailer) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// drain hands on all entries up to the bound. An error is ctx's.
func (t *Tailer) drain(ctx context.Context) error {
	for {
		one, e, err := t.files.nextEntry(ctx)
		if err == nil && one == nil {
			err = t.handOn(ctx)
			t.files.tidy()
			return err
		}
		if err != nil {
			return err
		}
		if t.batch != nil && (len(t.batch.Entries) >= maxBatchEntries || t.batch.bytes >= maxBatchBytes) {
			// the position is that before the entry, which is marked when the next one is asked for
			if err := t.handOn(ctx); err != nil {
				return err
			}
		}
		t.passed = true
		t.add(one, e)
	}
}

// add adds the line of an entry to the batch, if it gives one.
func (t *Tailer) add(one *file, e *journalfile.Entry) {
	if err := t.read(one, e); err != nil {
		t.files.unreadable(one, err)
		return
	}
	if !t.o.Matches.match(t.fields) {
		return
	}
	t.internal = t.internal[:0]
	var line []byte
	for i := range t.fields {
		if t.fields[i].internal {
			t.internal = append(t.internal, t.fields[i])
		}
		if !t.o.JSON && string(t.fields[i].name) == "MESSAGE" {
			line = t.fields[i].value // of several the last one
		}
	}
	if t.o.JSON {
		from := len(t.text)
		t.text = appendJSON(t.text, t.fields)
		line = t.text[from:]
	}
	if len(line) == 0 {
		return
	}
	s := t.labels.stream(t.internal)
	if s == nil {
		if t.labels.bare && !t.bare {
			t.bare = true
			t.o.Logger.Warn("an entry of the journal has no labels, and such entries are dropped; make the relabel rules keep a label on every entry")
		}
		return
	}
	line, cut := tail.Text(line, t.o.MaxLineBytes)
	if cut {
		t.o.Metrics.Truncated.Inc()
	}
	if t.batch == nil {
		t.batch = t.newBatch()
	}
	b := t.batch
	if s.batch != t.number {
		s.batch, s.number = t.number, int32(len(b.Streams))
		b.Streams = append(b.Streams, s.Stream)
	}
	at := int64(e.Realtime) * 1000
	if len(b.Entries) == 0 {
		b.first = at
	}
	b.bytes += len(line)
	b.Entries = append(b.Entries, lighter.Entry{Time: at, Line: b.Copy(line), Stream: s.number})
}

// read reads the fields of an entry that count.
func (t *Tailer) read(one *file, e *journalfile.Entry) (err error) {
	t.text, t.fields = t.text[:0], t.fields[:0]
	if cap(t.text) > 2*maxBatchBytes {
		t.text = nil
	}
	if t.offsets, err = one.Fields(e, t.offsets[:0]); err != nil {
		return err
	}
	room := 4*t.o.MaxLineBytes + maxBatchBytes // of all fields together
	for _, at := range t.offsets {
		key := fieldKey{one.File, at}
		if f, ok := t.cache.Get(key); ok {
			if f.name != nil {
				t.fields = append(t.fields, f)
			}
			continue
		}
		from := len(t.text)
		limit := max(min(t.o.MaxLineBytes+1, room-from), 0) // one byte more shows that the line is to be cut
		var cut bool
		t.text, cut, err = one.Field(at, t.text, limit, t.want)
		if err != nil {
			t.files.unreadable(one, err)
			continue
		}
		if len(t.text) == from {
			t.cache.Put(key, field{})
			continue
		}
		own := t.text[from:len(t.text):len(t.text)]
		name, value, _ := bytes.Cut(own, []byte{'='})
		f := field{name, value, cut, t.labels.wants(name)}
		t.fields = append(t.fields, f)
		if len(own) <= maxCached && string(name) != "MESSAGE" {
			own = bytes.Clone(own)
			f.name, f.value, _ = bytes.Cut(own, []byte{'='})
			t.cache.Put(key, f)
		}
	}
	return nil
}

// wants reports whether a field counts.
func (t *Tailer) wants(name []byte) bool {
	return t.o.JSON || string(name) == "MESSAGE" || t.o.Matches.fields[string(name)] || t.labels.wants(name)
}

func (t *Tailer) newBatch() *batch {
	t.number++
	if b, ok := t.batches.Get().(*batch); ok {
		return b
	}
	return &batch{}
}

// handOn passes the batch to Logs and records the position after it. It blocks while Logs has no room. An error is
// ctx's, and then nothing was passed on.
func (t *Tailer) handOn(ctx context.Context) error {
	if !t.passed {
		return nil
	}
	at := t.cursor.Read().Time
	b := t.batch
	if b != nil {
		at = b.Entries[len(b.Entries)-1].Time
	}
	upTo := position.Position{Time: at, Lines: 1, Cursor: string(t.marks.appendTo(nil))}
	if b == nil {
		t.passed = false
		t.cursor.Mark(at, upTo, position.Bookmark{}).Ack()
		return nil
	}
	n := len(b.Entries)
	mark := t.cursor.Mark(b.first, upTo, position.Bookmark{})
	b.Bytes += n * entryBytes
	b.Origin = mark
	b.Begin(func() {
		mark.Ack()
		tail.Delivered(&t.state, n-b.Undelivered())
		b.Reset()
		b.Streams, b.first, b.bytes = nil, 0, 0
		t.batches.Put(b)
	})
	waiting := time.AfterFunc(patience, func() { t.state.Set(tail.Waiting) })
	err := t.o.Logs.Append(ctx, &b.Batch)
	waiting.Stop()
	if err != nil {
		mark.Undo()
		return err
	}
	bytes := b.bytes
	t.batch, t.passed = nil, false
	b.Done()
	if breaks, after := tail.HandedOn(&t.state, t.o.Metrics, n, bytes, at); breaks > 0 {
		t.o.Logger.Info("the journal can be read again", "breaks", breaks, "after", after)
	}
	return nil
}
