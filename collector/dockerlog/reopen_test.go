package dockerlog_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A log with hardly any room is reopened after longer and longer pauses, although it makes progress: the
// Engine reads it from its start each time.
func TestPausesWhileThereIsHardlyRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		reopened := func() time.Duration {
			from := time.Now()
			opened, _, _ := s.look()
			for now := opened; now == opened; now, _, _ = s.look() {
				time.Sleep(time.Millisecond)
			}
			return time.Since(from)
		}
		pause := 100 * time.Millisecond
		for i := range int64(9) {
			open := s.sink.Block()
			s.write(out(i, fmt.Sprint(i)))
			time.Sleep(2 * time.Second) // longer than an open stream waits for the Sink
			if _, _, open := s.look(); open {
				t.Fatal("the stream is open while there is no room")
			}
			open()
			if took := reopened(); took < pause/2 || took > pause*3/2+time.Millisecond {
				t.Errorf("reopened after %s, want about %s", took, pause)
			}
			pause = min(2*pause, 5*time.Second)
		}
		if n := testutil.ToFloat64(s.metrics.Reopens.Full); n != 9 {
			t.Errorf("reopened for want of room = %v, want 9", n)
		}
		s.write(out(20, "x"))
		synctest.Wait()
		s.breakOff()
		if took := reopened(); took > 200*time.Millisecond {
			t.Errorf("a stream that was read and broke is reopened after %s", took)
		}
		s.expectLen(10)
	})
}

// An incomplete line does not hold back the position of lines between its pieces, and is nevertheless
// complete after a kill.
func TestUnfinishedLineDoesNotHoldThePosition(t *testing.T) {
	for _, everyLine := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t)
			s.everyLine = everyLine
			long := out(0, "")
			const minute = int64(60e6) // microseconds
			s.write(piece(long, "a"), errs(minute, "1"), piece(long, "b"), errs(2*minute, "2"))
			s.expect("err: 1", "err: 2")
			s.sink.AckAll()
			if got := s.positions.Acked(scriptID); got.Time != scriptTime+2*minute*1000 {
				t.Errorf("acked = %s, want the last line", got)
			}
			s.kill()
			s.write(errs(3*minute, "3"), piece(long, "c\n"), out(3*minute+1, "4"))
			s.expect("err: 3", "out: abc", "out: 4")
		})
	}
}

// Lines written after the clock was set back arrive, whatever dies. They arrive once as long as the log
// contains the line with the greatest time; when that is gone, the content of the log is sent once more.
func TestClockSetBack(t *testing.T) {
	const hour = int64(3600e6) // microseconds
	ahead := []record{out(3*hour, "1"), out(3*hour+5, "2"), errs(3*hour+4, "3")}
	for name, tc := range map[string]struct {
		then func(s *script) // the log is read up to what was written ahead, and acknowledged
		want []string
	}{
		"while reading":    {func(s *script) { s.write(out(1, "4"), out(2, "5")) }, []string{"out: 1", "out: 2", "err: 3", "out: 4", "out: 5"}},
		"and then a kill":  {func(s *script) { s.write(out(1, "4")); s.settle(); s.sink.AckAll(); s.kill(); s.write(out(2, "5")) }, []string{"out: 5"}},
		"while it is dead": {func(s *script) { s.kill(func() { s.write(out(1, "4")) }) }, []string{"out: 4"}},
		"while it is dead, and rotated away": {func(s *script) {
			s.kill(func() { s.rotate(len(s.log)); s.write(out(1, "4"), out(2, "5")) })
		}, []string{"out: 4", "out: 5"}},
		"and rotated away": {func(s *script) {
			s.write(out(1, "4"), out(2, "5"))
			s.settle()
			s.sink.AckAll()
			s.kill(func() { s.rotate(len(s.log) - 1); s.write(out(3, "6")) })
		}, []string{"out: 5", "out: 6"}},
		"and all is rotated away": {func(s *script) {
			s.write(out(1, "4"))
			s.settle()
			s.sink.AckAll()
			s.kill(func() { s.rotate(len(s.log)); s.write(out(2, "5")) })
		}, []string{"out: 5"}},
	} {
		for _, everyLine := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, filter on every line %t", name, everyLine), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScript(t)
					s.everyLine = everyLine
					s.write(ahead...)
					synctest.Wait()
					s.sink.AckAll()
					tc.then(s)
					s.expect(tc.want...)
					before := len(s.sink.Lines())
					for range 3 { // however often it breaks
						s.breakOff()
						s.settle()
					}
					if got := s.sink.Lines(); len(got) != before {
						t.Errorf("after breaks: %s", strings.Join(got, ", "))
					}
				})
			})
		}
	}
}

// A follower may end before it has returned the last line. That is noticed even if the clock was set back.
func TestLastLineIsMissingAfterTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		s.write(out(3600e6, "1"), out(1, "2"))
		s.expect("out: 1", "out: 2")
		s.change(func() { s.misses = 2 })
		s.write(out(2, "3"))
		synctest.Wait()
		s.stop()
		synctest.Wait()
		s.change(func() { s.misses = 0 })
		s.expect("out: 1", "out: 2", "out: 3")
	})
}
