package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// overlap is how much of the past is asked for at the first connect. The Engine subscribes
// a moment after it has answered; an event in that moment is among the past ones.
const overlap = time.Minute

// watcher reads a stream of events all the time, so that the Engine, which does not wait
// for slow readers, is never one event too many. It keeps no more of them than the ids.
type watcher struct {
	news   chan struct{} // has one when take has something
	broken chan struct{} // closed when the stream has ended
	err    error         // why; not before broken is closed
	cancel context.CancelFunc

	mu     sync.Mutex
	ids    map[string]bool // containers that something happened to since the last take
	lastNs int64           // time of the newest event
}

// watch opens the stream of events. One that cannot be opened is a broken one.
func (d *Discoverer) watch(ctx context.Context, api *client.Client) *watcher {
	since := d.lastEvent
	if since == 0 {
		since = time.Now().Add(-overlap).UnixNano()
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{news: make(chan struct{}, 1), broken: make(chan struct{}), cancel: cancel}
	messages, errs := api.Events(ctx, events.ListOptions{ // waits for the answer's headers
		Since:   fmt.Sprintf("%d.%09d", since/int64(time.Second), since%int64(time.Second)),
		Filters: wantedEvents(),
	})
	go func() {
		defer close(w.broken)
		for {
			select {
			case m := <-messages:
				w.add(m)
			case err := <-errs:
				w.err = broke(err)
				return
			}
		}
	}()
	return w
}

// wantedEvents is what may change a target. A health check's exec_start is not among it.
func wantedEvents() filters.Args {
	f := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)), filters.Arg("type", string(events.NetworkEventType)))
	for _, a := range []events.Action{
		events.ActionCreate, events.ActionStart, events.ActionRestart, events.ActionDie, events.ActionStop, events.ActionPause,
		events.ActionUnPause, events.ActionRename, events.ActionDestroy, events.ActionConnect, events.ActionDisconnect,
	} {
		f.Add("event", string(a))
	}
	return f
}

func broke(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("follow the Engine's events: the Engine ended the stream")
	}
	return fmt.Errorf("follow the Engine's events: %w", explain(err, "/events"))
}

// add notes an event. One of a network makes a new list worthwhile, and no inspection.
func (w *watcher) add(m events.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Type == events.ContainerEventType {
		if w.ids == nil {
			w.ids = map[string]bool{}
		}
		w.ids[m.Actor.ID] = true
	}
	w.lastNs = max(w.lastNs, m.TimeNano)
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// take returns the containers that something happened to, and forgets them.
func (w *watcher) take() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := w.ids
	w.ids = nil
	select {
	case <-w.news:
	default:
	}
	return ids
}

// close ends the stream, waits until nothing reads it, and returns the time of the newest
// event, on the Engine's clock in Unix nanoseconds; 0 if there was none.
func (w *watcher) close() int64 {
	w.cancel()
	<-w.broken
	return w.lastNs
}
