package agent

import (
	"context"
	"time"

	"lighter/collector/filelog"
)

// watching is a Watcher that runs. Each path that reads files has one of its own: one Watcher knows
// one reader of a log.
type watching struct {
	watcher *filelog.Watcher
	cancel  context.CancelFunc
	done    chan struct{}
}

// watch makes a Watcher for each path that reads files and has none.
func (a *Agent) watch(g *graph) {
	for _, p := range paths(g.plan) {
		if _, known := a.pathBegan[p.prefix()]; !known {
			a.pathBegan[p.prefix()] = time.Now()
		}
		if p.args.Root == "" || a.watchers[p.prefix()] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		w := &watching{filelog.NewWatcher(a.o.Logger), cancel, make(chan struct{})}
		a.watchers[p.prefix()] = w
		go func() {
			defer close(w.done)
			_ = w.watcher.Run(ctx) // it returns nil: when inotify fails, files are polled
		}()
	}
}

// stopWatching stops the Watchers of the paths that are not kept.
func (a *Agent) stopWatching(kept map[string]bool) {
	for prefix, w := range a.watchers {
		if !kept[prefix] {
			w.cancel()
			<-w.done
			delete(a.watchers, prefix)
		}
	}
}
