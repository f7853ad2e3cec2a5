package agent

import (
	"context"
	"log/slog"
	"time"

	"lighter/collector/file"
	"lighter/collector/filelog"
	"lighter/config"
)

// watching is a running Watcher. Each path that reads files has its own, because one Watcher knows one
// reader per log.
type watching struct {
	watcher *filelog.Watcher
	cancel  context.CancelFunc
	done    chan struct{}
}

// fileWatching is the Watcher of all files that are not containers' logs. The zero value does not run.
type fileWatching struct {
	watcher *file.Watcher
	cancel  context.CancelFunc
	done    chan struct{}
}

func (w *fileWatching) start(logger *slog.Logger) {
	if w.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.watcher, w.cancel, w.done = file.NewWatcher(logger), cancel, make(chan struct{})
	go func() {
		defer close(w.done)
		_ = w.watcher.Run(ctx) // always nil: if inotify fails, files are checked by the clock
	}()
}

func (w *fileWatching) stop() {
	if w.cancel != nil {
		w.cancel()
		<-w.done
		w.cancel = nil
	}
}

// watch makes a Watcher for each path that reads containers' logs from files and has none, and the one for
// all other files if there are any.
func (a *Agent) watch(g *graph) {
	if config.Has[config.FileSource](g.plan) {
		a.fileWatcher.start(a.o.Logger)
	}
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
			_ = w.watcher.Run(ctx) // always nil: if inotify fails, files are polled
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
