package dockerfiles

import (
	"errors"

	"lighter/discovery/docker"
)

// SetSelf sets what is known about the container that the Discoverer runs in.
func (d *Discoverer) SetSelf(s docker.Self) { d.self.Self = s }

// Deaf makes inotify report no events. If fails is set, inotify is not available.
func (d *Discoverer) Deaf(fails bool) {
	d.watch = func() (watch, error) {
		if fails {
			return watch{}, errors.New("no inotify")
		}
		return watch{addOne: func(string) bool { return true }}, nil
	}
}

// Told makes inotify report only the events of a channel.
func (d *Discoverer) Told(events chan struct{}) {
	d.watch = func() (watch, error) {
		return watch{addOne: func(string) bool { return true }, events: events}, nil
	}
}
