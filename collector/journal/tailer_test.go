package journal_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter/collector/journal"
	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// A directory of several files is read in journalctl's order, with its fields. journalfile/testdata/make.sh tells
// how the files were made.
func TestMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		inner := filepath.Join(dir, "bfabd15718105cd8af4028eb59cf427b") // as journald names it: by the machine
		if err := os.Mkdir(inner, 0o700); err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob("testdata/merged/*.journal.zst")
		for _, path := range files {
			if err := os.WriteFile(filepath.Join(inner, strings.TrimSuffix(filepath.Base(path), ".zst")), unpack(t, path), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := &sink{}
		o := options(dir, s)
		o.JSON = true
		runByClock(t, journal.New(o))
		var want []string
		for in := bufio.NewScanner(bytes.NewReader(unpack(t, "testdata/merged/expected.json.zst"))); in.Scan(); {
			want = append(want, asOurs(t, in.Bytes()))
		}
		if diff := cmp.Diff(want, s.read()); diff != "" || len(want) != 120 {
			t.Errorf("%d lines (-journalctl +ours):\n%s", len(want), diff)
		}
	})
}

// asOurs returns journalctl's JSON of an entry as Alloy, and so this package, writes it.
func asOurs(t *testing.T, b []byte) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for name, v := range fields {
		list, _ := v.([]any)
		if strings.HasPrefix(name, "__") {
			delete(fields, name)
			continue
		}
		if len(list) == 0 {
			continue
		}
		if _, ok := list[0].(float64); !ok {
			fields[name] = list[len(list)-1] // the last one counts
			continue
		}
		var text []byte // which is not UTF-8
		for _, c := range list {
			text = append(text, byte(c.(float64)))
		}
		var whole []rune
		for _, r := range string(text) {
			whole = append(whole, r)
		}
		fields[name] = string(whole)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("\ufffd", `\ufffd`).Replace(string(text))
}

func TestLabels(t *testing.T) {
	unit := rule("", "", "unit", "", "__journal__systemd_unit")
	for name, tc := range map[string]struct {
		fields []string
		rules  []*relabel.Config
		want   string // the labels and the line; empty: nothing
		max    int
		json   bool
	}{
		"no rules": {fields: []string{"MESSAGE=a", "_PID=1"}, want: `{job="loki.source.journal.read"} a`},
		"unit": {fields: []string{"MESSAGE=a", "_SYSTEMD_UNIT=x.service"}, rules: []*relabel.Config{unit},
			want: `{job="loki.source.journal.read", unit="x.service"} a`},
		"no such field": {fields: []string{"MESSAGE=a"}, rules: []*relabel.Config{unit}, want: `{job="loki.source.journal.read"} a`},
		"the last of several fields": {fields: []string{"A=1", "MESSAGE=a", "A=2", "MESSAGE=b"}, rules: []*relabel.Config{rule("", "", "a", "", "__journal_a")},
			want: `{a="2", job="loki.source.journal.read"} b`},
		"priority": {fields: []string{"MESSAGE=a", "PRIORITY=3"}, rules: []*relabel.Config{rule("", "", "level", "", "__journal_priority_keyword"), rule("", "", "n", "", "__journal_priority")},
			want: `{job="loki.source.journal.read", level="error", n="3"} a`},
		"unknown priority": {fields: []string{"MESSAGE=a", "PRIORITY=9"}, rules: []*relabel.Config{rule("", "", "level", "", "__journal_priority_keyword")},
			want: `{job="loki.source.journal.read", level="9"} a`},
		"dropped": {fields: []string{"MESSAGE=a", "_PID=1"}, rules: []*relabel.Config{rule(relabel.Drop, "1", "", "", "__journal__pid")}},
		"kept":    {fields: []string{"MESSAGE=a", "_PID=1"}, rules: []*relabel.Config{rule(relabel.Keep, "1", "", "", "__journal__pid")}, want: `{job="loki.source.journal.read"} a`},
		"labelmap": {fields: []string{"MESSAGE=a", "_PID=1", "PRIORITY=6", "CODE=x"}, rules: []*relabel.Config{rule(relabel.LabelMap, "__journal_(_pid|priority.*)", "", "")},
			want: `{_pid="1", job="loki.source.journal.read", priority="6", priority_keyword="info"} a`},
		"equal": {fields: []string{"MESSAGE=a", "A=x", "B=x"}, rules: []*relabel.Config{rule(relabel.DropEqual, "", "__journal_a", "", "__journal_b")}},
		"a rule reads what another wrote": {fields: []string{"MESSAGE=a", "A=x"}, rules: []*relabel.Config{rule("", "", "__tmp", "$1!", "__journal_a"), rule("", "", "b", "", "__tmp")},
			want: `{b="x!", job="loki.source.journal.read"} a`},
		"no label":     {fields: []string{"MESSAGE=a"}, rules: []*relabel.Config{rule(relabel.LabelDrop, "job", "", "")}},
		"no message":   {fields: []string{"_PID=1"}},
		"empty":        {fields: []string{"MESSAGE="}},
		"not UTF-8":    {fields: []string{"MESSAGE=a\xffb", "A=\xfe"}, rules: []*relabel.Config{rule("", "", "a", "", "__journal_a")}, want: "{a=\"\ufffd\", job=\"loki.source.journal.read\"} a\ufffdb"},
		"several rows": {fields: []string{"MESSAGE=a\nb"}, want: "{job=\"loki.source.journal.read\"} a\nb"},
		"too long":     {fields: []string{"MESSAGE=" + strings.Repeat("x", 100)}, max: 20, want: `{job="loki.source.journal.read"} ` + strings.Repeat("x", 12) + "…[cut]"},
		"just as long": {fields: []string{"MESSAGE=" + strings.Repeat("x", 20)}, max: 20, want: `{job="loki.source.journal.read"} ` + strings.Repeat("x", 20)},
		"JSON":         {fields: []string{"MESSAGE=a <b>", "_PID=1", "A=1", "A=2"}, json: true, want: `{job="loki.source.journal.read"} {"A":"2","MESSAGE":"a \u003cb\u003e","_PID":"1"}`},
		"JSON without a message": {fields: []string{"_PID=1"}, json: true, rules: []*relabel.Config{rule("", "", "pid", "", "__journal__pid")},
			want: `{job="loki.source.journal.read", pid="1"} {"_PID":"1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				w := newWriter(t, dir, journaltest.Options{})
				for range 3 { // the later ones come from what is remembered
					w.write("system", tc.fields...)
				}
				s := &sink{}
				o := options(dir, s)
				o.Rules, o.MaxLineBytes, o.JSON = tc.rules, tc.max, tc.json
				stop := runByClock(t, journal.New(o))
				var want []line
				for i := range 3 {
					if labels, text, ok := strings.Cut(tc.want, "} "); ok {
						want = append(want, line{labels + "}", int64(w.clock)*1000 - int64(2-i)*1000, text})
					}
				}
				rest()
				stop()
				if diff := cmp.Diff(want, s.lines, cmp.AllowUnexported(line{})); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestMatches(t *testing.T) {
	entry := []string{"A=1", "B=2", "A=3", "MESSAGE=x=y"}
	for text, want := range map[string]bool{
		"":                true,
		"A=1":             true,
		"A=3":             true,
		"A=2":             false,
		"A=1 B=2":         true,
		"A=1 B=1":         false,
		"A=7 A=1 B=2":     true,
		"A=7 + B=2":       true,
		"A=7 B=2 + B=3":   false,
		"  A=7  +\tA=1  ": true,
		"MESSAGE=x=y":     true,
		"C=":              false,
	} {
		m, err := journal.ParseMatches(text)
		if err != nil || m.Matches(entry...) != want {
			t.Errorf("%q: error %v, matches %v", text, err, !want)
		}
	}
	for _, text := range []string{"A", "=1", "a=1", "__CURSOR=1", "+ A=1", "A=1 +", "A=1 + + A=2", "A B=1"} {
		if _, err := journal.ParseMatches(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestMatchesAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{Compact: true})
		for i := range 10 {
			w.write("system", fmt.Sprintf("MESSAGE=%d", i), fmt.Sprintf("N=%d", i%3))
		}
		s := &sink{}
		o := options(dir, s)
		var err error
		if o.Matches, err = journal.ParseMatches("N=0 N=2"); err != nil {
			t.Fatal(err)
		}
		runByClock(t, journal.New(o))
		if got := s.read(); !slices.Equal(got, []string{"0", "2", "3", "5", "6", "8", "9"}) {
			t.Error(got)
		}
	})
}

func TestFollow(t *testing.T) {
	t.Run("by inotify", func(t *testing.T) {
		dir := t.TempDir()
		s := &sink{}
		tailer := journal.New(options(dir, s))
		stop := runFast(t, tailer)
		n := follow(t, dir, s.wait)
		stop()
		if got := tailer.Status(); got.Read != int64(n) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("without inotify", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			s := &sink{}
			tailer := journal.New(options(dir, s))
			tailer.NoInotify()
			run(t, tailer)
			rest()
			if got := tailer.Status(); got.LastError == "" {
				t.Errorf("without a directory: %+v", got)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			n := follow(t, dir, func(int) []string { return s.read() })
			if got := tailer.Status(); got.Read != int64(n) || got.State != tail.Following {
				t.Errorf("%+v", got)
			}
		})
	})
}

// follow writes a journal and checks that its lines come in order. It returns how many they are.
func follow(t *testing.T, dir string, lines func(n int) []string) int {
	w := newWriter(t, dir, journaltest.Options{Compact: true})
	var want []string
	write := func(name string) {
		t.Helper()
		text := fmt.Sprintf("line %d in %s", len(want), name)
		want = append(want, text)
		w.write(name, "MESSAGE="+text)
	}
	check := func() {
		t.Helper()
		if diff := cmp.Diff(want, lines(len(want))); diff != "" {
			t.Fatal(diff)
		}
	}
	for range 10 {
		write("system")
	}
	check()
	write("system")
	check()
	write("user-1000")
	check()
	for range 3 { // unread entries are in the file that is archived
		write("system")
		write("user-1000")
	}
	first := w.rotate("system")
	write("system")
	check()
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		w.rotate("system")
		w.rotate("user-1000")
		write("system")
		write("user-1000")
		write("user-1001")
		w.rotate("user-1001")
	}
	check()
	w.boot, w.monoton, w.clock = journalfile.ID{9}, 0, w.clock-1e9 // a clock that is behind, after a boot
	for range 10 {
		write("system")
	}
	check()
	return len(want)
}

// Entries of one journald come in their order, whatever file they are in and whenever that is looked at.
func TestOrderWhileWritten(t *testing.T) {
	dir := t.TempDir()
	s := &sink{}
	runFast(t, journal.New(options(dir, s)))
	w := newWriter(t, dir, journaltest.Options{Compact: true})
	const n = 3000
	for i := range n {
		name := []string{"system", "user-1000", "user-1001"}[i*7%11%3]
		w.write(name, fmt.Sprintf("MESSAGE=%d", i))
		if i%100 == 99 {
			w.rotate(name)
		}
	}
	for i, got := range s.wait(n) {
		if got != fmt.Sprint(i) {
			t.Fatalf("line %d is %s", i, got)
		}
	}
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{})
		now := w.clock
		for hours := uint64(20); hours > 0; hours-- {
			w.clock = now - hours*3600e6
			w.write("system", fmt.Sprintf("MESSAGE=%d", hours))
			if hours == 10 {
				w.rotate("system")
			}
		}
		s := &sink{}
		o := options(dir, s)
		o.MaxAge = 3*time.Hour + time.Minute
		stop := runByClock(t, journal.New(o))
		if got := s.read(); !slices.Equal(got, []string{"3", "2", "1"}) {
			t.Error(got)
		}
		stop()
		w.write("system", "MESSAGE=later")
		o.MaxAge = time.Nanosecond // it does not count any more
		runByClock(t, journal.New(o))
		if got := s.read(); len(got) != 4 || got[3] != "later" {
			t.Error(got)
		}
	})
}

// A position that another reader left as journalctl's cursor is gone on from.
func TestCursor(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, journaltest.Options{})
	var cursor string
	for i := range 10 {
		w.write("system", fmt.Sprintf("MESSAGE=%d", i))
		if i == 4 {
			cursor = fmt.Sprintf("s=%s;i=%x;b=%s;m=%x;t=%x;x=0", w.o.Source, w.seqnum, w.boot, w.monoton, w.clock)
		}
	}
	for name, tc := range map[string]struct {
		cursor string
		want   int
	}{"good": {cursor, 5}, "bad": {"s=x;i=1", 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{}
				o := options(dir, s)
				o.Cursor = tc.cursor
				runByClock(t, journal.New(o))
				if got := s.read(); len(got) != tc.want || got[0] != fmt.Sprint(10-tc.want) {
					t.Error(got)
				}
			})
		})
	}
}

// After a loss of power the end of a file may be gone, and the next boot counts on from what is left.
func TestSequenceNumbersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{})
		for i := range 5 {
			w.write("system", fmt.Sprintf("MESSAGE=%d", i))
		}
		saved, err := os.ReadFile(filepath.Join(dir, "system.journal"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			w.write("system", fmt.Sprintf("MESSAGE=lost %d", i))
		}
		s := &sink{}
		o := options(dir, s)
		stop := runByClock(t, journal.New(o))
		rest()
		stop()
		if err := errors.Join(os.Remove(filepath.Join(dir, "system.journal")), os.WriteFile(filepath.Join(dir, "system@1.journal~"), saved, 0o600)); err != nil {
			t.Fatal(err)
		}
		delete(w.files, "system")
		w.seqnum, w.boot, w.monoton, w.clock = 5, journalfile.ID{2}, 0, w.clock+1e6
		for i := range 8 {
			w.write("system", fmt.Sprintf("MESSAGE=new %d", i))
		}
		runByClock(t, journal.New(o))
		if got := s.read(); len(got) != 18 || got[10] != "new 0" {
			t.Error(got)
		}
	})
}

// What is damaged costs no more than itself, and is logged once.
func TestDamagedFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{Compact: true})
		for i := range 50 {
			w.write("system", fmt.Sprintf("MESSAGE=%d", i))
		}
		path := filepath.Join(dir, "system.journal")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte("MESSAGE=15"))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(make([]byte, 500), int64(at-80)); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		for name, text := range map[string]string{"a.journal": "", "b.journal": "LPKSHHRH", "c.journal": strings.Repeat("x", 10_000), "d.txt": "x"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(dir, "e.journal"), 0o700); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s := &sink{}
		o := options(dir, s)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		stop := runByClock(t, journal.New(o))
		for i := range 5 {
			rest()
			w.write("system", fmt.Sprintf("MESSAGE=later %d", i))
		}
		if got := s.read(); len(got) < 45 || len(got) > 54 || got[len(got)-1] != "later 4" {
			t.Errorf("%d lines: %q", len(got), got)
		}
		stop()
		if n := strings.Count(log.String(), "\n"); n != 5 {
			t.Errorf("%d log lines:\n%s", n, log.String())
		}
		if testutil.ToFloat64(o.Metrics.Broken) == 0 {
			t.Error("no entry is counted as broken")
		}
	})
}

// That fields are compressed by XZ is said once, with what to do.
func TestXZ(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		long := strings.Repeat("x", 100)
		w := newWriter(t, dir, journaltest.Options{Compress: "xz"})
		for _, name := range []string{"a", "b"} {
			w.write(name, "MESSAGE=1 "+long)
			w.write(name, "MESSAGE=2 "+long)
			w.write(name, "MESSAGE=short in "+name)
		}
		log := &syncBuffer{}
		s := &sink{}
		o := options(dir, s)
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
		stop := runByClock(t, journal.New(o))
		if diff := cmp.Diff([]string{"short in a", "short in b"}, s.read()); diff != "" {
			t.Error(diff)
		}
		stop()
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "Compress=no") {
			t.Error(text)
		}
	})
}

// A file that is cut while it is read gives errors and nothing else.
func TestCutWhileRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{})
		for i := range 2000 {
			w.write("system", fmt.Sprintf("MESSAGE=%d", i))
		}
		s := &sink{}
		s.first = func() {
			if err := os.Truncate(filepath.Join(dir, "system.journal"), 100); err != nil {
				t.Error(err)
			}
		}
		runByClock(t, journal.New(options(dir, s)))
		rest()
		other := newWriter(t, dir, journaltest.Options{Source: journalfile.ID{5}})
		other.write("user-1", "MESSAGE=other")
		if got := s.read(); len(got) < 1000 || len(got) > 2000 || got[len(got)-1] != "other" {
			t.Errorf("%d lines, of which the last is %q", len(got), got[len(got)-1])
		}
	})
}

// One set of labels is one stream.
func TestOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{})
		for i := range 5000 {
			w.write("system", fmt.Sprintf("MESSAGE=%d", i), fmt.Sprintf("_PID=%d", i), fmt.Sprintf("UNIT=%d", i%3))
		}
		s := &streams{}
		o := options(dir, s)
		o.Rules = []*relabel.Config{rule(relabel.Keep, ".+", "", "", "__journal__pid"), rule("", "", "unit", "", "__journal_unit")}
		runByClock(t, journal.New(o))
		rest()
		if s.n != 5000 || len(s.seen) != 3 {
			t.Errorf("%d lines in %d streams", s.n, len(s.seen))
		}
	})
}

func TestNoDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := options(filepath.Join(t.TempDir(), "none"), &sink{})
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		tailer := journal.New(o)
		stop := runByClock(t, tailer)
		rest()
		stop()
		if got := tailer.Status(); !strings.Contains(got.LastError, journal.ErrNone.Error()) {
			t.Errorf("%+v", got)
		}
		if strings.Count(log.String(), "\n") != 1 {
			t.Error(log.String())
		}
	})
}

// A line is handed on again with the same time, labels and text.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{})
		for i := range 10 {
			w.write("system", fmt.Sprintf("MESSAGE=%d", i))
		}
		s := &sink{manual: true}
		o := options(dir, s)
		data := t.TempDir()
		for range 2 { // nothing of the first run is acknowledged
			store, err := position.Open(data, o.Logger)
			if err != nil {
				t.Fatal(err)
			}
			o.Positions = store
			stop := runByClock(t, journal.New(o))
			rest()
			stop()
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(s.lines[:10], s.lines[10:], cmp.AllowUnexported(line{})); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "a\"\\\n\r\t\b\f\x01\x7f<>&", "\u2028\u2029é\xff\xed\xa0\x80", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := journal.AppendQuoted(nil, []byte(s)); string(got) != string(want) {
			t.Errorf("%s and not %s", got, want)
		}
	})
}

// While there is no room nothing is read on, and what was not taken is read again.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWriter(t, dir, journaltest.Options{})
		for i := range 10 {
			w.write("system", fmt.Sprintf("MESSAGE=%d", i))
		}
		full := &full{asked: make(chan struct{}, 100)}
		o := options(dir, full)
		stop := runByClock(t, journal.New(o))
		<-full.asked
		stop()
		if n := len(full.asked); n != 0 {
			t.Errorf("asked %d times more", n)
		}
		s := &sink{}
		o.Logs = s
		runByClock(t, journal.New(o))
		if got := s.read(); len(got) != 10 || got[0] != "0" {
			t.Error(got)
		}
	})
}
