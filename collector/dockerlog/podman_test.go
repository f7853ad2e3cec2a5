package dockerlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/tail"
)

// podmanScript is a script of a Podman container with random runs, and their lines.
type podmanScript struct {
	*script
	r      *rand.Rand
	at     int64 // of the last record, Unix nanoseconds
	n      int   // number of records written
	open   [3]string
	opened [3]int64 // the second in which a line without a newline began, or 0
	want   []string
	came   []string
	here   bool // the agent runs
}

// write writes some records, and records the resulting lines.
func (p *podmanScript) writeSome(most int) {
	var all []record
	for range p.r.IntN(most + 1) {
		p.at += p.r.Int64N(300e6)
		p.n++
		text, stream := fmt.Sprintf("%d", p.n), byte(1+p.r.IntN(2))
		if p.r.IntN(4) == 0 {
			text = "the same"
		}
		if p.terminal {
			stream = 1
		}
		second := p.at / 1e9
		if p.opened[stream] != 0 && p.opened[stream] != second {
			p.end(stream)
		}
		p.open[stream] += text
		if p.r.IntN(3) > 0 || p.terminal {
			p.end(stream)
			text += "\n"
		} else {
			p.opened[stream] = second
		}
		all = append(all, record{p.at, stream, text})
	}
	p.write(all...)
}

// end records that a stream's line has ended.
func (p *podmanScript) end(stream byte) {
	p.want = append(p.want, []string{"", "out: ", "err: "}[stream]+p.open[stream])
	p.open[stream], p.opened[stream] = "", 0
}

// prompt ends the run of a terminal with a line without a newline.
func (p *podmanScript) prompt() {
	p.at++
	p.n++
	text := fmt.Sprintf("%d> ", p.n)
	p.write(record{p.at, 1, text})
	p.open[1], p.opened[1] = text, p.at/1e9
}

// stopRun ends the container's run. If the agent sees that, it sends lines without a newline.
func (p *podmanScript) stopRun() {
	p.stop()
	if !p.here {
		return
	}
	p.settle()
	for stream := range byte(3) {
		if p.opened[stream] != 0 {
			p.end(stream)
		}
	}
}

// startRun starts the container again.
func (p *podmanScript) startRun() {
	p.change(func() { p.started++; p.stopped = false })
}

// take acknowledges all lines and keeps them.
func (p *podmanScript) take() {
	p.settle()
	p.sink.AckAll()
	p.came = append(p.came, p.sink.Lines()...)
}

// Whatever a Podman container writes, and however often it is restarted within a second, each line arrives
// once and in order.
func TestAnyRunsOfPodman(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 300
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { anyRunsOfPodman(t, seed) })
	}
}

func anyRunsOfPodman(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	p := &podmanScript{r: r, at: scriptTime, here: true}
	p.script = scriptBy(t, func(s *script) {
		s.podman, s.seconds, s.pieces, s.terminal = true, true, 0, r.IntN(4) == 0
		if r.IntN(2) == 0 {
			s.forgets = rand.New(rand.NewPCG(seed, 1)) // the follower's goroutine needs its own
		}
	})
	for range 1 + r.IntN(5) {
		p.writeSome(5)
		if p.here && r.IntN(2) == 0 { // the follower is behind when the container stops
			synctest.Wait()
			if _, _, open := p.look(); open {
				p.stand(r.IntN(4))
			}
			p.writeSome(8)
			synctest.Wait()
		}
		switch r.IntN(4) {
		case 0: // a quick restart, which the agent notices later
			if !p.terminal {
				p.stop()
				p.startRun()
				break
			}
			fallthrough
		case 1:
			if p.terminal && p.here && r.IntN(2) == 0 {
				p.prompt()
			}
			p.stopRun()
			if r.IntN(2) == 0 && p.here { // nothing more arrives before the agent ends
				p.take()
				p.kill(p.startRun)
				break
			}
			p.startRun()
			if p.here {
				p.stopTail()
				p.tail()
			}
		case 2: // the agent is away
			if !p.here {
				p.here = true
				p.tail()
				break
			}
			p.stand(-1)
			p.take()
			p.here = false
			p.die()
		case 3:
			if p.here {
				p.stand(-1)
				p.breakOff()
			}
		}
	}
	if !p.here {
		p.here = true
		p.tail()
	}
	p.stand(-1)
	p.writeSome(5)
	p.stopRun()
	p.take()
	byStream := func(a, b string) int { return strings.Compare(a[:len("out")], b[:len("out")]) }
	slices.SortStableFunc(p.want, byStream)
	slices.SortStableFunc(p.came, byStream)
	if diff := cmp.Diff(p.want, p.came); diff != "" {
		t.Errorf("seed %d: lines (-want +got):\n%s", seed, diff)
	}
	if n := p.gaps(); n != 0 {
		t.Errorf("%v gaps, want none; log:\n%s", n, p.said)
	}
	if p.lasts != 0 {
		t.Errorf("%d requests for the last messages of the log, want none: before 4.7, Podman does not close the file after one", p.lasts)
	}
}

// Podman reads a terminal in pieces of any length up to 4 KiB, each preceded by its time.
func TestPiecesOfATerminalOfPodman(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			s := scriptBy(t, func(s *script) { s.podman, s.seconds, s.pieces, s.terminal = true, true, 0, true })
			var want []string
			for n := range int64(20) {
				text := strings.Repeat(fmt.Sprint(n, " "), 2500+r.IntN(10_000))
				if n%2 == 0 {
					text = fmt.Sprintf("a short line with a time of its own, %s or so", time.Unix(0, scriptTime).UTC().Format(time.RFC3339))
				}
				want = append(want, "out: "+text)
				for len(text) > 1500 {
					size := 1 + r.IntN(4096)
					size = min(size, len(text))
					s.write(piece(out(n, ""), text[:size]))
					text = text[size:]
				}
				s.write(out(n, text+"\r"))
			}
			s.expect(want...)
		})
	}
}

// A Podman container that writes a lot stops while the follower is behind.
func TestFollowerThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) {
			s.podman, s.seconds, s.pieces, s.forgets = true, true, 0, rand.New(rand.NewPCG(1, 2))
		})
		s.stand(30_000)
		var all []record
		var want []string
		for n := range int64(100_000) {
			all = append(all, out(n*100, fmt.Sprint(n)))
			want = append(want, fmt.Sprint("out: ", n))
		}
		s.write(all...)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		s.stop()
		s.settle()
		s.sink.AckAll()
		s.expect(want...)
		if s.forgot == 0 {
			t.Error("the follower has left out nothing, so nothing is tested")
		}
		s.kill()
		s.expect()
	})
}

// A container writes while Podman stops it.
func TestContainerThatPodmanStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scriptBy(t, func(s *script) { s.podman, s.seconds, s.pieces = true, true, 0 })
		s.write(out(0, "ready"))
		s.change(func() { s.stopping = true })
		s.write(out(1, "shutting down"))
		time.Sleep(3 * time.Second)
		s.write(out(3e6, "flushed"))
		time.Sleep(time.Second)
		s.change(func() { s.stopping = false })
		s.stop()
		s.expect("out: ready", "out: shutting down", "out: flushed")
		if !errors.Is(s.ended, tail.ErrStopped) {
			t.Errorf("Run returned %v, want %v", s.ended, tail.ErrStopped)
		}
	})
}
