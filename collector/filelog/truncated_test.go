package filelog_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A file that was truncated while nobody read it is named in the log.
func TestTruncatedBetweenTwoRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		size  int64 // number of lines left
		after []string
	}{
		"to nothing":             {0, []string{"new"}},
		"to some of its lines":   {1, []string{"new"}},
		"to nothing, no new one": {0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.say("one")
				first, err := os.Stat(b.path)
				b.must(err)
				b.say("two", "three")
				r := b.tail()
				b.expect("out: one", "out: two", "out: three")
				b.sink.AckAll()
				b.must(r.stop())
				b.restart(true)
				b.must(os.Truncate(b.path, tc.size*first.Size()))
				b.say(tc.after...)
				b.tail()
				time.Sleep(5 * time.Second)
				if got := b.sink.Lines(); len(got) < len(tc.after) || len(tc.after) > 0 && got[len(got)-1] != "out: "+tc.after[0] {
					t.Errorf("lines = %q, want %q at the end", got, tc.after)
				}
				b.said(1, "it was truncated since")
			})
		})
	}
}
