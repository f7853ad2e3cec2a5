// Package dockerfiles finds containers without asking the Engine. It reads the Engine's data directory,
// mounted read-only, which has a folder for each container.
//
// Its targets are for reading logs. They have the same labels of the container as in package docker,
// but no address and no network, so they cannot be scraped. The name of a container and whether it
// runs are in a file that only root may read. An agent that may not read it uses the container's ID
// as its name and assumes that it runs. If the file can be read but is not valid, the container's log
// is not shipped, because the container may have opted out.
//
// A Discoverer checks the folders when inotify reports an event, and every half minute. Where inotify does
// not work, it checks them twice a second.
package dockerfiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/discovery/docker"
)

const (
	// interval is the time between two checks of the folders if inotify does not work. A container must be found
	// within a second.
	interval = 500 * time.Millisecond
	// longInterval is the time between two checks of the folders if inotify works.
	longInterval = 30 * time.Second
)

// Discoverer turns the folders of containers into targets.
type Discoverer struct {
	root   string
	logger *slog.Logger

	// Only Run or List uses these.
	known      map[string]folder // by ID
	incomplete bool              // the files of a container could not be read at the last check
	self       docker.SelfFinder
	watch      func() (watch, error) // newWatch, unless a test replaces it
	unreadable map[string]bool       // IDs of containers whose files cannot be read, as logged; "" stands for all hidden ones
	lists      lighter.Failures      // of attempts to list the folders

	mu  sync.Mutex
	err error // see Err
}

// New returns a Discoverer that does nothing until Run or List. root is where the Engine's data
// directory is mounted.
func New(root string, logger *slog.Logger) *Discoverer {
	d := &Discoverer{
		root:       root,
		logger:     logger,
		known:      map[string]folder{},
		watch:      newWatch,
		self:       docker.SelfFinder{Self: docker.OwnContainer(), Logger: logger},
		unreadable: map[string]bool{},
		err:        fmt.Errorf("the containers in %s have not been listed yet", root),
	}
	d.lists.Set(d.err)
	return d
}

// Err returns why the containers could not be listed when Run last tried, or nil if they could. It
// may be called at any time.
func (d *Discoverer) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Run implements discovery.Source. It calls update for the first time when the folders can be listed.
func (d *Discoverer) Run(ctx context.Context, update func([]lighter.Target)) error {
	w, err := d.watch()
	if err != nil {
		d.logger.Warn("inotify is not available: the folders of containers are checked twice a second instead of when they change; raise the sysctl fs.inotify.max_user_instances", "error", err)
	}
	defer w.close()
	timer := time.NewTimer(interval)
	defer timer.Stop()
	listed := false
	waited := interval
	told, untold := true, false // whether the last check was made because of an event; whether inotify misses events
	for ctx.Err() == nil {
		// Folders are watched before they are checked, so that later changes cause events.
		watched := w.add(d.containers(), slices.Collect(maps.Keys(d.known)))
		changed, err := d.look()
		d.setErr(err)
		if err == nil && (changed || !listed) {
			listed = true
			update(d.targets())
		}
		missed := changed && !told && waited == longInterval // unless the event is on its way
		waited = longInterval
		if !watched || err != nil || changed || d.incomplete || untold {
			waited = interval
		}
		// The next check is when the clock shows a multiple of that time. Readers of quiet logs wake at
		// the same moments, so that the process wakes once for all of them.
		timer.Reset(waited - time.Duration(time.Now().UnixNano()%int64(waited)))
		select {
		case _, open := <-w.events:
			told, untold = true, false
			if !open {
				d.logger.Warn("inotify has failed: the folders of containers are now checked twice a second; restart the agent to try inotify again")
				w.close()
				w = watch{}
			}
		case <-timer.C:
			told, untold = false, untold || missed
		case <-ctx.Done():
		}
	}
	return nil
}

// containers returns the directory with the folders of all containers.
func (d *Discoverer) containers() string { return filepath.Join(d.root, "containers") }

// List returns the targets as they are now. It must not be called while Run runs.
func (d *Discoverer) List() ([]lighter.Target, error) {
	if _, err := d.look(); err != nil {
		return nil, err
	}
	return d.targets(), nil
}

var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// look reads the folders again and reports whether anything has changed.
func (d *Discoverer) look() (changed bool, err error) {
	dir := d.containers()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("list the containers: %w; mount the Engine's data directory there, read-only, and let the agent's user read it (%s)", err, lighter.SettingDockerRoot)
	}
	found := make(map[string]folder, len(entries))
	d.incomplete = false
	for _, e := range entries {
		id := e.Name()
		if !containerID.MatchString(id) {
			continue
		}
		before, known := d.known[id]
		now, err := read(filepath.Join(dir, id), before)
		d.incomplete = d.incomplete || err != nil
		if errors.Is(err, fs.ErrNotExist) {
			continue // the container is being created or removed
		}
		if err != nil {
			d.logUnreadable(id, now, err)
		} else {
			delete(d.unreadable, id)
		}
		found[id] = now
		changed = changed || !known || now.version != before.version
	}
	changed = changed || len(found) != len(d.known)
	d.known = found
	return changed, nil
}

// targets returns the targets of the known containers, in the order of their names and IDs.
func (d *Discoverer) targets() []lighter.Target {
	self := d.findSelf()
	targets := make([]lighter.Target, 0, len(d.known))
	for id, f := range d.known {
		c := f.container(id)
		c.Self = id == self
		b := labels.NewBuilder(labels.EmptyLabels())
		docker.SetLabels(b, id, "/"+c.Name, f.host.NetworkMode, f.config.Config.Labels)
		targets = append(targets, lighter.Target{Labels: b.Labels(), Container: c})
	}
	slices.SortFunc(targets, func(a, b lighter.Target) int {
		return strings.Compare(a.Container.Name+"\x00"+a.Container.ID, b.Container.Name+"\x00"+b.Container.ID)
	})
	return targets
}

// findSelf returns the ID of the agent's own container, or an empty ID if that is not certain.
func (d *Discoverer) findSelf() string {
	all := make([]docker.Candidate, 0, len(d.known))
	for id, f := range d.known {
		all = append(all, docker.Candidate{ID: id, Name: f.container(id).Name, NetworkMode: f.host.NetworkMode})
	}
	return d.self.Find(all)
}

// setErr records whether the folders could be listed, and logs it if that has changed.
func (d *Discoverer) setErr(err error) {
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	switch news := d.lists.Set(err); {
	case news && err != nil:
		d.logger.Error("the containers cannot be listed", "error", err)
	case news:
		d.logger.Info("the containers can now be listed", "in", d.root)
	}
}

// logUnreadable logs that the files of a container cannot be read. It does so once for each container, until they
// can be read again, and once for all containers whose files the agent may not read.
func (d *Discoverer) logUnreadable(id string, f folder, err error) {
	text := "the files that describe a container cannot be read; what was known of the container before is used"
	switch {
	case f.hidden:
		id, text = "", "containers are named by their IDs, because the agent is not permitted to read the files that describe them. Run the agent as root, or give it the socket"
	case f.broken != "":
		text = "a container's log is not shipped: the files that describe the container cannot be read, and the container may have opted out. They are read again twice a second; remove the container to end this"
	}
	if d.unreadable[id] {
		return
	}
	d.unreadable[id] = true
	if id == "" {
		d.logger.Warn(text, "error", err)
	} else {
		d.logger.Warn(text, "id", id, "error", err)
	}
}
