package agent

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/multiline"
)

// The lines passed to a reader stay unchanged, even if newer ones replace them in the log while its
// endpoint stands still.
func TestLinesOfTheOwnLogAreTheReaders(t *testing.T) {
	o := NewOwnLog()
	line := func(i int) []byte {
		return append(fmt.Appendf(nil, "%d ", i), bytes.Repeat([]byte("x"), ownLogBytes/8)...)
	}
	const n = 5 // the array of the lines has room for more, so that Write clears entries of the same one
	for i := range n {
		_, _ = o.Write(line(i))
	}
	lines, _ := o.next("key")
	if len(lines) != n {
		t.Fatalf("%d lines, want %d", len(lines), n)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range 100 {
			_, _ = o.Write(line(n + i))
		}
	}()
	check := func() {
		t.Helper()
		for i, l := range lines {
			if l.at == 0 || !bytes.Equal(l.text, line(i)) {
				t.Errorf("line %d became %.10q of time %d", i, l.text, l.at)
			}
		}
	}
	check() // with the race detector, concurrently with Write
	<-written
	check()
}

// noRoom is an endpoint that takes nothing.
type noRoom struct{}

func (noRoom) Append(ctx context.Context, _ *lighter.Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

// Lines that stages hold back when the reader ends are counted if there is no room for them. Those of a batch that
// was not taken are not lost: the next reader hands them on.
func TestHeldLinesOfTheOwnLogAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		more string // a line that ends what is held back
		left int    // lines that the next reader hands on
	}{
		"they are released":      {},
		"a later line ends them": {more: "other", left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := NewOwnLog()
				stages := multiline.Maker(multiline.Config{Wait: time.Hour}, multiline.NewMetrics(prometheus.NewRegistry()))
				r := &ownLogReader{own: o, key: "key", logs: stage.NewChain(noRoom{}, stage.Log{}, nil, stages)}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- r.Run(ctx) }()
				_, _ = o.Write([]byte("panic: boom\n"))
				synctest.Wait()
				if tc.more != "" {
					_, _ = o.Write([]byte(tc.more + "\n"))
					synctest.Wait()
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if n := testutil.ToFloat64(o.dropped); n != 1 {
					t.Errorf("%v lines are counted as dropped, want 1", n)
				}
				if lines, _ := o.next("key"); len(lines) != tc.left {
					t.Errorf("%d lines are left for the next reader, want %d", len(lines), tc.left)
				}
			})
		})
	}
}
