package filelog_test

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/collector/filelog"
	"lighter/collector/inotify"
	"lighter/collector/tail"
)

// numbered returns the lines with the numbers of a range, as say takes them and as a sink shows them.
func numbered(from, to int) (lines, shown []string) {
	for n := from; n <= to; n++ {
		line := fmt.Sprintf("line %d %s", n, strings.Repeat("x", n%50))
		lines, shown = append(lines, line), append(shown, "out: "+line)
	}
	return lines, shown
}

// eachRotation runs a test for each way in which the Engine rotates.
func eachRotation(t *testing.T, test func(t *testing.T, b *bench)) {
	for name, set := range map[string]func(d *driver){
		"max-file=1":                           func(d *driver) { d.maxFile = 1 },
		"max-file=2":                           func(d *driver) { d.maxFile = 2 },
		"max-file=5":                           func(d *driver) { d.maxFile = 5 },
		"max-file=2, compressed":               func(d *driver) { d.maxFile, d.compress = 2, true },
		"max-file=5, compressed":               func(d *driver) { d.maxFile, d.compress = 5, true },
		"max-file=5, compressed after a while": func(d *driver) { d.maxFile, d.compress, d.later = 5, true, true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				set(b.driver)
				test(t, b)
			})
		})
	}
}

func TestRotationWhileFollowing(t *testing.T) {
	eachRotation(t, func(t *testing.T, b *bench) {
		b.tail()
		var want []string
		for i := range 12 {
			lines, shown := numbered(i*10, i*10+9)
			b.say(lines[:5]...)
			time.Sleep(2 * time.Second)
			b.say(lines[5:]...) // not read yet
			b.rotate()
			want = append(want, shown...)
			b.expect(want...)
		}
		if n := b.counter("lighter_log_gaps_total"); n != 0 {
			t.Errorf("gaps = %v, want 0", n)
		}
	})
}

// Files that were rotated while reading stood still are read later, as far as the Engine still has them.
func TestCatchingUp(t *testing.T) {
	eachRotation(t, func(t *testing.T, b *bench) {
		var want []string
		r := b.tail()
		for i := range 4 {
			lines, shown := numbered(i*100, i*100+99)
			b.say(lines[:50]...)
			b.expect(append(want, shown[:50]...)...)
			open := b.sink.Block()
			b.say(lines[50])
			time.Sleep(2 * time.Second) // it is read, and held
			for n, line := range lines[51:] {
				if n%12 == 11 && n/12 < b.maxFile-1 {
					b.rotate()
				}
				b.say(line)
			}
			b.rotate() // the open file may be deleted now; the next is .1
			if b.maxFile > 1 {
				b.say()
			}
			open()
			want = append(want, shown...)
			b.expect(want...)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if n := b.counter("lighter_log_gaps_total"); n != 0 {
			t.Errorf("gaps = %v, want 0", n)
		}
	})
}

// A restarted agent continues at the acknowledged line, whether the file is in its old place, rotated or
// packed, and whether or not the position has a bookmark.
func TestRestartAfterRotations(t *testing.T) {
	for _, bookmark := range []bool{true, false} {
		for rotations := range 4 {
			t.Run(fmt.Sprintf("bookmark=%t, rotations=%d", bookmark, rotations), func(t *testing.T) {
				eachRotation(t, func(t *testing.T, b *bench) {
					if rotations >= b.maxFile {
						t.Skip("the Engine keeps less")
					}
					lines, shown := numbered(0, 99)
					b.say(lines[:10]...)
					if b.maxFile > rotations+1 {
						b.rotate()
					}
					b.say(lines[10:20]...)
					r := b.tail()
					b.expect(shown[:20]...)
					b.sink.Ack(1000)
					b.say(lines[20:30]...)
					b.expect(shown[:30]...) // ten of them are not acknowledged
					if err := r.stop(); err != nil {
						t.Fatal(err)
					}
					for i := range rotations {
						b.say(lines[30+i*10 : 40+i*10]...)
						b.rotate()
					}
					b.say(lines[30+rotations*10:]...)
					b.restart(bookmark)
					b.tail()
					b.expect(shown[20:]...)
					if n := b.counter("lighter_log_gaps_total"); n != 0 {
						t.Errorf("gaps = %v, want 0", n)
					}
				})
			})
		}
	}
}

// Lines that the Engine deleted while the agent was away are reported.
func TestGapWhileAway(t *testing.T) {
	eachRotation(t, func(t *testing.T, b *bench) {
		r := b.tail()
		b.say("one")
		b.expect("out: one")
		b.sink.Ack(1)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		for range b.maxFile + 1 {
			b.now += 60e9
			b.say("two")
			b.rotate()
		}
		b.say("three")
		b.restart(true)
		b.tail()
		time.Sleep(5 * time.Second)
		if got := b.sink.Lines(); len(got) == 0 || got[len(got)-1] != "out: three" {
			t.Errorf("lines = %q", got)
		}
		if n := b.counter("lighter_log_gaps_total"); n != 1 {
			t.Errorf("gaps = %v, want 1", n)
		}
		b.said(1, "lines are lost")
	})
}

// Rotations while nothing can be handed on lose no line that the Engine still has, in real time and with
// inotify: neither of the open file nor of those that exist when reading continues.
func TestRotationsWhileFull(t *testing.T) {
	for _, maxFile := range []int{1, 3} {
		for _, compress := range []bool{false, true} {
			for _, rotations := range []int{maxFile - 1, maxFile, maxFile + 1, maxFile + 2} { // from maxFile+1 on some are lost
				t.Run(fmt.Sprintf("max-file=%d, compress=%t, rotations=%d", maxFile, compress, rotations), func(t *testing.T) {
					b := newWatchedBench(t)
					b.maxFile, b.compress = maxFile, compress && maxFile > 1
					b.say("one")
					b.tail((*filelog.Tailer).DisregardClock)
					b.within("first line", func() bool { return len(b.sink.Lines()) == 1 })
					open := b.sink.Block()
					b.say("two")
					<-b.sink.Asked()
					b.say("three") // in the file that is open
					want := []string{"out: one", "out: two", "out: three"}
					for n := range rotations {
						b.rotate()
						b.say(fmt.Sprint("more ", n))
						if n >= rotations-maxFile {
							want = append(want, fmt.Sprint("out: more ", n))
						}
					}
					b.say("end")
					want = append(want, "out: end")
					open()
					b.within("end", func() bool { return slices.Contains(b.sink.Lines(), "out: end") })
					if got := b.sink.Lines(); !slices.Equal(got, want) {
						t.Errorf("lines = %q, want %q", got, want)
					}
					if n := b.counter("lighter_log_gaps_total"); n != 0 && rotations <= maxFile {
						t.Errorf("gaps = %v, want 0", n)
					}
				})
			}
		}
	}
}

// removals are ways in which the Engine continues after somebody has removed the newest file.
var removals = map[string]func(b *bench){
	"restart": (*bench).close,
	"rotation": func(b *bench) {
		b.close()
		b.must(os.Rename(b.path+".2", b.path+".3"))
		b.must(os.Rename(b.path+".1", b.path+".2"))
	},
}

// If somebody removes the newest file after it was read, the files before it are not read again.
func TestNewestRemoved(t *testing.T) {
	for name, goOn := range removals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.maxFile = 4
				b.tail()
				b.newestRemoved(goOn, func(want ...string) { b.expect(want...) })
			})
		})
		t.Run(name+", watched", func(t *testing.T) {
			b := newWatchedBench(t)
			b.maxFile = 4
			b.tail((*filelog.Tailer).DisregardClock)
			b.newestRemoved(goOn, func(want ...string) {
				b.within("lines", func() bool { return slices.Equal(b.sink.Lines(), want) })
			})
		})
	}
}

func (b *bench) newestRemoved(goOn func(b *bench), expect func(want ...string)) {
	b.t.Helper()
	for range 2 {
		b.say("one", "two")
		expect(b.written...)
		b.rotate()
	}
	b.say("three")
	expect(b.written...)
	b.must(os.Remove(b.path))
	goOn(b)
	b.say("four")
	expect(b.written...)
	b.rotate()
	b.say("five")
	expect(b.written...)
	if n := b.counter("lighter_log_gaps_total"); n != 0 {
		b.t.Errorf("gaps = %v, want 0", n)
	}
}

// A clock that is set back makes no file an old one, even if nobody has counted the files.
func TestClockSetBackWhileFull(t *testing.T) {
	eachRotation(t, func(t *testing.T, b *bench) {
		b.tail()
		b.say("one")
		b.expect("out: one")
		open := b.sink.Block()
		b.say("two")
		time.Sleep(2 * time.Second) // it is read, and held
		b.say("three")
		b.now -= 3600e9
		for range b.maxFile { // the open file is deleted then
			b.rotate()
			b.say("four")
		}
		open()
		b.expect(b.written...)
	})
}

// Lines that were written after the last read of a file are not lost if the next file cannot be opened at
// once.
func TestNewerCannotBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.maxFile = 1
		b.say("one")
		r := b.tail()
		b.expect("out: one")
		open := b.sink.Block()
		b.say("two")
		time.Sleep(2 * time.Second) // it is read, and held
		b.say("three")
		b.rotate() // three is in a file without a name
		b.say("four")
		loop := b.path + ".1"
		b.must(os.Symlink(loop, loop))
		open()
		b.expect("out: one", "out: two", "out: three")
		if st := r.Status(); st.State != tail.Broken || !strings.Contains(st.LastError, "symbolic links") {
			t.Errorf("status = %+v", st)
		}
		b.must(os.Remove(loop))
		b.expect(b.written...)
		if st := r.Status(); st.State != tail.Following {
			t.Errorf("state = %s, want %s", st.State, tail.Following)
		}
		if n := b.counter("lighter_log_gaps_total"); n != 0 {
			t.Errorf("gaps = %v, want 0", n)
		}
	})
}

// Rotations whose events were lost are noticed when the Watcher reports that it has lost events.
func TestRotationsAfterOverflow(t *testing.T) {
	eachRotation(t, func(t *testing.T, b *bench) {
		w := inotify.NewWatcher(b.options.Logger) // does not run, so all events are lost
		defer func() { b.must(w.Close()) }()
		b.options.Watcher = w
		b.say("before")
		r := b.tail((*filelog.Tailer).DisregardClock)
		b.expect(b.written...)
		for i := range 3 {
			read := slices.Clone(b.written)
			for j := range b.maxFile { // as many as the Engine keeps besides the file that is open
				b.say(fmt.Sprintf("end of %d, %d", i, j))
				b.rotate()
				b.say(fmt.Sprintf("start of %d, %d", i, j+1))
			}
			b.expect(read...)
			r.Overflow()
			b.expect(b.written...)
		}
	})
}

// A log that inotify does not watch is checked nevertheless.
func TestUnwatched(t *testing.T) {
	b := newBench(t)
	b.tail((*filelog.Tailer).DisregardClock)
	for range 3 {
		b.say("line")
		b.within("line", func() bool { return slices.Equal(b.sink.Lines(), b.written) })
	}
}

func newWatchedBench(t *testing.T) *bench {
	b := newBench(t)
	b.watched()
	return b
}

// watched makes inotify wake the bench's Tailers.
func (b *bench) watched() {
	b.t.Helper()
	w := inotify.NewWatcher(slog.New(slog.NewTextHandler(b.log, nil)))
	done := make(chan error, 1)
	go func() { done <- w.Run(b.t.Context()) }()
	b.t.Cleanup(func() {
		if err := <-done; err != nil { // the context ends first
			b.t.Error(err)
		}
	})
	b.options.Watcher = w
}

// A log that is constantly written and rotated is read to the last line, woken by inotify.
func TestWatchedFlood(t *testing.T) {
	for _, maxFile := range []int{1, 3} {
		t.Run(fmt.Sprintf("max-file=%d", maxFile), func(t *testing.T) {
			b := newWatchedBench(t)
			b.maxFile = maxFile
			b.tail((*filelog.Tailer).DisregardClock)
			var want []string
			for i := range 15 {
				lines, shown := numbered(i*100, i*100+99)
				b.say(lines...)
				want = append(want, shown...)
				b.within("line", func() bool { return len(b.sink.Lines()) >= len(want)-50 })
				b.rotate() // the open file may not have been read to its end
			}
			b.within("last line", func() bool { return len(b.sink.Lines()) >= len(want) })
			if got := b.sink.Lines(); !slices.Equal(got, want) {
				t.Errorf("got %d lines, want %d in order", len(got), len(want))
			}
			if n := b.counter("lighter_log_gaps_total"); n != 0 {
				t.Errorf("gaps = %v, want 0", n)
			}
		})
	}
}

// Everything that happens to a log or its container wakes the Tailer, without the clock.
func TestWoken(t *testing.T) {
	b := newWatchedBench(t)
	b.maxFile = 2
	r := b.tail((*filelog.Tailer).DisregardClock)
	var want []string
	for i := range 5 {
		line := fmt.Sprint("line ", i)
		b.say(line) // the first makes the file
		want = append(want, "out: "+line)
		b.within("line", func() bool { return slices.Equal(b.sink.Lines(), want) })
		if i%2 == 1 {
			b.rotate()
		}
	}
	b.pieces(b.now+1, "stdout", "bye")
	b.containers.set(false, false)
	r.Wake()
	b.within("end", func() bool { return r.Status().State == tail.Stopped })
	if got := b.sink.Lines(); got[len(got)-1] != "out: bye" {
		t.Errorf("lines = %q", got)
	}
}
