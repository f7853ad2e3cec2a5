package dockerfiles

import (
	"errors"

	"lighter/discovery/docker"
)

// SetSelf sets what is known of the container that the Discoverer runs in.
func (d *Discoverer) SetSelf(s docker.Self) { d.self.Self = s }

// Deaf has inotify tell nothing. If it fails, that is known.
func (d *Discoverer) Deaf(fails bool) {
	d.watch = func() (watch, error) {
		if fails {
			return watch{}, errors.New("no inotify")
		}
		return watch{addOne: func(string) bool { return true }}, nil
	}
}

// Told has inotify tell what a channel gets, and nothing else.
func (d *Discoverer) Told(events chan struct{}) {
	d.watch = func() (watch, error) {
		return watch{addOne: func(string) bool { return true }, events: events}, nil
	}
}
