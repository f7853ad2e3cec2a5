package docker

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/events"

	"lighter"
)

// maxRecent is how many events are kept for whoever follows them later, which is how many an Engine keeps.
const maxRecent = 256

// told is what an Engine has told of containers, and who wants to know. The zero value is ready.
type told struct {
	mu        sync.Mutex
	recent    []lighter.Event // the newest ones, in the order of their arrival
	followers []*follower
}

type follower struct{ tell func(lighter.Event) }

// Follow has tell called for each event of a container, first for those that arrived before and have a time
// of since or later. tell must not block. Nobody calls it once
// stop has returned. Follow may be called at any time.
func (d *Discoverer) Follow(since int64, tell func(lighter.Event)) (stop func()) {
	t := &d.told
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.recent {
		if e.Time >= since {
			tell(e)
		}
	}
	f := &follower{tell}
	t.followers = append(t.followers, f)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.followers = slices.DeleteFunc(t.followers, func(other *follower) bool { return other == f })
	}
}

// add tells the followers of an event of a container.
func (t *told) add(m events.Message) {
	action, detail, _ := strings.Cut(string(m.Action), ": ")
	e := lighter.Event{Time: m.TimeNano, Container: m.Actor.ID, Action: action, Image: m.Actor.Attributes["image"]}
	switch action {
	case "die", "died": // the second is Podman's
		e.ExitCode, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
	case string(events.ActionHealthStatus):
		e.Health = detail
		if e.Health == "" {
			e.Health = m.Actor.Attributes["health_status"]
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.recent, e) {
		return // the Engine gives the last ones again after a reconnect
	}
	if len(t.recent) == maxRecent {
		t.recent = slices.Delete(t.recent, 0, 1)
	}
	t.recent = append(t.recent, e)
	for _, f := range t.followers {
		f.tell(e)
	}
}
