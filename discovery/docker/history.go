package docker

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/events"

	"lighter"
)

// maxRecent is how many events are kept for later followers. An Engine keeps as many.
const maxRecent = 256

// eventHistory holds an Engine's recent events of containers, and their followers. The zero value is ready to use.
type eventHistory struct {
	mu        sync.Mutex
	recent    []lighter.Event // the newest events, in order of arrival
	followers []*follower
}

type follower struct{ tell func(lighter.Event) }

// Follow calls tell for each event of a container, first for earlier ones that have a time of since or
// later. tell must not block. It is not called after stop has returned. Follow may be called at any time.
func (d *Discoverer) Follow(since int64, tell func(lighter.Event)) (stop func()) {
	h := &d.history
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.recent {
		if e.Time >= since {
			tell(e)
		}
	}
	f := &follower{tell}
	h.followers = append(h.followers, f)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.followers = slices.DeleteFunc(h.followers, func(other *follower) bool { return other == f })
	}
}

// add passes an event of a container to the followers.
func (h *eventHistory) add(m events.Message) {
	action, detail, _ := strings.Cut(string(m.Action), ": ")
	e := lighter.Event{Time: m.TimeNano, Container: m.Actor.ID, Action: action, Image: m.Actor.Attributes["image"]}
	switch action {
	case "die", "died": // Podman sends the second
		e.ExitCode, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
	case string(events.ActionHealthStatus):
		e.Health = detail
		if e.Health == "" {
			e.Health = m.Actor.Attributes["health_status"]
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Contains(h.recent, e) {
		return // the Engine repeats the last events after a reconnect
	}
	if len(h.recent) == maxRecent {
		h.recent = slices.Delete(h.recent, 0, 1)
	}
	h.recent = append(h.recent, e)
	for _, f := range h.followers {
		f.tell(e)
	}
}
