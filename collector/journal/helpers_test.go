package journal_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/journal"
	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// sink is a lighter.Logs that keeps lines.
type sink struct {
	mu      sync.Mutex
	lines   []line
	acked   int // lines
	manual  bool
	waiting []func()
	more    chan struct{} // closed at the next Append; nil unless someone waits for it
	first   func()        // is called when the first batch comes; may be nil
}

type line struct {
	labels string
	time   int64
	text   string
}

func (s *sink) Append(_ context.Context, b *lighter.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 && s.first != nil {
		s.first()
	}
	for _, e := range b.Entries {
		s.lines = append(s.lines, line{b.Streams[e.Stream].Labels.String(), e.Time, string(e.Line)})
	}
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
	n := len(b.Entries)
	b.Hold()
	ack := func() {
		b.Done()
		s.acked += n
	}
	if s.manual {
		s.waiting = append(s.waiting, ack)
		return nil
	}
	s.acked += n
	go b.Done() // from any goroutine
	return nil
}

func (s *sink) texts() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.lines {
		all = append(all, one.text)
	}
	return all
}

// wait returns the lines once there are n.
func (s *sink) wait(n int) []string {
	for {
		s.mu.Lock()
		if s.more == nil {
			s.more = make(chan struct{})
		}
		got, more := len(s.lines), s.more
		s.mu.Unlock()
		if got >= n {
			return s.texts()
		}
		<-more
	}
}

// read returns the lines once a Tailer that looks by the clock of a bubble has read all that there is.
func (s *sink) read() []string {
	rest()
	return s.texts()
}

// rest has a Tailer that looks by the clock of a bubble read all that there is.
func rest() {
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

// options are for a journal in dir.
func options(dir string, s lighter.Logs) journal.Options {
	return journal.Options{
		Path:      dir,
		Labels:    labels.FromStrings("job", "loki.source.journal.read"),
		Positions: position.InMemory(),
		Key:       "journal",
		Logs:      s,
		Metrics:   tail.NewMetrics(prometheus.NewRegistry()),
		Logger:    slog.New(slog.DiscardHandler),
	}
}

// run runs a Tailer until stop is called.
func run(tb testing.TB, t *journal.Tailer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// runByClock runs a Tailer until stop is called. It looks by the clock alone, which is to be that of a bubble.
func runByClock(tb testing.TB, t *journal.Tailer) (stop func()) {
	t.ByClock()
	return run(tb, t)
}

// runFast runs a Tailer until stop is called. It looks as often as inotify tells it to.
func runFast(tb testing.TB, t *journal.Tailer) (stop func()) {
	t.SetPace(time.Millisecond, 5*time.Second, 5*time.Millisecond)
	return run(tb, t)
}

// syncBuffer is a buffer that may be written to and read at any time.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// writer writes a journal of several files with one source.
type writer struct {
	tb      testing.TB
	dir     string
	o       journaltest.Options
	seqnum  uint64
	boot    journalfile.ID
	monoton uint64
	clock   uint64 // microseconds
	files   map[string]*journaltest.Writer
	made    byte
}

func newWriter(tb testing.TB, dir string, o journaltest.Options) *writer {
	if o.Source == (journalfile.ID{}) {
		o.Source = journalfile.ID{0xcc}
	}
	return &writer{tb: tb, dir: dir, o: o, boot: journalfile.ID{1}, clock: uint64(time.Now().UnixMicro()), files: map[string]*journaltest.Writer{}}
}

// write writes an entry to the file of a name.
func (w *writer) write(name string, fields ...string) {
	w.tb.Helper()
	f := w.files[name]
	if f == nil {
		w.made++
		o := w.o
		o.File = journalfile.ID{w.o.Source[0], w.made}
		var err error
		if f, err = journaltest.Create(filepath.Join(w.dir, name+".journal"), o); err != nil {
			w.tb.Fatal(err)
		}
		w.files[name] = f
	}
	w.seqnum++
	w.monoton++
	w.clock++
	if err := f.Append(journaltest.Entry{Seqnum: w.seqnum, Realtime: w.clock, Monotonic: w.monoton, Boot: w.boot, Fields: fields}); err != nil {
		w.tb.Fatal(err)
	}
}

// rotate archives the file of a name, as journald does: it is renamed, and the next entry begins a new one.
func (w *writer) rotate(name string) (archived string) {
	w.tb.Helper()
	from := filepath.Join(w.dir, name+".journal")
	archived = filepath.Join(w.dir, fmt.Sprintf("%s@%s-%016x-%016x.journal", name, w.o.Source, w.seqnum, w.clock))
	if err := os.Rename(from, archived); err != nil {
		w.tb.Fatal(err)
	}
	if err := w.files[name].Archive(); err != nil {
		w.tb.Fatal(err)
	}
	delete(w.files, name)
	return archived
}

func unpack(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer d.Close()
	if b, err = d.DecodeAll(b, nil); err != nil {
		tb.Fatal(err)
	}
	return b
}

func rule(action relabel.Action, regex, target, replacement string, sources ...string) *relabel.Config {
	r := relabel.DefaultRelabelConfig
	r.NameValidationScheme = model.LegacyValidation
	if action != "" {
		r.Action = action
	}
	if regex != "" {
		r.Regex = relabel.MustNewRegexp(regex)
	}
	if replacement != "" {
		r.Replacement = replacement
	}
	r.TargetLabel = target
	for _, s := range sources {
		r.SourceLabels = append(r.SourceLabels, model.LabelName(s))
	}
	return &r
}

// streams is a lighter.Logs that keeps which streams came.
type streams struct {
	mu   sync.Mutex
	n    int
	seen map[*lighter.Stream]bool

	enough int // lines, after which stop is called
	stop   func()
}

func (s *streams) Append(_ context.Context, b *lighter.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[*lighter.Stream]bool{}
	}
	for _, e := range b.Entries {
		s.seen[b.Streams[e.Stream]] = true
	}
	if s.n += len(b.Entries); s.n == s.enough {
		s.stop()
	}
	return nil
}

// full is a lighter.Logs without room.
type full struct{ asked chan struct{} }

func (f *full) Append(ctx context.Context, _ *lighter.Batch) error {
	f.asked <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}
