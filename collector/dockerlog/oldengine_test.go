package dockerlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// The files of a log that is read in rounds, and of one that is followed although they are compressed.
var (
	small = lighter.LogFiles{MaxBytes: 100_000, Max: 3, Compressed: true}
	large = lighter.LogFiles{MaxBytes: 10_000_000, Max: 3, Compressed: true}
)

// scriptOf returns a script whose log is kept in such files, with a Tailer.
func scriptOf(t *testing.T, files lighter.LogFiles) *script {
	s := unreadScript(t)
	s.files = files
	s.tail()
	return s
}

// Lines that a follower would skip arrive, however fast the files change.
func TestRoundsSkipNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptOf(t, small)
		var want []string
		for i := range int64(200) {
			s.write(out(i*10_000, fmt.Sprint(i)))
			want = append(want, fmt.Sprint("out: ", i))
			s.rotate(0)
			s.reopen() // the follower continues with the newest file
			time.Sleep(10 * time.Millisecond)
		}
		s.expect(want...)
	})
}

// A log may be read in one way by one process and in the other by the next: the position after each line is
// the same.
func TestRoundsKeepThePositionsOfFollowing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var steps [][]record
		at := int64(0)
		for range 40 {
			var step []record
			for range 1 + r.IntN(4) {
				at += 1 + int64(r.IntN(2)*r.IntN(700_000))
				step = append(step, out(at, fmt.Sprint(at)))
				if r.IntN(2) == 0 { // written concurrently
					step = append(step, errs(at-int64(r.IntN(2)), fmt.Sprint(at)))
				}
			}
			steps = append(steps, step)
		}
		read := func(files func(i int) lighter.LogFiles, kill bool) (lines []string, places []position.Position) {
			synctest.Test(t, func(t *testing.T) {
				s := scriptOf(t, files(0))
				for i, step := range steps {
					s.write(step...)
					time.Sleep(time.Minute)
					synctest.Wait()
					s.sink.AckAll()
					places = append(places, s.positions.Acked(scriptID))
					if kill && i%5 == 4 {
						lines = append(lines, s.sink.Lines()...)
						s.files = files(i)
						s.kill()
					}
				}
				lines = append(lines, s.sink.Lines()...)
			})
			return lines, places
		}
		lines, places := read(func(int) lighter.LogFiles { return lighter.LogFiles{} }, false)
		inRounds, inRoundsPlaces := read(func(int) lighter.LogFiles { return small }, false)
		mixed, mixedPlaces := read(func(i int) lighter.LogFiles { return []lighter.LogFiles{small, {}}[i/5%2] }, true)
		if diff := cmp.Diff(lines, inRounds); diff != "" {
			t.Fatalf("lines (-followed +in rounds):\n%s", diff)
		}
		if diff := cmp.Diff(lines, mixed); diff != "" {
			t.Fatalf("lines (-followed +in turns):\n%s", diff)
		}
		if diff := cmp.Diff(places, inRoundsPlaces); diff != "" {
			t.Fatalf("positions (-followed +in rounds):\n%s", diff)
		}
		if diff := cmp.Diff(places, mixedPlaces); diff != "" {
			t.Fatalf("positions (-followed +in turns):\n%s", diff)
		}
	}
}

// Each of several lines with the same time and text arrives exactly once.
func TestRoundsRepeatNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptOf(t, small)
		s.write(out(1, "same"), piece(out(1, ""), "a "), piece(out(1, ""), "b\n"), out(1, "same"))
		s.expect("out: same", "out: a b", "out: same")
		s.write(out(1, "same"))
		s.expect("out: same", "out: a b", "out: same", "out: same")
		if n := testutil.ToFloat64(s.metrics.Repeated); n != 0 {
			t.Errorf("lines taken for repeats = %v, want none", n)
		}
	})
}

// A line arrives complete even if a round ends in the middle of it, or if it ends without a newline.
func TestRoundsWithinALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptOf(t, small)
		long := out(0, "")
		s.write(piece(long, "a"), errs(60e6, "1"))
		s.expect("err: 1")
		s.sink.AckAll()
		s.write(piece(long, "b"), errs(120e6, "2"))
		s.expect("err: 1", "err: 2")
		s.write(piece(long, "c\n"), piece(out(180e6, ""), "last words"))
		s.expect("err: 1", "err: 2", "out: abc")
		s.stop()
		s.expect("err: 1", "err: 2", "out: abc", "out: last words")
		if s.stopTail(); !errors.Is(s.ended, tail.ErrStopped) {
			t.Errorf("Run returned %v, want %v", s.ended, tail.ErrStopped)
		}
	})
}

// Lines that were written between the last round and the end of the container arrive.
func TestRoundsReadToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptOf(t, small)
		s.write(out(0, "1"))
		time.Sleep(time.Millisecond) // the next round still waits
		s.write(out(1, "2"))
		s.rotate(0)
		s.write(out(2, "3"))
		s.stop()
		s.expect("out: 1", "out: 2", "out: 3")
		if s.stopTail(); !errors.Is(s.ended, tail.ErrStopped) {
			t.Errorf("Run returned %v, want %v", s.ended, tail.ErrStopped)
		}
	})
}

// If the Engine leaves out the files in which reading should continue, they are read nevertheless, and no
// loss is reported.
func TestFilesThatTheEngineLeavesOut(t *testing.T) {
	for name, files := range map[string]lighter.LogFiles{"in rounds": small, "followed": large} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := unreadScript(t)
				s.leavesOut, s.files = true, files
				s.tail()
				const minute = int64(60e6) // microseconds
				s.write(out(0, "0"), out(1, "1"))
				s.rotate(0)
				s.write(out(minute, "2"))
				s.expect("out: 0", "out: 1", "out: 2")
				s.sink.AckAll()
				s.kill(func() {
					s.write(out(2*minute, "3"))
					s.rotate(0)
					s.write(out(3*minute, "4"))
					s.rotate(0)
					s.write(out(4*minute, "5"))
				})
				s.expect("out: 3", "out: 4", "out: 5")
				s.write(out(5*minute, "6"))
				s.expect("out: 3", "out: 4", "out: 5", "out: 6")
				if n := s.gaps(); n != 0 {
					t.Errorf("gaps = %v, want none", n)
				}
			})
		})
	}
}

// A new log begins where it should, even if the Engine leaves out files when that time is requested.
func TestFirstSightOfFilesThatTheEngineLeavesOut(t *testing.T) {
	for name, files := range map[string]lighter.LogFiles{"in rounds": small, "followed": large} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := unreadScript(t)
				const minute = int64(60e6)
				s.leavesOut, s.files, s.begin = true, files, scriptTime+10*minute*1000
				s.write(out(0, "0"))
				s.rotate(0)
				s.write(out(11*minute, "1"))
				s.rotate(0)
				s.write(out(12*minute, "2"))
				s.tail()
				s.expect("out: 1", "out: 2")
				s.write(out(13*minute, "3"))
				s.expect("out: 1", "out: 2", "out: 3")
			})
		})
	}
}

// The end of a log arrives even if it is a line without a newline in a file before which the Engine leaves
// out those with the line after which reading continues.
func TestLastWordsAfterFilesThatTheEngineLeavesOut(t *testing.T) {
	for name, files := range map[string]lighter.LogFiles{"in rounds": small, "followed": large} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := unreadScript(t)
				const minute = int64(60e6)
				s.leavesOut, s.files = true, files
				s.tail()
				s.write(out(0, "0"))
				s.rotate(0)
				s.write(out(minute, "1"))
				s.expect("out: 0", "out: 1")
				s.sink.AckAll()
				s.kill(func() {
					s.rotate(0)
					s.write(piece(out(2*minute, ""), "last words"))
					s.stop()
				})
				s.expect("out: last words")
				if s.stopTail(); !errors.Is(s.ended, tail.ErrStopped) {
					t.Errorf("Run returned %v, want %v", s.ended, tail.ErrStopped)
				}
			})
		})
	}
}

// Lines that the Engine has deleted between two rounds are counted as a gap, as when a log is reopened.
func TestRoundsSayWhatIsLost(t *testing.T) {
	for name, leavesOut := range map[string]bool{"files are left out": true, "none is": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := unreadScript(t)
				s.leavesOut, s.files = leavesOut, small
				s.tail()
				s.write(out(0, "0"))
				s.expect("out: 0")
				s.change(func() { // 0 and 1 are gone
					s.log = append(s.log, out(1e6, "1"), out(2e6, "2"), out(3e6, "3"))
					s.file, s.first, s.ends = 3, 2, []int{3}
				})
				s.write(out(4e6, "4"))
				s.expect("out: 0", "out: 2", "out: 3", "out: 4")
				if n := s.gaps(); n != 1 {
					t.Errorf("gaps = %v, want 1", n)
				}
			})
		})
	}
}

// A quiet log is rarely checked, but it is checked, because the Engine's follower may have hung.
func TestRoundsOfAQuietLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptOf(t, small)
		s.write(out(0, "1"))
		s.expect("out: 1")
		before := s.requests()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := s.requests() - before; n > 3*120+3 {
			t.Errorf("the Engine was asked %d times in an hour, want three times in half a minute", n)
		}
		s.change(func() { s.deaf = true })
		s.write(out(1, "2"))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"out: 1", "out: 2"}, s.sink.Lines()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

// A line written just after a round does not wait for the next check of a quiet log.
func TestRoundsMissNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptOf(t, small)
		after := out(1, "2")
		s.change(func() { s.then = &after })
		s.write(out(0, "1"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"out: 1", "out: 2"}, s.sink.Lines()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

// The first line after a quiet time is read at once.
func TestRoundsAreInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptOf(t, small)
		for i := range int64(3) {
			s.settle()
			s.write(out(i, fmt.Sprint(i)))
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			s.expectLen(int(i) + 1)
		}
	})
}

// Logs with large, uncompressed or unknown files are followed.
func TestWhichLogsAreReadInRounds(t *testing.T) {
	for name, tc := range map[string]struct {
		files     lighter.LogFiles
		newEngine bool
		rounds    bool
	}{
		"small and compressed":            {small, false, true},
		"small and compressed, Engine 23": {small, true, false},
		"of 1 MiB":                        {lighter.LogFiles{MaxBytes: 1 << 20, Max: 2, Compressed: true}, false, true},
		"small, not compressed":           {lighter.LogFiles{MaxBytes: 100_000, Max: 3}, false, false},
		"local without any option":        {lighter.LogFiles{MaxBytes: 20 << 20, Max: 5, Compressed: true}, false, false},
		"json-file that only grows":       {lighter.LogFiles{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := scriptBy(t, func(s *script) { s.files, s.newEngine = tc.files, tc.newEngine })
				s.write(out(0, "1"))
				s.expect("out: 1")
				if opened, _, _ := s.look(); opened > 1 != tc.rounds {
					t.Errorf("the log was followed %d times, want it read in rounds: %t", opened, tc.rounds)
				}
			})
		})
	}
}

// requests is the number of times the Engine was asked for the log.
func (s *script) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked + s.opened
}

// gaps is the number of times lines were reported as lost.
func (s *script) gaps() float64 { return s.counter("lighter_log_gaps_total") }

// counter returns the value of a metric of the Tailers.
func (s *script) counter(name string) float64 {
	s.t.Helper()
	all, err := s.reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}
