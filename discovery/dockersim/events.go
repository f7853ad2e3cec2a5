package dockersim

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// eventsKept is how many past events the real Engine remembers.
const eventsKept = 256

// eventLog holds the newest events.
type eventLog struct {
	kept  []events.Message
	first int  // number of kept[0] among all events since the Engine was made
	more  bell // rings when an event is added
}

func (l *eventLog) forget() {
	l.first += len(l.kept)
	l.kept = nil
}

// recordLocked adds an event, unless the Engine is down.
func (e *Engine) recordLocked(m events.Message) {
	if !e.down {
		e.events.add(m)
	}
}

func (l *eventLog) add(m events.Message) {
	l.kept = append(l.kept, m)
	if n := len(l.kept) - eventsKept; n > 0 {
		l.kept = append([]events.Message(nil), l.kept[n:]...)
		l.first += n
	}
	l.more.wake()
}

// emitLocked emits an event of a container that has changed. attributes are alternating names and values.
func (e *Engine) emitLocked(c *Container, action string, attributes ...string) {
	if action != "destroy" {
		e.saveLocked(c)
	}
	attrs := map[string]string{"image": c.spec.Image, "name": c.spec.Name}
	for k, v := range c.spec.Labels {
		attrs[k] = v
	}
	for i := 0; i+1 < len(attributes); i += 2 {
		attrs[attributes[i]] = attributes[i+1]
	}
	now := e.Now()
	e.recordLocked(events.Message{
		Type: events.ContainerEventType, Action: events.Action(action),
		Actor: events.Actor{ID: c.id, Attributes: attrs},
		Scope: "local", Time: now.Unix(), TimeNano: now.UnixNano(),
	})
}

func (e *Engine) emitNetworkLocked(c *Container, name, action string) {
	n := e.networkLocked(name)
	if n == nil {
		return
	}
	now := e.Now()
	e.recordLocked(events.Message{
		Type: events.NetworkEventType, Action: events.Action(action),
		Actor: events.Actor{ID: n.id, Attributes: map[string]string{"container": c.id, "name": name, "type": "bridge"}},
		Scope: "local", Time: now.Unix(), TimeNano: now.UnixNano(),
	})
}

// serveEvents sends the past events since a time, if the request contains one, and then every new event,
// whatever its time.
func (e *Engine) serveEvents(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err := parseTime(q.Get("since"))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	wanted, err := filters.FromJSON(q.Get("filters"))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	out := json.NewEncoder(w)

	e.mu.Lock()
	at := e.events.first
	if since == 0 {
		at += len(e.events.kept)
	}
	for _, m := range e.events.kept[at-e.events.first:] {
		if m.TimeNano >= since {
			break
		}
		at++
	}
	e.mu.Unlock()
	for {
		e.mu.Lock()
		at = max(at, e.events.first)
		news := e.events.kept[min(at-e.events.first, len(e.events.kept)):]
		at += len(news)
		more := e.events.more.wait()
		e.mu.Unlock()

		for _, m := range news {
			if matches(wanted, m) && out.Encode(m) != nil {
				return
			}
		}
		if flusher.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

func matches(wanted filters.Args, m events.Message) bool {
	action, _, _ := strings.Cut(string(m.Action), ":")
	return wanted.ExactMatch("type", string(m.Type)) &&
		(wanted.ExactMatch("event", action) || wanted.ExactMatch("event", string(m.Action))) &&
		(!wanted.Contains("container") || m.Type == events.ContainerEventType && wanted.FuzzyMatch("container", m.Actor.ID)) &&
		wanted.MatchKVList("label", m.Actor.Attributes)
}

// parseTime parses seconds[.nanoseconds] since 1970 and returns Unix nanoseconds. As in a decimal fraction,
// .5 means 500 ms. An empty text means 0.
func parseTime(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	whole, fraction, _ := strings.Cut(s, ".")
	seconds, err := parseDigits(whole)
	if err != nil {
		return 0, err
	}
	nanos, err := parseDigits((fraction + "000000000")[:9])
	if err != nil {
		return 0, err
	}
	return seconds*int64(time.Second) + nanos, nil
}
