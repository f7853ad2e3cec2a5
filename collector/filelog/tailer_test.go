package filelog_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"

	"lighter"
	"lighter/collector/filelog"
	"lighter/collector/position"
	"lighter/collector/tail"
)

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.say("before")
		r := b.tail()
		b.expect("out: before")
		k40 := strings.Repeat("x", 40<<10)
		b.say("")
		b.write(b.now+1, "stderr", `oops "<&>" 😀`)
		b.say(k40)
		b.pieces(b.now+5, "stdout", "bye")
		want := []string{"out: before", "out: ", `err: oops "<&>" 😀`, "out: " + k40}
		b.expect(want...)
		b.containers.set(false, false)
		b.expect(append(want, "out: bye")...)
		if err := <-r.ended; err != tail.ErrStopped {
			t.Errorf("err = %v, want %v", err, tail.ErrStopped)
		}
		if n := b.counter("lighter_log_lines_read_total"); n != 5 {
			t.Errorf("lines read = %v, want 5", n)
		}
		if st := r.Status(); st.State != tail.Stopped || st.Read != 5 || st.LastError != "" {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.tty = true
		k40 := strings.Repeat("x", 40<<10)
		b.say("hello\r", "10%\r20%\r\r", k40+"\r")
		b.pieces(b.now+1, "stdout", "$ ")
		b.containers.set(false, false)
		r := b.tail()
		b.expect("out: hello", "out: 10%\r20%\r", "out: "+k40, "out: $ ")
		if err := <-r.ended; err != tail.ErrStopped {
			t.Errorf("err = %v, want %v", err, tail.ErrStopped)
		}
	})
}

func TestPieces(t *testing.T) {
	k16 := strings.Repeat("x", 16<<10)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.options.MaxLineBytes = 20 << 10
		b.record(b.now, "stdout", k16)
		b.record(b.now+1, "stderr", "oops\n") // between the pieces
		b.record(b.now, "stdout", "end\n")
		b.record(b.now+2, "stdout", k16) // without an end: the container was killed
		b.record(b.now+3, "stdout", "next\n")
		b.record(b.now+4, "stdout", k16)
		b.record(b.now+4, "stdout", k16)
		b.record(b.now+4, "stdout", "\n")
		b.tail()
		b.expect("err: oops", "out: "+k16+"end", "out: "+k16, "out: next", "out: "+k16+strings.Repeat("x", 4<<10-8)+"…[cut]")
		if n := b.counter("lighter_log_lines_truncated_total"); n != 1 {
			t.Errorf("truncated = %v, want 1", n)
		}
	})
}

func TestALineThatIsNotWrittenWholeYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.tail()
		line := jsonLine(b.now, "stdout", "hello\n")
		b.raw(line[:20])
		b.expect()
		b.raw(line[20 : len(line)-1])
		b.expect()
		b.raw("\n" + jsonLine(b.now+1, "stdout", "world\n"))
		b.expect("out: hello", "out: world")
		if n := b.counter("lighter_log_lines_broken_total"); n != 0 {
			t.Errorf("broken = %v, want 0", n)
		}
	})
}

func TestLongRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.options.MaxLineBytes = 1 << 20
		control := strings.Repeat("\x01", 16<<10) // six bytes each in the file
		long := strings.Repeat("y", 300<<10)
		b.say("one", control, "two")
		b.record(b.now+1, "stdout", long+"\n") // the configuration of other drivers allows it
		b.say("three")
		b.tail()
		b.expect("out: one", "out: "+control, "out: two", "out: "+long, "out: three")
	})
}

func TestBrokenLines(t *testing.T) {
	for name, tc := range map[string]struct {
		write  func(b *bench)
		want   []string
		broken float64
	}{
		"cut short, and the next on the same line": {func(b *bench) { b.raw(`{"log":"lost","stre`); b.say("two") }, []string{"out: two"}, 1},
		"cut short, and the next on its own":       {func(b *bench) { b.raw(`{"log":"lost","stre` + "\n"); b.say("two") }, []string{"out: two"}, 1},
		"zeros":                                    {func(b *bench) { b.raw(strings.Repeat("\x00", 5000)); b.say("two") }, []string{"out: two"}, 1},
		"two megabytes of it":                      {func(b *bench) { b.raw(strings.Repeat("\x00", 2<<20)); b.say("two", "three") }, []string{"out: two", "out: three"}, 1},
		"no log at all":                            {func(b *bench) { b.raw("hello\nworld\n\n"); b.say("two") }, []string{"out: two"}, 2},
		"another log's stream":                     {func(b *bench) { b.record(b.now, "stdin", "x\n"); b.say("two") }, []string{"out: two"}, 1},
		"cut at the end of a file": {func(b *bench) {
			b.maxFile = 3
			b.raw(`{"log":"password","stre`)
			b.rotate()
			b.say("two")
		}, []string{"out: two"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.say("one")
				tc.write(b)
				b.tail()
				b.expect(append([]string{"out: one"}, tc.want...)...)
				if n := b.counter("lighter_log_lines_broken_total"); n != tc.broken {
					t.Errorf("broken = %v, want %v", n, tc.broken)
				}
				b.said(1, "is damaged and is skipped")
				b.said(0, "password")
				b.restart(true) // nothing is acknowledged: everything is read again, in the same way
				b.tail()
				b.expect(append([]string{"out: one"}, tc.want...)...)
			})
		})
	}
}

func TestTruncated(t *testing.T) {
	for name, after := range map[string][]string{
		"shorter":            {"new"},
		"longer than before": {"new", strings.Repeat("x", 1000), "newer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.say("one", "two", "three")
				b.tail()
				b.expect("out: one", "out: two", "out: three")
				b.must(os.Truncate(b.path, 0))
				b.say(after...)
				want := []string{"out: one", "out: two", "out: three"}
				for _, line := range after {
					want = append(want, "out: "+line)
				}
				b.expect(want...)
				b.said(1, "truncated")
			})
		})
	}
}

// A running container has a log: if its file is missing, that is logged once, and the Tailer waits for it.
func TestNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.tail()
		synctest.Wait()
		if st := r.Status(); st.State != tail.Opening {
			t.Errorf("state = %s, want %s: the Engine may be rotating", st.State, tail.Opening)
		}
		time.Sleep(time.Minute)
		if st := r.Status(); st.State != tail.Broken || !strings.Contains(st.LastError, b.path) || !strings.Contains(st.LastError, lighter.SettingDockerRoot) {
			t.Errorf("status = %+v", st)
		}
		b.said(1, "cannot be read")
		b.say("one")
		r.Wake()
		b.expect("out: one")
		b.said(1, "read again")
		if st := r.Status(); st.State != tail.Following {
			t.Errorf("state = %s, want %s", st.State, tail.Following)
		}
	})
}

func TestNeverStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.containers.set(false, false)
		if err := <-b.tail().ended; err != tail.ErrStopped {
			t.Errorf("err = %v, want %v", err, tail.ErrStopped)
		}
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.say("one")
		b.pieces(b.now+1, "stdout", "last words")
		b.containers.set(false, false)
		if err := <-b.tail().ended; err != tail.ErrStopped {
			t.Fatalf("err = %v, want %v", err, tail.ErrStopped)
		}
		b.close()
		b.containers.set(true, false)
		b.say("two")
		b.tail()
		b.expect("out: one", "out: last words", "out: two")
	})
}

// A bookmark is computed from bytes that may have been unescaped in place. The hashed bytes are those of
// the file.
func TestBookmarkDescribesTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range 50 {
			b.now -= b.now % 1e9 // the shortest possible time
			b.say(strings.Repeat(`"<`, i))
			b.write(b.now+1e9-b.now%1e9, "stderr", "")
		}
		b.tail()
		time.Sleep(5 * time.Second)
		file, err := os.ReadFile(b.path)
		b.must(err)
		want := position.Bookmark{Offset: int64(len(file)), Sum: crc32.ChecksumIEEE(file[len(file)-40:])}
		got := b.positions.Cursor(b.id).Bookmark()
		got.Inode = 0
		if got != want {
			t.Errorf("bookmark = %+v, want %+v", got, want)
		}
	})
}

func TestQuickRestartIsFollowedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.tail()
		b.say("one")
		b.pieces(b.now+1, "stderr", "last words")
		b.expect("out: one")
		b.close()
		b.write(b.now+2, "stderr", "two")
		b.expect("out: one", "err: last words", "err: two")
	})
}

func TestRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.tail()
		b.say("one")
		b.expect("out: one")
		b.say("two") // and at once it is gone
		b.must(os.Remove(b.path))
		b.containers.set(false, true)
		b.expect("out: one", "out: two")
		if err := <-r.ended; err != lighter.ErrGone {
			t.Errorf("err = %v, want %v", err, lighter.ErrGone)
		}
	})
}

func TestFirstSightBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.maxFile = 5
		b.write(b.now-7200e9, "stdout", "very old")
		b.rotate()
		b.write(b.now-3600e9, "stdout", "old")
		b.write(b.now-60e9, "stdout", "new")
		b.options.Begin = b.now - 600e9
		b.tail()
		b.expect("out: new")
		if n := b.counter("lighter_log_gaps_total"); n != 0 {
			t.Errorf("gaps = %v, want 0", n)
		}
	})
}

// If the clock was set back, and the line with the greatest time before that is rotated away, everything in
// the log arrives: without a bookmark it is unknown which of it was delivered.
func TestClockSetBackAndRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.say("one", "two")
		b.openPositions(fmt.Appendf(nil, `{"id":%q,"t":%d,"n":3,"low":%d}`+"\n", b.id, b.now+3600e9, b.now))
		b.say("three")
		b.tail()
		b.expect("out: one", "out: two", "out: three")
		b.sink.Ack(3)
		b.say("four")
		b.expect("out: one", "out: two", "out: three", "out: four")
	})
}

// If the clock was set back while nobody read, a position without a bookmark is found by its line, whatever
// the files end with.
func TestClockSetBackWhileAway(t *testing.T) {
	for name, write := range map[string]func(b *bench){
		"in one file":             func(b *bench) { b.say("three") },
		"in files of its own":     func(b *bench) { b.rotate(); b.say("three"); b.rotate(); b.say("four") },
		"in the position's file":  func(b *bench) { b.say("three"); b.rotate(); b.say("four") },
		"and no line since":       func(b *bench) { b.rotate() },
		"and it caught up":        func(b *bench) { b.say("three"); b.now += 7200e9; b.say("four") },
		"and it caught up later":  func(b *bench) { b.say("three"); b.rotate(); b.say("four"); b.now += 7200e9; b.say("five") },
		"and again":               func(b *bench) { b.say("three"); b.now -= 3600e9; b.say("four"); b.rotate(); b.say("five") },
		"and was there once more": func(b *bench) { b.say("three"); b.now += 3600e9 + 1; b.rotate(); b.say("four") },
	} {
		for _, compress := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, compress=%t", name, compress), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t)
					b.maxFile, b.compress = 5, compress
					b.say("zero")
					b.rotate()
					b.now += 60e9
					b.say("one", "two")
					r := b.tail()
					b.expect(b.written...)
					b.sink.Ack(1000)
					if err := r.stop(); err != nil {
						t.Fatal(err)
					}
					b.restart(false)
					b.written = nil
					b.now -= 3600e9
					write(b)
					b.tail()
					b.expect(b.written...)
					b.say("last")
					b.expect(b.written...)
					if n := b.counter("lighter_log_gaps_total"); n != 0 {
						t.Errorf("gaps = %v, want 0", n)
					}
				})
			})
		}
	}
}

// If the position's line is gone, too, everything there is arrives.
func TestClockSetBackAndLineGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.say("one")
		r := b.tail()
		b.expect("out: one")
		b.sink.Ack(1)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		b.restart(true)
		b.now -= 3600e9
		b.rotate()
		b.say("two", "three")
		b.tail()
		b.expect("out: two", "out: three")
		if n := b.counter("lighter_log_gaps_total"); n != 1 {
			t.Errorf("gaps = %v, want 1", n)
		}
	})
}

// If somebody has removed the file with the position's line, the files before it are not read again.
func TestPositionsFileRemoved(t *testing.T) {
	for name, then := range map[string]func(b *bench){
		"and nothing since":   func(*bench) {},
		"and a file since":    func(b *bench) { b.open() },
		"and lines since":     func(b *bench) { b.say("new") },
		"and a rotation, too": func(b *bench) { b.say("new"); b.rotate() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				time.Sleep(time.Duration(b.now+3600e9) - time.Duration(time.Now().UnixNano())) // the lines are in the past
				b.maxFile = 4
				b.say("zero")
				b.rotate()
				b.say("one")
				b.rotate()
				b.say("two")
				r := b.tail()
				b.expect(b.written...)
				b.sink.Ack(1000)
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				b.must(os.Remove(b.path))
				b.close()
				b.restart(true)
				b.written = nil
				then(b)
				b.tail()
				b.expect(b.written...)
			})
		})
	}
}

// A temporary disk error does not make a file count as truncated.
func TestReadErrorIsNoTruncation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.say("one")
		b.tail()
		b.expect("out: one")
		b.denyReading()
		b.say("two")
		b.expect("out: one", "out: two")
		b.said(0, "truncated")
		b.said(1, "cannot be read")
	})
}

// denyReading reopens the file for writing only, if it is open for reading.
func (b *bench) denyReading() {
	b.t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	b.must(err)
	for _, e := range open {
		fd, err := strconv.Atoi(e.Name())
		b.must(err)
		if name, _ := os.Readlink("/proc/self/fd/" + e.Name()); name != b.path || fd == int(b.file.Fd()) {
			continue
		}
		b.must(unix.Dup3(int(b.file.Fd()), fd, unix.O_CLOEXEC))
	}
}

func TestOldLogIsNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write(b.now-3600e9, "stdout", "old")
		b.options.Begin = b.now
		b.tail()
		b.expect()
		b.say("new")
		b.expect("out: new")
	})
}

// A log that cannot be read is reported once, however often it is tried, and once when it can be read
// again.
func TestUnreadableFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.must(os.Mkdir(b.path, 0o700)) // root could read a file without permissions
		r := b.tail()
		b.expect()
		if st := r.Status(); st.State != tail.Broken || !strings.Contains(st.LastError, "is a directory") {
			t.Errorf("status = %+v", st)
		}
		b.must(os.Remove(b.path))
		b.say("one")
		time.Sleep(time.Minute)
		b.expect("out: one")
		b.said(1, "cannot be read")
		b.said(1, "read again")
		if n := testutil.ToFloat64(b.options.Metrics.Reopens.Broken); n < 2 {
			t.Errorf("attempts = %v, want several", n)
		}
	})
}

func TestFullSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		open := b.sink.Block()
		r := b.tail()
		b.say("one")
		b.expect()
		if st := r.Status(); st.State != tail.Waiting {
			t.Errorf("state = %s, want %s", st.State, tail.Waiting)
		}
		b.say("two")
		b.rotate() // the old file is gone, but open
		b.say("three")
		open()
		b.expect("out: one", "out: two", "out: three")
		if st := r.Status(); st.State != tail.Following {
			t.Errorf("state = %s, want %s", st.State, tail.Following)
		}
	})
}

func TestStopWhileFullHandsOnNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		open := b.sink.Block()
		r := b.tail()
		b.say("one")
		b.expect()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if read, oldest := b.positions.Cursor(b.id).Read(), b.positions.Oldest(); oldest != 0 || read.Lines != 0 {
			t.Errorf("read = %s, and a line of %d waits: what was not handed on must be read again", read, oldest)
		}
		open()
		b.tail()
		b.expect("out: one")
	})
}

// A log that is written all the time is read in steps, but the first line after a pause at once.
func TestSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.tail()
		synctest.Wait()
		for i := range 100 {
			b.say("x")
			r.Wrote()
			synctest.Wait()
			if n := len(b.sink.Lines()); i == 0 && n != 1 {
				t.Fatalf("the first line is not read at once: %d", n)
			}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond)
		if n := b.sink.Batches(); n < 9 || n > 12 || len(b.sink.Lines()) != 100 {
			t.Errorf("%d lines in %d batches, want 100 in about 10", len(b.sink.Lines()), n)
		}
	})
}

func TestPath(t *testing.T) {
	for _, tc := range []struct{ root, logPath, want string }{
		{"/var/lib/docker", "/var/lib/docker/containers/ID/ID-json.log", "/var/lib/docker/containers/ID/ID-json.log"},
		{"/var/lib/docker/", "/var/lib/docker/1000.1000/containers/ID/ID-json.log", "/var/lib/docker/1000.1000/containers/ID/ID-json.log"},
		{"/mnt", "/data/docker/containers/ID/ID-json.log", "/mnt/containers/ID/ID-json.log"},
		{"/mnt", "", "/mnt/containers/ID/ID-json.log"},
	} {
		c := lighterContainer("ID", tc.logPath)
		if got := filelog.Path(tc.root, c); got != tc.want {
			t.Errorf("%s, %s: %s, want %s", tc.root, tc.logPath, got, tc.want)
		}
	}
}

func TestReadable(t *testing.T) {
	b := newBench(t)
	c := lighterContainer(b.id, "")
	c.LogDriver = "json-file"
	if err := filelog.Readable(b.options.Root, c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	b.say("one")
	if err := filelog.Readable(b.options.Root, c); err != nil {
		t.Error(err)
	}
	c.LogDriver = "local"
	if err := filelog.Readable(b.options.Root, c); err == nil || !strings.Contains(err.Error(), "local") {
		t.Errorf("another driver: %v", err)
	}
}

func lighterContainer(id, logPath string) *lighter.Container {
	return &lighter.Container{ID: id, LogPath: logPath}
}
