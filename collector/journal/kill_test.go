package journal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/collector/journal"
	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
	"lighter/collector/position"
)

// killed is a lighter.Logs of a process that will be killed. It acknowledges batches in their order, some time
// after they came, until it is dead.
type killed struct {
	mu      sync.Mutex
	waiting []*lighter.Batch
	sent    map[string]int // lines of all processes, and how often each came
	acked   map[string]bool
	again   []string // that came although they were acknowledged
	dead    bool
	more    chan struct{} // closed at the next Append; nil unless someone waits for it
}

func (k *killed) Append(_ context.Context, b *lighter.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return nil
	}
	for _, e := range b.Entries {
		text := string(e.Line)
		if k.sent[text]++; k.acked[text] {
			k.again = append(k.again, text)
		}
	}
	if k.more != nil {
		close(k.more)
		k.more = nil
	}
	b.Hold()
	k.waiting = append(k.waiting, b)
	return nil
}

// ack acknowledges up to n batches, but not the newest: the Tailer may hold that one still, so that it is not
// acknowledged at once.
func (k *killed) ack(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for ; n > 0 && len(k.waiting) > 1 && !k.dead; n-- {
		b := k.waiting[0]
		k.waiting = k.waiting[1:]
		for _, e := range b.Entries {
			k.acked[string(e.Line)] = true
		}
		b.Done()
	}
}

// wait returns once n different lines came.
func (k *killed) wait(n int) {
	for {
		k.mu.Lock()
		if k.more == nil {
			k.more = make(chan struct{})
		}
		got, more := len(k.sent), k.more
		k.mu.Unlock()
		if got >= n {
			return
		}
		<-more
	}
}

// kill returns what a directory of positions holds at the moment of death, in a new directory.
func (k *killed) kill(t *testing.T, data string) (next string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead, k.waiting = true, nil
	b, err := os.ReadFile(filepath.Join(data, "positions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	next = t.TempDir()
	if err := os.WriteFile(filepath.Join(next, "positions.jsonl"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return next
}

// While a journal of several files and sources is written and rotated, with boots whose clock is behind and files
// that are left unclean, the process is killed again and again: no line is lost, and none is sent again after it
// was acknowledged.
func TestKilled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	data := t.TempDir()
	sent, acked := map[string]int{}, map[string]bool{}
	sources := []*writer{newWriter(t, dir, journaltest.Options{Compact: true, Source: journalfile.ID{1}}), newWriter(t, dir, journaltest.Options{Source: journalfile.ID{2}, Compress: "lz4"})}
	names := [][]string{{"system", "user-1000"}, {"user-1001"}}
	var want []string
	write := func() {
		i := random.IntN(len(sources))
		w, name := sources[i], names[i][random.IntN(len(names[i]))]
		switch n := random.IntN(200); {
		case n < 4 && w.files[name] != nil:
			w.rotate(name)
		case n == 4:
			w.boot, w.monoton, w.clock = journalfile.ID{byte(random.Uint32())}, 0, w.clock-uint64(random.IntN(2e6))
		case n == 5: // it is left unclean, and a new source begins
			o := w.o
			o.Source = journalfile.ID{w.o.Source[0], byte(random.Uint32()), byte(random.Uint32())}
			for _, own := range names[i] {
				if w.files[own] != nil {
					_ = w.files[own].Close()
					_ = os.Rename(filepath.Join(dir, own+".journal"), filepath.Join(dir, fmt.Sprintf("%s@%s.journal~", own, o.Source)))
				}
			}
			next := newWriter(t, dir, o)
			next.boot = journalfile.ID{byte(random.Uint32()), 1}
			sources[i], w = next, next
		}
		text := fmt.Sprintf("line %d", len(want))
		if random.IntN(10) == 0 {
			w.write(name, "MESSAGE=", "NOTHING="+text)
			return
		}
		want = append(want, text)
		w.write(name, "MESSAGE="+text, "UNIT=a")
	}
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		store, err := position.Open(data, options("", nil).Logger)
		if err != nil {
			t.Fatal(err)
		}
		k := &killed{sent: sent, acked: acked}
		o := options(dir, k)
		o.Positions = store
		stop := runFast(t, journal.New(o))
		for range random.IntN(300) {
			write()
			k.ack(random.IntN(3))
			if random.IntN(50) == 0 {
				k.wait(len(want))
			}
		}
		data = k.kill(t, data)
		stop()
		_ = store.Close()
		if len(k.again) > 0 {
			t.Fatalf("%d lines came again after they were acknowledged: %q", len(k.again), k.again[:min(10, len(k.again))])
		}
	}
	var again []string
	synctest.Test(t, func(t *testing.T) { // the last process reads what there is
		store, err := position.Open(data, options("", nil).Logger)
		if err != nil {
			t.Fatal(err)
		}
		k := &killed{sent: sent, acked: acked}
		o := options(dir, k)
		o.Positions = store
		stop := runByClock(t, journal.New(o))
		rest()
		stop()
		_ = store.Close()
		again = k.again
	})
	lost, twice := 0, 0
	for _, text := range want {
		if n := sent[text]; n == 0 {
			lost++
		} else if n > 1 {
			twice++
		}
	}
	t.Logf("%d lines, %d of them came more than once because they were not acknowledged", len(want), twice)
	if lost > 0 || len(again) > 0 {
		t.Errorf("%d of %d lines are lost, %d came again", lost, len(want), len(again))
	}
}
