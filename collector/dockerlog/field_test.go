package dockerlog_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// scriptBy returns a script that set changes before its Tailer runs.
func scriptBy(t *testing.T, set func(s *script)) *script {
	s := unreadScript(t)
	set(s)
	s.tail()
	return s
}

// again runs another Tailer after one that has ended with its container, as the agent does when the
// container is started.
func (s *script) again() {
	s.stopTail()
	s.start()
	s.tail()
}

// A run of a container with a terminal may end with a prompt. The output of the next run follows on the
// same line, and is new.
func TestRunsOfATerminalThatEndWithAPrompt(t *testing.T) {
	const second = int64(1e6) // microseconds
	run := func(n int64) []record {
		return []record{
			{scriptTime + n*second*1000, 1, fmt.Sprintf("start %d\r\n", n)},
			{scriptTime + n*second*1000 + 1, 1, fmt.Sprintf("ready %d\r\n", n)},
			{scriptTime + n*second*1000 + 2, 1, "> "},
		}
	}
	var want []string
	for n := range 4 {
		want = append(want, fmt.Sprintf("out: start %d", n), fmt.Sprintf("out: ready %d", n), "out: > ")
	}
	for name, away := range map[string]bool{"while it is read": false, "while nobody reads": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := scriptBy(t, func(s *script) { s.terminal, s.pieces = true, 0 })
				for n := range int64(4) {
					if away && n == 1 {
						s.stopTail()
					}
					if away {
						s.change(func() { s.started = scriptTime + n*second*1000 })
					}
					s.write(run(n)...)
					if s.stop(); !away {
						s.settle()
						s.sink.AckAll()
						s.change(func() { s.started = scriptTime + (n+1)*second*1000 })
						s.again()
					}
				}
				if away {
					s.tail()
				}
				s.expect(want...)
				if n := s.gaps(); n != 0 {
					t.Errorf("%v gaps, want none; log:\n%s", n, s.said)
				}
			})
		})
	}
}

// A run may end in the middle of a line. That line precedes what the next run writes to the other stream,
// whether the log is read while it is written or later.
func TestRunsThatEndInTheMiddleOfALine(t *testing.T) {
	const second = int64(1e6) // microseconds
	for name, streams := range map[string][2]byte{"on stderr": {1, 2}, "on stdout": {2, 1}, "on the only stream": {1, 1}} {
		for _, oldEngine := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, old Engine %t", name, oldEngine), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := scriptBy(t, func(s *script) { s.pieces, s.newEngine = 0, !oldEngine })
					label := []string{"", "out: ", "err: "}
					var want []string
					for n := range int64(5) {
						at := scriptTime + n*2*second*1000
						s.write(record{at, streams[0], fmt.Sprintf("start %d\n", n)}, record{at + 10, streams[1], fmt.Sprintf("last words %d", n)})
						want = append(want, label[streams[0]]+fmt.Sprintf("start %d", n), label[streams[1]]+fmt.Sprintf("last words %d", n))
						s.stop()
						s.settle()
						s.sink.AckAll()
						s.again()
					}
					s.expect(want...)
					if n := s.gaps(); n != 0 {
						t.Errorf("%v gaps, want none; log:\n%s", n, s.said)
					}
					s.kill()
					s.expect()
				})
			})
		}
	}
}

// numbered returns lines with the numbers of a range, a second apart.
func numbered(from, to int64) (all []record, lines []string) {
	for n := from; n <= to; n++ {
		all = append(all, out(n*1e6, fmt.Sprint(n)))
		lines = append(lines, fmt.Sprint("out: ", n))
	}
	return all, lines
}

// The part of a damaged log that the Engine can return arrives in order and once. The rest is reported
// together with advice.
func TestDamagedLog(t *testing.T) {
	before, beforeLines := numbered(1, 60)
	after, afterLines := numbered(61, 65)
	readableLines := append(append([]string{}, beforeLines[:19]...), beforeLines[20:]...)
	reported := func(t *testing.T, s *script, times float64) {
		t.Helper()
		if n := s.gaps(); n != times || strings.Count(s.said.String(), "a part of the log file is damaged") != int(times) {
			t.Errorf("%v gaps, want %v; log:\n%s", n, times, s.said)
		}
	}
	damaged := func(s *script) {
		s.log = before
		s.bad = map[int]bool{19: true}
	}
	t.Run("first sight", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scriptBy(t, damaged)
			s.expect(readableLines...)
			s.write(after...)
			s.expect(append(readableLines[:len(readableLines):len(readableLines)], afterLines...)...)
			reported(t, s, 1)
		})
	})
	t.Run("an old Engine goes on behind it and leaves out others", func(t *testing.T) {
		for _, swallows := range []int{1, 12, 39} {
			synctest.Test(t, func(t *testing.T) {
				s := scriptBy(t, func(s *script) { damaged(s); s.swallows = swallows })
				s.expect(readableLines...)
				s.sink.AckAll()
				s.kill(func() { s.write(after...) })
				s.expect(afterLines...)
				reported(t, s, 1)
			})
		}
	})
	t.Run("lines come at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := unreadScript(t)
			damaged(s)
			go func() {
				time.Sleep(time.Second)
				s.write(after...)
			}()
			s.tail()
			s.expect(append(readableLines[:len(readableLines):len(readableLines)], afterLines...)...)
			reported(t, s, 1)
		})
	})
	t.Run("lines come while nobody reads", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scriptBy(t, damaged)
			s.settle()
			s.sink.AckAll()
			s.kill(func() { s.write(after...) })
			s.expect(afterLines...)
			s.breakOff()
			last, lastLines := numbered(66, 300)
			s.write(last...)
			s.expect(append(afterLines[:len(afterLines):len(afterLines)], lastLines...)...)
			reported(t, s, 1)
		})
	})
	t.Run("a line is not whole yet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scriptBy(t, damaged)
			s.settle()
			long := out(61e6, "")
			s.write(piece(long, "a"))
			var lines []string
			for n := int64(62); n < 300; n++ {
				s.write(errs(n*1e6, fmt.Sprint(n)))
				lines = append(lines, fmt.Sprint("err: ", n))
			}
			s.settle()
			s.breakOff()
			s.settle()
			s.write(piece(long, "b\n"))
			s.expect(append(append(readableLines[:len(readableLines):len(readableLines)], lines...), "out: ab")...)
			reported(t, s, 1)
		})
	})
	t.Run("the container has stopped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scriptBy(t, func(s *script) { damaged(s); s.stopped = true })
			s.expect(readableLines...)
			reported(t, s, 1)
		})
	})
	t.Run("the first line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scriptBy(t, func(s *script) { damaged(s); s.bad = map[int]bool{0: true} })
			s.expect(beforeLines[1:]...)
			reported(t, s, 1)
		})
	})
	t.Run("the last line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scriptBy(t, func(s *script) { damaged(s); s.bad = map[int]bool{59: true} })
			s.expect(beforeLines[:59]...)
			s.write(after...)
			s.expect(append(beforeLines[:59:59], afterLines...)...)
		})
	})
	t.Run("a large log", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			many, lines := numbered(1, 5000)
			s := scriptBy(t, func(s *script) { s.log, s.bad = many, map[int]bool{1000: true, 1500: true} })
			s.expect(append(lines[:1000:1000], lines[1501:]...)...)
			reported(t, s, 1)
		})
	})
	t.Run("read in rounds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scriptBy(t, func(s *script) { damaged(s); s.files = small })
			s.expect(readableLines...)
			s.write(after...)
			s.expect(append(readableLines[:len(readableLines):len(readableLines)], afterLines...)...)
			reported(t, s, 1)
		})
	})
}

// growing makes a log grow by lines with each response, until it has limit lines in total.
func (s *script) growing(by, limit int) (want func() []string) {
	n := len(s.log)
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprint("out: ", i))
	}
	s.grows = func() (all []record) {
		for range by {
			if n < limit {
				all = append(all, out(int64(n)*50, fmt.Sprint(n)))
				lines = append(lines, fmt.Sprint("out: ", n))
				n++
			}
		}
		return all
	}
	return func() []string { return lines }
}

// A log that is written while the agent examines it is not taken for damaged.
func TestLogThatGrowsWhileItIsExamined(t *testing.T) {
	for _, oldEngine := range []bool{true, false} {
		for _, deaf := range []bool{false, true} {
			for _, already := range []int{0, 10, 300, 5000} {
				for _, by := range []int{1, 20, 200} {
					if already > 1000 && by != 20 {
						continue // takes long, and shows nothing more
					}
					t.Run(fmt.Sprintf("old Engine %t, slow %t, %d lines and %d with each response", oldEngine, deaf, already, by), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							var want func() []string
							s := scriptBy(t, func(s *script) {
								s.newEngine, s.pieces, s.deaf = !oldEngine, 0, deaf
								for i := range already {
									s.log = append(s.log, out(int64(i)*50, fmt.Sprint(i)))
								}
								want = s.growing(by, already+300)
							})
							s.change(func() { s.deaf = false })
							s.settle()
							s.change(func() { s.grows = nil })
							s.expect(want()...)
							if n := s.gaps(); n != 0 {
								t.Errorf("%v gaps, want none; log:\n%s", n, s.said)
							}
						})
					})
				}
			}
		}
	}
}

// Nothing of a damaged log that is written all the time arrives twice or out of order, and little is lost
// besides what the Engine cannot return.
func TestDamagedLogThatGrows(t *testing.T) {
	for _, oldEngine := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var want func() []string
			s := scriptBy(t, func(s *script) {
				s.newEngine, s.pieces = !oldEngine, 0
				for i := range 200 {
					s.log = append(s.log, out(int64(i)*50, fmt.Sprint(i)))
				}
				s.bad = map[int]bool{100: true}
				want = s.growing(1, 400)
			})
			s.change(func() { s.grows = nil })
			s.settle()
			lines, all := s.sink.Lines(), want()
			lost := 0
			for _, line := range all {
				if len(lines) > 0 && lines[0] == line {
					lines = lines[1:]
				} else {
					lost++
				}
			}
			if len(lines) > 0 || lost == 0 || lost > 3 {
				t.Errorf("old Engine %t: %d lines are lost, want one and at most two more; not in the order of the log: %d; log:\n%s", oldEngine, lost, len(lines), s.said)
			}
		})
	}
}

// Lines that two streams write at the same moment may be in either order. That is no sign of damage.
func TestStreamsOutOfOrderAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) { s.log = []record{out(0, "1"), errs(13, "2"), out(12, "3")} })
		s.expect("out: 1", "err: 2", "out: 3")
		if opened, _, _ := s.look(); opened != 1 {
			t.Errorf("the log was opened %d times, want once", opened)
		}
	})
}

// A container whose lines are all older than the agent's beginning is quiet.
func TestQuietLogBeforeTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) {
			s.log = []record{{scriptTime - int64(48*time.Hour), 1, "old\n"}}
			s.begin = scriptTime - int64(24*time.Hour)
		})
		s.settle()
		if opened, _, _ := s.look(); opened != 1 || s.said.String() != "" {
			t.Errorf("the log was opened %d times, want once; log:\n%s", opened, s.said)
		}
	})
}

// A follower that returns nothing may be incomplete.
func TestFollowThatStaysMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) { s.mute = true })
		var want []string
		for n := range int64(5) {
			s.write(out(n*60e6, fmt.Sprint(n)))
			want = append(want, fmt.Sprint("out: ", n))
			time.Sleep(6 * time.Minute) // a quiet log is checked every five minutes
			synctest.Wait()
			s.expectLen(len(want))
		}
		s.expect(want...)
	})
}

// While the log is written, a silent follower is soon noticed, again and again.
func TestFollowThatStaysMuteOfABusyLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) { s.mute = true })
		var want []string
		for n := range int64(600) {
			s.write(out(n*1e6, fmt.Sprint(n)))
			want = append(want, fmt.Sprint("out: ", n))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		s.expectLen(len(want))
		s.expect(want...)
	})
}

// The follower of an old Engine may miss the last piece of the line that ends a run.
func TestLastPieceThatAFollowerMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) { s.pieces, s.misses = 0, 2 })
		full := strings.Repeat("x", 16<<10)
		s.write(out(0, "1"), piece(out(1, ""), full), piece(out(1, ""), "end"))
		synctest.Wait()
		s.stop()
		s.expect("out: 1", "out: "+full+"end")
	})
}

// The Tailer waits for an Engine that is slow to begin because it reads a long log from its start. The
// Engine need not begin again and again, and nothing is lost or repeated.
func TestSlowEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, lines := numbered(1, 60)
		s := scriptBy(t, func(s *script) { s.log, s.slow = all, 2*time.Minute })
		for n := range int64(60) { // the log continues in the meantime
			s.write(out((100+n)*1e6, fmt.Sprint(100+n)))
			lines = append(lines, fmt.Sprint("out: ", 100+n))
			time.Sleep(time.Second)
		}
		s.expect(lines...)
		opened, _, _ := s.look()
		s.settle()
		s.write(out(1000e6, "last"))
		s.expect(append(lines, "out: last")...)
		if again, _, _ := s.look(); opened > 6 || again != opened {
			t.Errorf("the log was followed %d times, and %d times in the end", opened, again)
		}
		if n := s.gaps(); n != 0 {
			t.Errorf("%v gaps, want none; log:\n%s", n, s.said)
		}
	})
}

// A stream that stands still although the log continues is reopened; that of a quiet log is not.
func TestStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		s.write(out(0, "1"))
		s.expect("out: 1")
		if opened, _, _ := s.look(); opened != 1 {
			t.Fatalf("a quiet log was opened %d times", opened)
		}
		if s.asked > 40 {
			t.Errorf("the Engine was asked %d times for the end of a quiet log in two hours", s.asked)
		}
		s.write(out(1, "2"))
		synctest.Wait()
		s.stand(0)
		time.Sleep(time.Second)
		s.write(out(2, "3"), out(3, "4"))
		time.Sleep(time.Minute)
		synctest.Wait()
		s.expect("out: 1", "out: 2", "out: 3", "out: 4")
		if n := strings.Count(s.said.String(), "stopped sending"); n != 1 {
			t.Errorf("it was logged %d times, want once:\n%s", n, s.said)
		}
	})
}

// A message without a timestamp is skipped and counted, and logged once.
func TestMessagesWithoutTimestamp(t *testing.T) {
	log := []record{out(0, "1"), {at: -1, stream: 1, text: "nobody knows when\n"}, out(1, "2"), {at: -1, stream: 2, text: "nor this\n"}, out(2, "3")}
	for name, before := range map[string]bool{"before it is read": true, "while it is read": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := unreadScript(t)
				if before {
					s.log = log
				}
				s.tail()
				if !before {
					s.write(log...)
				}
				s.expect("out: 1", "out: 2", "out: 3")
				if opened, _, _ := s.look(); opened != 1 {
					t.Errorf("the log was opened %d times, want once", opened)
				}
				if n := s.counter("lighter_log_lines_broken_total"); n != 2 {
					t.Errorf("%v messages counted, want 2", n)
				}
				if n := strings.Count(s.said.String(), "passed over"); n != 1 || strings.Contains(s.said.String(), "nobody") || s.gaps() != 0 {
					t.Errorf("it was logged %d times, want once and without the text; %v gaps:\n%s", n, s.gaps(), s.said)
				}
			})
		})
	}
}

// Where the Engine's times are whole seconds, lines with the same second nevertheless arrive once.
func TestWholeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) { s.seconds, s.pieces = true, 0 })
		long := strings.Repeat("x", 8<<10)
		s.write(out(0, "1"), piece(out(1, ""), long), piece(out(2, ""), "end\n"), out(3, "2"), errs(4, "3"), out(5, "2"))
		want := []string{"out: 1", "out: " + long + "end", "out: 2", "err: 3", "out: 2"}
		s.expect(want...)
		for range 3 {
			s.sink.AckAll()
			s.kill()
			s.expect()
		}
	})
}

// A socket proxy may end idle streams. That is not reported as trouble, and the log is reopened at once.
func TestProxyThatEndsQuietStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		var want []string
		for n := range int64(20) {
			time.Sleep(2 * time.Second)
			s.cut()
			time.Sleep(200 * time.Millisecond)
			s.write(out(n, fmt.Sprint(n)))
			want = append(want, fmt.Sprint("out: ", n))
			synctest.Wait()
			s.expectLen(len(want))
		}
		s.expect(want...)
		if log := s.said.String(); strings.Contains(log, "WARN") || strings.Contains(log, "ERROR") {
			t.Errorf("it was reported as trouble:\n%s", log)
		}
	})
}
