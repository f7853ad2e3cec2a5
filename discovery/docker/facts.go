package docker

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"lighter"
)

// inspections is how many run at a time. Each takes the Engine a lock and a millisecond.
const inspections = 4

// facts remembers what inspecting containers gave. One is inspected again when something
// happened to it, or may have, and not before.
type facts struct {
	client *Client
	logger *slog.Logger
	known  map[string]*fact
}

// fact is what is known of one container.
type fact struct {
	container *lighter.Container // not changed; another one takes its place
	state     string             // in the list, when it was inspected
	doubtful  bool               // inspect it before it is used
	failed    string             // why it could not be inspected
}

func newFacts(c *Client, logger *slog.Logger) facts {
	return facts{client: c, logger: logger, known: map[string]*fact{}}
}

// doubt says that something happened to a container.
func (f *facts) doubt(id string) {
	if k := f.known[id]; k != nil {
		k.doubtful = true
	}
}

// doubtAll says that anything may have happened.
func (f *facts) doubtAll() {
	for _, k := range f.known {
		k.doubtful = true
	}
}

// failed returns the containers that could not be inspected.
func (f *facts) failed() (ids []string) {
	for id, k := range f.known {
		if k.failed != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// retry inspects containers and sends those that the Engine describes by now, unless ctx ends
// first. It runs beside all else: a container of which the Engine says nothing at all would
// keep a list waiting, and with it all others.
func (f *facts) retry(ctx context.Context, ids []string, found chan<- []*lighter.Container) {
	var described []*lighter.Container
	for _, id := range ids {
		if c, err := f.client.Inspect(ctx, id); err == nil {
			described = append(described, c)
		}
	}
	select {
	case found <- described:
	case <-ctx.Done():
	}
}

// learn takes what a retry has found.
func (f *facts) learn(found []*lighter.Container) {
	for _, c := range found {
		if k := f.known[c.ID]; k != nil {
			f.known[c.ID] = &fact{container: c, state: k.state, doubtful: k.doubtful}
		}
	}
}

// of returns what is known of each container of a list, having inspected those of which it
// is not certain; nil for one that is gone. A container that the Engine cannot describe
// keeps what is known, or gets what the list says: it must not look as if it were gone, nor
// keep the others waiting. What is not in the list is forgotten.
func (f *facts) of(ctx context.Context, list []container.Summary) ([]*lighter.Container, error) {
	all := make([]*fact, len(list))
	var g errgroup.Group
	g.SetLimit(inspections)
	for i, s := range list {
		k := f.known[s.ID]
		if k != nil && !k.doubtful && k.state == s.State {
			all[i] = k
			continue
		}
		g.Go(func() (err error) {
			all[i], err = f.inspect(ctx, s, k)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	known := make(map[string]*fact, len(list))
	containers := make([]*lighter.Container, len(list))
	for i, k := range all {
		if k == nil {
			continue
		}
		if name := strings.TrimPrefix(nameOf(list[i]), "/"); name != k.container.Name {
			renamed := *k.container
			renamed.Name = name
			k.container = &renamed
		}
		containers[i], known[list[i].ID] = k.container, k
	}
	f.known = known
	return containers, nil
}

// inspect returns the fact of a container, nil if it is gone, or an error if the Engine is.
func (f *facts) inspect(ctx context.Context, s container.Summary, before *fact) (*fact, error) {
	c, err := f.client.Inspect(ctx, s.ID)
	switch {
	case err == nil:
		return &fact{container: c, state: s.State}, nil
	case ctx.Err() != nil, errors.Is(err, errDisconnected):
		return nil, err
	case errors.Is(err, ErrGone):
		return nil, nil
	}
	now := &fact{state: s.State, failed: err.Error()}
	if before != nil {
		now.container = before.container
	} else {
		now.container = f.client.summarise(s)
	}
	if before == nil || before.failed != now.failed {
		f.logger.Warn("the Engine does not describe a container, going by its list", "container", now.container.Name, "error", err)
	}
	return now, nil
}
