package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// overlap is how far in the past the first event may be. The Engine begins to record for a client a moment
// after it has responded, and an event in that moment is only among the past ones.
const overlap = time.Minute

// eventStream reads an Engine's events without a pause, because the Engine drops events for a client that
// does not keep up. It keeps the IDs of the containers.
type eventStream struct {
	changed chan struct{} // holds a value while there are events that nobody has taken
	ended   chan struct{} // closed when the stream has ended
	err     error         // why the stream has ended; may be read only after ended is closed
	cancel  context.CancelFunc
	history *eventHistory

	mu     sync.Mutex
	ids    map[string]bool // containers with an event since the last call of takeChanged
	lastNs int64           // time of the newest event
}

// openEvents opens the stream of events. If that fails, the returned stream has already ended, with the
// error.
func (d *Discoverer) openEvents(ctx context.Context, api *client.Client) *eventStream {
	since := d.lastEvent
	if since == 0 {
		since = time.Now().Add(-overlap).UnixNano()
		if d.EventsSince != nil {
			if wanted := d.EventsSince(); wanted != 0 {
				since = min(since, wanted)
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &eventStream{changed: make(chan struct{}, 1), ended: make(chan struct{}), cancel: cancel, history: &d.history}
	messages, errs := api.Events(ctx, events.ListOptions{ // returns when the headers of the response have arrived
		Since:   fmt.Sprintf("%d.%09d", since/int64(time.Second), since%int64(time.Second)),
		Filters: wantedEvents(),
	})
	go func() {
		defer close(s.ended)
		for {
			select {
			case m := <-messages:
				s.add(m)
			case err := <-errs:
				s.err = streamError(err)
				return
			}
		}
	}()
	return s
}

// wantedEvents returns a filter for the events that may change a target or the description of a container.
// The exec_start of a health check, for example, is not among them; a change of the check's result is.
func wantedEvents() filters.Args {
	f := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)), filters.Arg("type", string(events.NetworkEventType)))
	for _, a := range []events.Action{
		events.ActionCreate, events.ActionStart, events.ActionRestart, events.ActionDie, events.ActionStop, events.ActionPause,
		events.ActionUnPause, events.ActionOOM, events.ActionHealthStatus, events.ActionRename, events.ActionDestroy, events.ActionConnect, events.ActionDisconnect,
	} {
		f.Add("event", string(a))
	}
	return f
}

// streamError returns why a stream of events has ended. A proxy that ends a stream resets the
// connection, or closes it, with or without sending the last chunk of the response.
func streamError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return kinded{errors.New("follow the Engine's events: the Engine, or a proxy before its socket, ended the stream"), errEnded}
	}
	return fmt.Errorf("follow the Engine's events: %w", explain(err, "/events"))
}

// add records an event, and passes it to the followers. After an event of a network, the containers are
// listed again, but not inspected.
func (s *eventStream) add(m events.Message) {
	if m.Type == events.ContainerEventType {
		s.history.add(m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Type == events.ContainerEventType {
		if s.ids == nil {
			s.ids = map[string]bool{}
		}
		s.ids[m.Actor.ID] = true
	}
	s.lastNs = max(s.lastNs, m.TimeNano)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// takeChanged returns the IDs of the containers with an event since the last call.
func (s *eventStream) takeChanged() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.ids
	s.ids = nil
	select {
	case <-s.changed:
	default:
	}
	return ids
}

// close ends the stream and waits until nothing reads it. It returns the time of the newest event, in Unix
// nanoseconds on the Engine's clock, or 0 if there was none.
func (s *eventStream) close() int64 {
	s.cancel()
	<-s.ended
	return s.lastNs
}
