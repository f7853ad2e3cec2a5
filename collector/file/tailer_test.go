package file_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/collector/file/positionsyml"
	"lighter/collector/tail/tailtest"
)

// soon is longer than any look that the clock makes while there are changes.
const soon = 3 * time.Second

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, tc := range map[string]struct {
		encoding string
		write    []string // with a pause after each
		want     []string
		max      int
	}{
		"lines":                {write: []string{"a\nb\n", "c\n"}, want: []string{"a", "b", "c"}},
		"empty lines":          {write: []string{"\na\n\n"}, want: []string{"", "a", ""}},
		"a line in pieces":     {write: []string{"he", "ll", "o\nyou\n"}, want: []string{"hello", "you"}},
		"no newline":           {write: []string{"a\nb"}, want: []string{"a"}},
		"carriage returns":     {write: []string{"a\r\nb\rc\r\n\r\n"}, want: []string{"a", "b\rc", ""}},
		"zeros":                {write: []string{"a\n", "\x00\x00\x00b\x00c\n\x00\n"}, want: []string{"a", "b\x00c"}},
		"zeros at the end":     {write: []string{"a\n\x00\x00", "\x00b\n"}, want: []string{"a", "b"}},
		"invalid UTF-8":        {write: []string{"a\xffb\n"}, want: []string{"a\ufffdb"}},
		"a mark":               {write: []string{"\xef\xbb\xbfa\nb\n"}, want: []string{"a", "b"}},
		"a mark in pieces":     {write: []string{"\xef", "\xbb\xbfa\n"}, want: []string{"a"}},
		"long":                 {max: 20, write: []string{long + "\nb\n"}, want: []string{strings.Repeat("x", 12) + "…[cut]", "b"}},
		"long, in pieces":      {max: 20, write: []string{long, long, long + "\nb\n"}, want: []string{strings.Repeat("x", 12) + "…[cut]", "b"}},
		"longer than a buffer": {max: 20, write: []string{strings.Repeat("y", 200_000), strings.Repeat("z", 200_000) + "\nb\n"}, want: []string{strings.Repeat("y", 12) + "…[cut]", "b"}},
		"as long as it may be": {max: 20, write: []string{strings.Repeat("x", 20) + "\r\n"}, want: []string{strings.Repeat("x", 20)}},
		"latin1":               {encoding: "ISO-8859-1", write: []string{"caf\xe9\r\n"}, want: []string{"café"}},
		"Shift_JIS":            {encoding: "Shift_JIS", write: []string{"\x83e\x83X\x83g\n"}, want: []string{"テスト"}},
		"UTF-16 little-endian": {encoding: "utf-16", write: []string{utf16("\ufeffa\r\nü\u0a0a\n", false)}, want: []string{"a", "ü\u0a0a"}},
		"UTF-16 big-endian":    {encoding: "utf-16", write: []string{utf16("\ufeffa\nü\n", true)}, want: []string{"a", "ü"}},
		"UTF-16 without mark":  {encoding: "UTF-16LE", write: []string{utf16("a\n", false), utf16("b", false), utf16("c\n", false)}, want: []string{"a", "bc"}},
		"a mark wins":          {encoding: "", write: []string{utf16("\ufeffa\n", false)}, want: []string{"a"}},
		"UTF-16, long":         {encoding: "UTF-16LE", max: 20, write: []string{utf16(long+"\nb\n", false)}, want: []string{strings.Repeat("x", 12) + "…[cut]", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.options.Encoding = tc.encoding
				if tc.max > 0 {
					b.options.MaxLineBytes = tc.max
				}
				b.tailer()
				for _, text := range tc.write {
					b.write("", text)
					time.Sleep(soon)
				}
				b.want(tc.want...)
				times := b.sink.Times()
				for i := 1; i < len(times); i++ {
					if times[i] <= times[i-1] {
						t.Errorf("the time of line %d is not after that of the line before", i)
					}
				}
				// Read again after a crash, the lines have the same times.
				b.openPositions(b.journal())
				b.sink = tailtest.NewSink()
				b.tailer()
				time.Sleep(soon)
				b.want(tc.want...)
				for i, at := range b.sink.Times() {
					if at != times[i] {
						t.Errorf("line %d is %d ns later the second time", i, at-times[i])
					}
				}
			})
		})
	}
}

// utf16 returns text as UTF-16; all of it is in the first plane.
func utf16(text string, bigEndian bool) string {
	var b strings.Builder
	for _, r := range text {
		if bigEndian {
			b.WriteByte(byte(r >> 8))
			b.WriteByte(byte(r))
		} else {
			b.WriteByte(byte(r))
			b.WriteByte(byte(r >> 8))
		}
	}
	return b.String()
}

// grow writes lines and renames the file after each, the first one to app.log.1 and the last one not. Each
// file was written a second after the one before it.
func grow(b *bench, wait time.Duration) {
	began := time.Now().Add(-time.Hour)
	for i := range 5 {
		b.write("", fmt.Sprintln(i+1))
		time.Sleep(wait)
		at := began.Add(time.Duration(i) * time.Second)
		b.must(os.Chtimes(b.path, at, at))
		if i < 4 {
			b.rename(fmt.Sprintf("app.log.%d", i+1))
		}
	}
}

// Files come and go under a tailer that runs.
func TestRotation(t *testing.T) {
	head := strings.Repeat("h", 80) + "\n" // so much that the file is known again
	for name, tc := range map[string]struct {
		run  func(b *bench)
		want []string
	}{
		"appears later": {func(b *bench) {
			time.Sleep(time.Minute)
			b.write("", "a\n")
		}, []string{"a"}},
		"renamed": {func(b *bench) {
			b.write("", "a\n")
			time.Sleep(soon)
			b.write("", "b\n")
			b.rename("app.log.1")
			b.write("", "c\n")
		}, []string{"a", "b", "c"}},
		"written after the rename": {func(b *bench) {
			b.write("", "a\n")
			time.Sleep(soon)
			b.rename("app.log.1")
			b.write("", "") // the new file is there before the program opens it
			time.Sleep(soon)
			b.write("app.log.1", "b\n")
			time.Sleep(soon)
			b.write("app.log.1", "c\n")
			b.write("", "d\n")
		}, []string{"a", "b", "c", "d"}},
		"renamed without a newline": {func(b *bench) {
			b.write("", "a\nb")
			time.Sleep(soon)
			b.rename("app.log.1")
			b.write("", "c\n")
		}, []string{"a", "b", "c"}},
		"renamed twice between two looks": {func(b *bench) {
			b.write("", "a\n")
			time.Sleep(soon)
			b.rename("app.log.2")
			b.write("app.log.1", "b\n")
			b.write("", "c\n")
		}, []string{"a", "b", "c"}},
		"renamed with dates": {func(b *bench) {
			b.write("", "a\n")
			time.Sleep(soon)
			b.rename("app.log-20260101")
			b.write("app.log-20260103", "c\n")
			b.write("app.log-20260102", "b\n")
			b.write("app.log-20251231", "old\n")
			b.write("", "d\n")
		}, []string{"a", "b", "c", "d"}},
		"renamed with numbers that grow": {func(b *bench) {
			grow(b, soon)
		}, []string{"1", "2", "3", "4", "5"}},
		"renamed with numbers that grow, between two looks": {func(b *bench) {
			b.write("", "0\n")
			time.Sleep(soon)
			old := time.Now().Add(-2 * time.Hour)
			b.must(os.Chtimes(b.path, old, old))
			b.rename("app.log.0")
			grow(b, 0)
		}, []string{"0", "1", "2", "3", "4", "5"}},
		"deleted and made again": {func(b *bench) {
			b.write("", "a\n")
			time.Sleep(soon)
			b.write("", "b\n")
			b.must(os.Remove(b.path))
			time.Sleep(soon)
			b.write("", "c\n")
		}, []string{"a", "b", "c"}},
		"deleted while it is quiet": {func(b *bench) {
			b.write("", "a\n")
			time.Sleep(5 * time.Minute)
			b.must(os.Remove(b.path))
			time.Sleep(5 * time.Minute)
			b.write("", "b\n")
		}, []string{"a", "b"}},
		"replaced by a copy that has grown": {func(b *bench) {
			b.write("", head+"a\n")
			time.Sleep(soon)
			b.write("new", head+"a\nb\n")
			b.must(os.Rename(filepath.Join(b.dir, "new"), b.path))
		}, []string{head[:80], "a", "b"}},
		"away for a while": {func(b *bench) {
			b.write("", head+"a\n")
			time.Sleep(soon)
			b.rename("aside")
			time.Sleep(5 * time.Minute)
			b.must(os.Rename(filepath.Join(b.dir, "aside"), b.path))
			b.write("", "b\n")
		}, []string{head[:80], "a", "b"}},
		"cut off": {func(b *bench) {
			b.write("", head+"a\n")
			time.Sleep(soon)
			b.cut("app.log.1")
			b.write("", "b\n")
		}, []string{head[:80], "a", "b"}},
		"cut off with lines that were not read": {func(b *bench) {
			b.write("", head+"a\n")
			time.Sleep(soon)
			b.write("", "b\nc\n")
			b.cut("app.log.1")
			b.write("", "d\n")
		}, []string{head[:80], "a", "b", "c", "d"}},
		"cut off and grown longer": {func(b *bench) {
			b.write("", head+"a\n")
			time.Sleep(soon)
			b.cut("")
			b.write("", strings.Repeat("b", 500)+"\n")
		}, []string{head[:80], "a", strings.Repeat("b", 500)}},
		"cut off under a program that does not append": {func(b *bench) {
			f, err := os.Create(b.path)
			b.must(err)
			defer f.Close()
			_, err = f.WriteString(head + "a\n")
			b.must(err)
			time.Sleep(soon)
			b.cut("")
			_, err = f.WriteString("b\n") // behind a hole
			b.must(err)
			time.Sleep(soon)
			_, err = f.WriteString("c\n")
			b.must(err)
			time.Sleep(soon)
		}, []string{head[:80], "a", "b", "c"}},
		"a last line is waited for": {func(b *bench) {
			b.write("", "a")
			time.Sleep(50 * time.Second)
			b.write("", "b")
			time.Sleep(50 * time.Second)
			b.write("", "c\nd")
			time.Sleep(2 * time.Minute)
			b.write("", "e\n")
		}, []string{"abc", "d", "e"}},
		"quiet for long": {func(b *bench) {
			b.write("", "a\n")
			time.Sleep(time.Hour)
			b.write("", "b\n")
			time.Sleep(time.Hour)
			b.rename("app.log.1")
			b.write("app.log.1", "c\n")
			b.write("", "d\n")
		}, []string{"a", "b", "c", "d"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.tailer()
				tc.run(b)
				time.Sleep(2 * time.Minute)
				b.want(tc.want...)
			})
		})
	}
}

// Files come and go while no tailer runs.
func TestRestart(t *testing.T) {
	head := strings.Repeat("h", 80) + "\n"
	for name, tc := range map[string]struct {
		between func(b *bench)
		want    []string
	}{
		"nothing":              {func(b *bench) {}, nil},
		"written":              {func(b *bench) { b.write("", "b\n") }, []string{"b"}},
		"renamed":              {func(b *bench) { b.write("", "b\n"); b.rename("app.log.1"); b.write("", "c\n") }, []string{"b", "c"}},
		"renamed, nothing new": {func(b *bench) { b.write("", "b\n"); b.rename("app.log.1") }, []string{"b"}},
		"renamed twice": {func(b *bench) {
			b.write("", "b\n")
			b.rename("app.log.2")
			b.write("app.log.1", "c\n")
			b.write("", "d\n")
		}, []string{"b", "c", "d"}},
		"cut off": {func(b *bench) { b.write("", "b\n"); b.cut("app.log.1"); b.write("", "c\n") }, []string{"b", "c"}},
		"cut off and grown longer": {func(b *bench) {
			b.write("", "b\n")
			b.cut("app.log.1")
			b.write("", strings.Repeat("c", 500)+"\n")
		}, []string{"b", strings.Repeat("c", 500)}},
		"cut off, written anew and renamed": {func(b *bench) {
			b.write("", "b\n")
			b.cut("")
			b.write("", "c\n")
			b.rename("app.log.1")
			b.write("", "d\n")
		}, []string{"c", "d"}},
		"another log with its inode": {func(b *bench) {
			b.cut("")
			b.write("", "not c\n")
			b.rename("web.log")
			b.write("", "c\n")
		}, []string{"c"}},
		"made again": {func(b *bench) { b.must(os.Remove(b.path)); b.write("", "c\n") }, []string{"c"}},
		"made again, longer": {func(b *bench) {
			b.must(os.Remove(b.path))
			b.write("", strings.Repeat("c", 500)+"\n")
		}, []string{strings.Repeat("c", 500)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				stop := b.tailer()
				b.write("", head+"a\n")
				time.Sleep(soon)
				b.want(head[:80], "a")
				b.sink.AckAll()
				journal := b.journal()
				stop()
				tc.between(b)
				b.openPositions(journal)
				b.sink = tailtest.NewSink()
				b.tailer()
				time.Sleep(2 * time.Minute)
				b.want(tc.want...)
			})
		})
	}
}

// A file of which nothing was read is found by its inode, which a log that is made after it is gone may have.
func TestRestartUnread(t *testing.T) {
	for renamed, want := range map[string][]string{
		"app.log.1":      {"a", "b"},
		"app-1.log":      {"a", "b"},
		"web.log":        {"b"},
		"app-worker.log": {"b"},
	} {
		t.Run(renamed, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				stop := b.tailer()
				b.write("", "")
				time.Sleep(soon)
				journal := b.journal()
				stop()
				b.write("", "a\n")
				b.rename(renamed)
				b.write("", "b\n")
				b.openPositions(journal)
				b.tailer()
				time.Sleep(2 * time.Minute)
				b.want(want...)
			})
		})
	}
}

func TestFromEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.options.FromEnd = true
		b.write("", "old\nlast")
		stop := b.tailer()
		time.Sleep(soon)
		b.want()
		// A crash before the first line is delivered does not make the beginning later.
		stop()
		b.write("", " line\nnew\n")
		b.openPositions(b.journal())
		b.tailer()
		time.Sleep(soon)
		b.want("last line", "new")
	})
}

// A file that was not there, or was made since, has nothing old.
func TestFromEndOfNewFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.options.FromEnd = true
		b.tailer()
		time.Sleep(soon)
		b.write("", "a\n")
		time.Sleep(soon)
		b.want("a")
	})
	b := newBench(t)
	b.options.FromEnd = true
	b.options.Begin = time.Now().Add(-time.Hour).UnixNano()
	b.write("", "a\n")
	b.tailer()
	b.await(1)
	b.want("a")
}

// patience is how long a test waits in real time for what a slow machine may take long to do.
const patience = 5 * time.Minute

// await waits until so many lines have come.
func (b *bench) await(lines int) {
	b.t.Helper()
	for end := time.Now().Add(patience); len(b.sink.Lines()) < lines; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			if lines := b.sink.Lines(); len(lines) > 0 {
				b.t.Logf("the last line is %.20q", lines[len(lines)-1])
			}
			b.t.Fatalf("%d lines came, want %d", len(b.sink.Lines()), lines)
		}
	}
}

func TestLegacy(t *testing.T) {
	for name, tc := range map[string]struct {
		labels, offset string
		want           []string
	}{
		"promtail":                 {"", "2", []string{"b", "c"}},
		"in the middle of a line":  {"", "3", []string{"b", "c"}},
		"at the end":               {"", "6", nil},
		"of a longer file":         {"", "7", []string{"a", "b", "c"}},
		"alloy":                    {`{stream="s"}`, "4", []string{"c"}},
		"alloy, with other labels": {`{x="y"}`, "4", []string{"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.write("", "a\nb\nc\n")
				text := "positions:\n  " + b.path + ": \"" + tc.offset + "\"\n"
				if tc.labels != "" {
					text = "positions:\n  ? path: " + b.path + "\n    labels: '" + tc.labels + "'\n  : \"" + tc.offset + "\"\n"
				}
				legacy, bad, err := positionsyml.Parse([]byte(text))
				if err != nil || bad > 0 {
					t.Fatal(err, bad)
				}
				b.options.Legacy = legacy
				b.tailer()
				time.Sleep(soon)
				b.want(tc.want...)
			})
		})
	}
}

func TestPacked(t *testing.T) {
	pack := map[string]func(string) []byte{
		"gz": func(s string) []byte {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, _ = w.Write([]byte(s))
			_ = w.Close()
			return b.Bytes()
		},
		"z": func(s string) []byte {
			var b bytes.Buffer
			w := zlib.NewWriter(&b)
			_, _ = w.Write([]byte(s))
			_ = w.Close()
			return b.Bytes()
		},
		"bz2": func(string) []byte { return bz2Lines },
	}
	for format, pack := range pack {
		t.Run(format, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.options.Decompression = format
				b.options.InitialDelay = 10 * time.Second
				packed := pack("one\ntwo\nthree\n")
				b.must(os.WriteFile(b.path, packed[:len(packed)/2], 0o640))
				stop := b.tailer()
				time.Sleep(5 * time.Second)
				b.want()
				time.Sleep(time.Minute) // a part cannot be read, and is no harm
				b.must(os.WriteFile(b.path, packed, 0o640))
				time.Sleep(2 * time.Minute)
				b.want("one", "two", "three")
				b.sink.AckAll()
				stop()
				b.openPositions(b.journal())
				b.tailer()
				time.Sleep(2 * time.Minute)
				b.want("one", "two", "three")
			})
		})
	}
}

// A position in a packed file is one of what it holds.
func TestPackedRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.options.Decompression = "gz"
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		var want []string
		for i := range 40_000 {
			line := strings.Repeat(string(rune('a'+i%26)), 20)
			want = append(want, line)
			_, _ = w.Write([]byte(line + "\n"))
		}
		_ = w.Close()
		b.must(os.WriteFile(b.path, packed.Bytes(), 0o640))
		open := b.sink.Block()
		stop := b.tailer()
		time.Sleep(soon)
		open()
		time.Sleep(soon)
		n := len(b.sink.Lines())
		b.sink.Ack(3)
		acked := b.sink.Acked()
		if n != len(want) || acked == 0 || acked == n {
			t.Fatalf("%d lines came and %d are acknowledged, of %d", n, acked, len(want))
		}
		times := b.sink.Times()
		journal := b.journal()
		stop()
		b.openPositions(journal)
		b.sink = tailtest.NewSink()
		b.tailer()
		time.Sleep(soon)
		b.want(want[acked:]...)
		for i, at := range b.sink.Times() {
			if at != times[acked+i] {
				t.Fatalf("line %d has another time", acked+i)
			}
		}
	})
}

// bz2Lines is what bzip2 makes of "one\ntwo\nthree\n".
var bz2Lines = []byte("\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x08\x7b\x7d\xd7\x00\x00\x04\xc1\x80\x00\x10\x02\x41\x94\x80\x20\x00\x31\x0c\x08\x21\xa3\xd4\xc8\x85\x47\x32\x38\xa8\xf1\x77\x24\x53\x85\x09\x00\x87\xb7\xdd\x70")

// A position goes with its file, and not with its target alone.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		key := "files/out/" + b.path
		b.write("", "a\n")
		b.runUntilGone(func() { time.Sleep(soon) })
		b.sink.AckAll()
		if b.positions.Acked(key).IsZero() {
			t.Error("the position of a file that is there is forgotten")
		}
		b.runUntilGone(func() {
			time.Sleep(soon)
			b.write("", "b\n")
			time.Sleep(soon)
			b.write("", "c") // it is open now
			b.must(os.Remove(b.path))
		})
		b.want("a", "b", "c")
		if b.positions.Acked(key).IsZero() {
			t.Error("the position is forgotten before all is acknowledged")
		}
		b.sink.AckAll()
		if !b.positions.Acked(key).IsZero() {
			t.Error("the position of a file that is gone is kept")
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.must(os.Mkdir(b.path, 0o700))
		b.tailer()
		time.Sleep(time.Minute)
		if log := b.log.String(); strings.Count(log, "not a regular file") != 1 {
			t.Errorf("the log says:\n%s", log)
		}
		b.must(os.Remove(b.path))
		b.write("", "a\n")
		time.Sleep(time.Minute)
		b.want("a")
	})
}
