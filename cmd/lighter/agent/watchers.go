package agent

import (
	"context"
	"log/slog"
	"time"

	"lighter/collector/inotify"
	"lighter/config"
)

// watching is the Watcher of all files that are read. The zero value does not run.
type watching struct {
	watcher *inotify.Watcher
	cancel  context.CancelFunc
	done    chan struct{}
}

func (w *watching) start(logger *slog.Logger) {
	if w.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.watcher, w.cancel, w.done = inotify.NewWatcher(logger), cancel, make(chan struct{})
	go func() {
		defer close(w.done)
		_ = w.watcher.Run(ctx) // always nil: if inotify fails, files are checked by the clock
	}()
}

func (w *watching) stop() {
	if w.cancel != nil {
		w.cancel()
		<-w.done
		w.cancel = nil
	}
}

// watch records when the plan first had its paths, and starts the Watcher if the plan reads files.
func (a *Agent) watch(g *graph) {
	files := config.Has[config.FileSource](g.plan)
	for _, p := range paths(g.plan) {
		if _, known := a.pathBegan[p.prefix()]; !known {
			a.pathBegan[p.prefix()] = time.Now()
		}
		files = files || p.args.Root != ""
	}
	if files {
		a.watching.start(a.o.Logger)
	}
}
