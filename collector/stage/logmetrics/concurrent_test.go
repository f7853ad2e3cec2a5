package logmetrics_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"lighter/collector/stage"
	"lighter/collector/stage/logmetrics"
)

// Logs start, count and end concurrently, while the page is read. In the end everything is counted once,
// because each log is followed by another one of the same container.
func TestConcurrent(t *testing.T) {
	const logs, generations, batches = 4, 5, 20
	set := newSet(500)
	declarations := parse(t, "m{n} = count(n)")
	var readers, pages sync.WaitGroup
	stop := make(chan struct{})
	pages.Go(func() {
		for before := 0.0; ; {
			select {
			case <-stop:
				return
			default:
			}
			now := page(t, set.Gatherer())[`m{container="stays",n="1",service="api"}`]
			if now < before {
				t.Errorf("the counter went back from %v to %v", before, now)
			}
			before = now
		}
	})
	for i := range logs {
		readers.Go(func() {
			name := fmt.Sprint("web-", i)
			if i == 0 {
				name = "stays"
			}
			for g := range generations {
				id := fmt.Sprint(name, g)
				if i == 0 {
					id = name
				}
				var acked atomic.Pointer[[]byte]
				maker := set.Maker(logmetrics.Log{ID: id, Declarations: declarations, Count: true, Acknowledged: func() []byte {
					if b := acked.Load(); b != nil {
						return *b
					}
					return nil
				}})
				chain := maker.New(stage.Log{Service: "api", Container: name}, nowhere{})
				for range batches {
					appendTo(t, chain, batchOf("n=1", "n=2"))
					kept := chain.(stage.Keeper).Keep(nil)
					acked.Store(&kept)
				}
				if i == 0 {
					return
				}
				set.Forget(id)
				newLogOfName(t, set, id+"-next", name)
				set.Forget(id + "-next")
			}
			newLogOfName(t, set, name, name)
		})
	}
	readers.Wait()
	close(stop)
	pages.Wait()
	want(t, set, map[string]float64{
		`m{container="stays",n="1",service="api"}`: batches,
		`m{container="web-1",n="1",service="api"}`: batches * generations,
		`m{container="web-3",n="2",service="api"}`: batches * generations,
	})
}

// newLogOfName makes a log without a reader.
func newLogOfName(t *testing.T, set *logmetrics.Set, id, container string) {
	set.Maker(logmetrics.Log{ID: id, Declarations: parse(t, "m{n} = count(n)"), Count: true, Acknowledged: func() []byte { return nil }}).
		New(stage.Log{Service: "api", Container: container}, nowhere{})
}
