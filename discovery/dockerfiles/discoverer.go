// Package dockerfiles finds containers without asking the Engine: in its data directory,
// mounted read-only, where there is a folder for each.
//
// It is for logs. A target has the container's labels as package docker gives them, but no
// address and no network: there is nothing to scrape. What a container is called and whether
// it runs is in a file that only root may read; an agent that may not calls it by its id and
// takes it to run. Where the file can be read and makes no sense, nothing of the container is
// shipped: it may have asked for that.
//
// The folders are looked at twice a second. That takes some microseconds a container, less
// than following what changes in them.
package dockerfiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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

// interval is how often the folders are looked at: a container is to be seen within a second.
const interval = 500 * time.Millisecond

// Discoverer turns the folders of containers into targets.
type Discoverer struct {
	root   string
	logger *slog.Logger
	own    []string // beginnings of the id of the agent's own container

	// Owned by Run or List.
	known map[string]folder
	said  map[string]bool // by id, what was said of containers that cannot be read

	mu     sync.Mutex
	failed error // why the folders could not be listed when that was last tried
}

// New returns a Discoverer that does nothing until Run or List. root is where the Engine's data
// directory is mounted.
func New(root string, logger *slog.Logger) *Discoverer {
	return &Discoverer{
		root:   root,
		logger: logger,
		own:    docker.OwnIDs(),
		known:  map[string]folder{},
		said:   map[string]bool{},
		failed: fmt.Errorf("the containers in %s have not been listed yet", root),
	}
}

// Err returns why containers are not found at present, nil if they are. It may be called at
// any time.
func (d *Discoverer) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// Run calls update with all targets there are, at first when the folders could be listed for
// the first time, then at each change, until ctx ends, which it reports as nil. While the
// folders cannot be listed it calls nothing.
func (d *Discoverer) Run(ctx context.Context, update func([]lighter.Target)) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	listed := false
	for ctx.Err() == nil {
		changed, err := d.look()
		d.note(err)
		if err == nil && (changed || !listed) {
			listed = true
			update(d.targets())
		}
		// Where the clock shows a multiple, as readers of quiet logs do: one waking for all.
		timer.Reset(interval - time.Duration(time.Now().UnixNano()%int64(interval)))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// List returns the targets as they are now. It is not for use beside Run.
func (d *Discoverer) List() ([]lighter.Target, error) {
	if _, err := d.look(); err != nil {
		return nil, err
	}
	return d.targets(), nil
}

var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// look brings what is known up to date and reports whether anything has changed.
func (d *Discoverer) look() (changed bool, err error) {
	dir := filepath.Join(d.root, "containers")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("list the containers: %w; mount the Engine's data directory there, read-only, and let the agent's user read it (LIGHTER_DOCKER_ROOT)", err)
	}
	found := make(map[string]folder, len(entries))
	for _, e := range entries {
		id := e.Name()
		if !containerID.MatchString(id) {
			continue
		}
		before, known := d.known[id]
		now, err := read(filepath.Join(dir, id), before)
		if errors.Is(err, fs.ErrNotExist) {
			continue // being made, or removed
		}
		if err != nil {
			d.say(id, now, err)
		} else {
			delete(d.said, id)
		}
		found[id] = now
		changed = changed || !known || now.version != before.version
	}
	changed = changed || len(found) != len(d.known)
	d.known = found
	return changed, nil
}

// targets makes targets of what is known, by name and id.
func (d *Discoverer) targets() []lighter.Target {
	targets := make([]lighter.Target, 0, len(d.known))
	for id, f := range d.known {
		c := f.container(id)
		c.Self = slices.ContainsFunc(d.own, func(own string) bool { return strings.HasPrefix(id, own) })
		b := labels.NewBuilder(labels.EmptyLabels())
		docker.SetLabels(b, id, "/"+c.Name, f.host.NetworkMode, f.config.Config.Labels)
		targets = append(targets, lighter.Target{Labels: b.Labels(), Container: c})
	}
	slices.SortFunc(targets, func(a, b lighter.Target) int {
		return strings.Compare(a.Container.Name+"\x00"+a.Container.ID, b.Container.Name+"\x00"+b.Container.ID)
	})
	return targets
}

// note says that the folders cannot be listed, once, and once that they can again.
func (d *Discoverer) note(err error) {
	d.mu.Lock()
	before := d.failed
	d.failed = err
	d.mu.Unlock()
	switch {
	case err != nil && (before == nil || err.Error() != before.Error()):
		d.logger.Error("containers are not found", "error", err)
	case err == nil && before != nil:
		d.logger.Info("containers are found", "in", d.root)
	}
}

// say says that a container cannot be read, once, and of all those that the agent may not read once.
func (d *Discoverer) say(id string, f folder, err error) {
	text := "what the Engine wrote about a container cannot be read; what was known of it holds on"
	switch {
	case f.hidden:
		id, text = "", "containers are named by their ids: what the Engine wrote about them may not be read. Run the agent as root, or give it the socket"
	case f.broken != "":
		text = "a container's log is not shipped: what the Engine wrote about it cannot be read, and it may say so. It is tried again; removing the container ends this"
	}
	if d.said[id] {
		return
	}
	d.said[id] = true
	if id == "" {
		d.logger.Warn(text, "error", err)
	} else {
		d.logger.Warn(text, "id", id, "error", err)
	}
}
