package journal_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/journal"
	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
	"lighter/collector/position"
)

// host is a machine with systemd's journal: in /run until it is flushed, and then on the disk. A Tailer reads it,
// on the clock of a bubble.
type host struct {
	t          *testing.T
	systemd    int // version
	machine    string
	runDir     string
	varDir     string
	memory     *writer
	disk       *writer
	runtime    []kept // what the files in /run have
	boots      byte
	sources    byte
	boot       journalfile.ID
	monotonic  uint64
	clock      uint64
	want       []string
	sink       *sink
	options    journal.Options
	stopTailer func()
}

// kept is an entry of the runtime journal.
type kept struct {
	monotonic, clock uint64
	fields           []string
	file             string // that was archived with it; empty: the active one
}

// overSystemds runs a test on a host with each kind of systemd. Since version 254 the copies of a flush go on with
// the sequence numbers of the runtime journal. Before, they went on with those of the file on the disk.
func overSystemds(t *testing.T, test func(h *host)) {
	for _, version := range []int{252, 257} {
		t.Run(fmt.Sprint("systemd ", version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newHost(t, version)) })
		})
	}
}

// newHost returns a host that has just booted, for the second time.
func newHost(t *testing.T, systemd int) *host {
	base := t.TempDir()
	h := &host{t: t, systemd: systemd, machine: journalfile.ID{0xab}.String(), sink: &sink{}}
	h.runDir, h.varDir = filepath.Join(base, "run", h.machine), filepath.Join(base, "var", h.machine)
	if err := os.MkdirAll(h.varDir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.disk = newWriter(t, h.varDir, journaltest.Options{Source: h.newSource()})
	h.clock = h.disk.clock
	h.options = options("", h.sink)
	h.write("of the boot before")
	h.reboot()
	return h
}

func (h *host) newSource() journalfile.ID {
	h.sources++
	return journalfile.ID{h.sources}
}

// reboot boots: what was in /run is gone.
func (h *host) reboot() {
	h.forgetRuntime()
	h.boots++
	h.boot, h.monotonic = journalfile.ID{0xb0, h.boots}, 0
	h.clock += 10
	h.relinquish(h.newSource())
}

// relinquish has journald write to /run from now on.
func (h *host) relinquish(source journalfile.ID) {
	if err := os.MkdirAll(h.runDir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	h.memory = newWriter(h.t, h.runDir, journaltest.Options{Source: source})
	if source == h.disk.o.Source {
		h.memory.seqnum = h.disk.seqnum
	}
}

func (h *host) forgetRuntime() {
	if h.memory == nil {
		return
	}
	for _, f := range h.memory.files {
		_ = f.Close()
	}
	h.memory, h.runtime = nil, nil
	if err := os.RemoveAll(h.runDir); err != nil {
		h.t.Fatal(err)
	}
}

// write logs a line.
func (h *host) write(text string) {
	h.monotonic += 10
	h.clock += 10
	h.writeAtOnce(text)
}

// writeAtOnce logs a line at the time of the line before.
func (h *host) writeAtOnce(text string) {
	w := h.memory
	if w == nil {
		w = h.disk
	} else {
		h.runtime = append(h.runtime, kept{h.monotonic, h.clock, []string{"MESSAGE=" + text}, ""})
	}
	h.put(w, h.monotonic, h.clock, "MESSAGE="+text)
	h.want = append(h.want, text)
}

func (h *host) put(w *writer, monotonic, clock uint64, fields ...string) {
	w.boot, w.monoton, w.clock = h.boot, monotonic-1, clock-1 // write adds 1
	w.write("system", fields...)
}

// writeMany logs n lines, of which some have the same time, and some the same text, too.
func (h *host) writeMany(n int) {
	for i := range n {
		switch text := fmt.Sprintf("line %d", len(h.want)); i % 4 {
		case 1:
			h.writeAtOnce(text)
		case 2:
			h.writeAtOnce(h.want[len(h.want)-1])
		default:
			h.write(text)
		}
	}
}

// rotate archives the active file.
func (h *host) rotate() {
	w := h.memory
	if w == nil {
		w = h.disk
	}
	if w.files["system"] == nil {
		return
	}
	archived := w.rotate("system")
	for i := range h.runtime {
		if h.runtime[i].file == "" {
			h.runtime[i].file = archived
		}
	}
}

// vacuum removes the archived files.
func (h *host) vacuum() {
	dir := h.varDir
	if h.memory != nil {
		dir = h.runDir
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*@*.journal"))
	if len(paths) == 0 {
		h.t.Fatal("no file is archived")
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			h.t.Fatal(err)
		}
	}
	left := h.runtime[:0]
	for _, e := range h.runtime {
		if e.file == "" {
			left = append(left, e)
		}
	}
	h.runtime = left
}

// copyRuntime copies the runtime journal to the disk.
func (h *host) copyRuntime() {
	if h.systemd >= 254 && h.disk.o.Source != h.memory.o.Source {
		if h.disk.files["system"] != nil {
			h.disk.rotate("system")
		}
		h.disk.o.Source = h.memory.o.Source
		h.disk.seqnum = 0
	}
	h.disk.seqnum = max(h.disk.seqnum, h.memory.seqnum)
	for i, e := range h.runtime {
		if i == 8 {
			h.disk.rotate("system") // because it is full
		}
		h.put(h.disk, e.monotonic, e.clock, e.fields...)
	}
}

// flush has journald write to the disk from now on.
func (h *host) flush() {
	h.copyRuntime()
	h.forgetRuntime()
}

// start starts a Tailer.
func (h *host) start() {
	tailer := journal.New(h.options)
	tailer.SetRoots(filepath.Dir(h.varDir), filepath.Dir(h.runDir), h.machine)
	h.stopTailer = runByClock(h.t, tailer)
}

// stop stops it.
func (h *host) stop() {
	h.stopTailer()
	h.stopTailer = nil
}

// check checks that each line was handed on once, and in order.
func (h *host) check(when string) {
	h.t.Helper()
	if diff := cmp.Diff(h.want, h.sink.read()); diff != "" {
		h.t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// readAll starts a Tailer, has it read all that there is, and stops it.
func (h *host) readAll(when string) {
	h.t.Helper()
	h.start()
	h.check(when)
	h.stop()
}

func TestFlushWhileRunning(t *testing.T) {
	overSystemds(t, func(h *host) {
		h.writeMany(20)
		h.start()
		h.check("before the flush")
		h.writeMany(10) // they are not read when the flush comes
		h.flush()
		h.writeMany(5)
		h.check("after the flush")
		h.stop()
		h.writeMany(5)
		h.readAll("after a restart")
	})
}

// The files in /run are still there when their copies are seen.
func TestFlushInSteps(t *testing.T) {
	overSystemds(t, func(h *host) {
		h.start()
		h.writeMany(10)
		h.check("before the flush")
		h.writeMany(10)
		h.copyRuntime()
		h.check("with the copies")
		h.stop()
		h.readAll("with the copies, again")
		h.forgetRuntime()
		h.writeMany(10)
		h.readAll("after the flush")
	})
}

func TestFlushWhileStopped(t *testing.T) {
	overSystemds(t, func(h *host) {
		h.writeMany(20)
		h.readAll("before the flush")
		h.writeMany(10)
		h.flush()
		h.writeMany(5)
		h.readAll("after the flush")
		h.readAll("after a restart")
		h.writeMany(5)
		h.readAll("later")
	})
}

// The Tailer stops between entries of the same time and the same fields.
func TestFlushBetweenEqualEntries(t *testing.T) {
	overSystemds(t, func(h *host) {
		h.write("a")
		h.write("same")
		h.writeAtOnce("same")
		h.readAll("before the flush")
		h.writeAtOnce("same")
		h.writeAtOnce("other")
		h.flush()
		h.write("b")
		h.readAll("after the flush")
	})
}

func TestRotationAndFlush(t *testing.T) {
	for name, running := range map[string]bool{"running": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
			overSystemds(t, func(h *host) {
				h.start()
				h.writeMany(10)
				h.check("at first")
				h.rotate()
				h.writeMany(10)
				h.check("after the rotation")
				if !running {
					h.stop()
				}
				h.writeMany(3)
				h.rotate()
				h.writeMany(3)
				h.flush()
				h.writeMany(5)
				if !running {
					h.start()
				}
				h.check("after the flush")
				h.rotate()
				h.writeMany(5)
				h.check("after a rotation on the disk")
			})
		})
	}
}

func TestVacuum(t *testing.T) {
	t.Run("then flush", func(t *testing.T) {
		overSystemds(t, func(h *host) {
			h.writeMany(10)
			h.readAll("at first")
			h.rotate()
			h.writeMany(10)
			h.vacuum() // with it the entry of the position is gone
			h.readAll("after the vacuum")
			h.rotate()
			h.writeMany(2)
			h.vacuum()
			h.flush()
			h.writeMany(10)
			h.readAll("after the flush")
		})
	})
	t.Run("on the disk", func(t *testing.T) {
		overSystemds(t, func(h *host) {
			h.flush()
			h.writeMany(10)
			h.readAll("at first")
			h.rotate()
			h.writeMany(10)
			h.vacuum()
			h.readAll("after the vacuum")
			h.writeMany(3)
			h.readAll("later")
		})
	})
}

// The copies of a boot are known although the next one is read first, because its clock is behind.
func TestFlushOfBootBefore(t *testing.T) {
	overSystemds(t, func(h *host) {
		h.writeMany(10)
		h.readAll("before the flush")
		h.flush()
		h.clock -= 1e9
		h.reboot()
		h.writeMany(10)
		h.start()
		h.check("after the boot")
		h.flush()
		h.writeMany(1)
		h.check("after the second flush")
	})
}

// Whatever happens in which order: each line is handed on once.
func TestFlushAtRandom(t *testing.T) {
	for _, version := range []int{252, 257} {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("systemd %d, %d", version, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := rand.New(rand.NewPCG(seed, uint64(version)))
					h := newHost(t, version)
					for range 60 {
						h.step(r)
					}
					if h.stopTailer == nil {
						h.start()
					}
					h.check("at the end")
				})
			})
		}
	}
}

// step does something at random.
func (h *host) step(r *rand.Rand) {
	switch n := r.IntN(20); {
	case n < 8:
		h.writeMany(1 + r.IntN(5))
	case n < 10:
		h.writeAtOnce(h.want[len(h.want)-1])
	case n < 12:
		h.rotate()
	case n < 14 && h.stopTailer != nil:
		h.check("meanwhile")
	case n < 16 && h.stopTailer != nil:
		h.stop()
	case n < 18 && h.stopTailer == nil:
		h.start()
	case n == 18 && h.memory != nil:
		h.flush()
	case n == 19 && h.memory == nil:
		source := h.disk.o.Source
		if h.systemd < 254 {
			source = h.newSource()
		}
		h.monotonic += 10
		h.clock += 10
		h.relinquish(source)
	}
}

// A position of version 1, which has neither monotonic times nor spans, is gone on from.
func TestPositionOfVersion1(t *testing.T) {
	overSystemds(t, func(h *host) {
		h.writeMany(6)
		at := fmt.Sprintf("1 0 %s:%x:%s:%x", h.memory.o.Source, h.memory.seqnum, h.boot, h.clock)
		h.options.Positions.Cursor(h.options.Key).Mark(1, position.Position{Time: 1, Lines: 1, Cursor: at}, position.Bookmark{}).Ack()
		h.writeMany(6)
		h.want = append([]string{"of the boot before"}, h.want[7:]...)
		h.start()
		h.check("after the position")
	})
}

// The cursor that another reader left of an entry in /run is found in the copy of that entry.
func TestCursorAndFlush(t *testing.T) {
	overSystemds(t, func(h *host) {
		h.write("a")
		h.writeAtOnce("b")
		h.writeAtOnce("c")
		cursor := fmt.Sprintf("s=%s;i=%x;b=%s;m=%x;t=%x;x=%x", h.memory.o.Source, h.memory.seqnum, h.boot, h.monotonic, h.clock, hash("MESSAGE=c"))
		h.writeAtOnce("d")
		h.write("e")
		h.flush()
		h.write("f")
		h.want = []string{"d", "e", "f"}
		h.options.Cursor = cursor
		h.readAll("after the cursor")
	})
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s)
	return h.Sum64()
}

// Only the journal of this machine is read on the disk.
func TestOtherMachine(t *testing.T) {
	overSystemds(t, func(h *host) {
		dir := filepath.Join(filepath.Dir(h.varDir), strings.Repeat("0", 32))
		if err := os.Mkdir(dir, 0o700); err != nil {
			h.t.Fatal(err)
		}
		newWriter(h.t, dir, journaltest.Options{Source: journalfile.ID{7}}).write("system", "MESSAGE=of another machine")
		h.writeMany(3)
		h.readAll("at first")
	})
}
