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

// maxInspections is how many containers are inspected at the same time. Each inspection takes a
// lock of the Engine and about a millisecond.
const maxInspections = 4

// inspector inspects containers and caches the results. It inspects a container again only if something has
// happened to it, or may have.
type inspector struct {
	client *Client
	logger *slog.Logger
	known  map[string]*inspected // by id
}

// inspected is the cached state of one container.
type inspected struct {
	description        // the container is never changed, but replaced by another one
	state       string // from the Engine's list, when the container was inspected
	stale       bool   // the container must be inspected before this is used again
	failed      bool   // the last inspection failed
	failures    lighter.Failures
}

func newInspector(c *Client, logger *slog.Logger) inspector {
	return inspector{client: c, logger: logger, known: map[string]*inspected{}}
}

// invalidate records that something has happened to a container.
func (i *inspector) invalidate(id string) {
	if k := i.known[id]; k != nil {
		k.stale = true
	}
}

// invalidateAll records that anything may have happened to any container.
func (i *inspector) invalidateAll() {
	for _, k := range i.known {
		k.stale = true
	}
}

// failed returns the ids of the containers whose last inspection failed.
func (i *inspector) failed() (ids []string) {
	for id, k := range i.known {
		if k.failed {
			ids = append(ids, id)
		}
	}
	return ids
}

// retry inspects containers and sends the descriptions of those that the Engine now describes, unless ctx
// ends first. It does not touch the cache, so that it can run concurrently with everything else: a
// container for which the Engine does not respond at all must not delay the others.
func (i *inspector) retry(ctx context.Context, ids []string, results chan<- []description) {
	var described []description
	for _, id := range ids {
		if d, err := i.client.inspect(ctx, id); err == nil {
			described = append(described, d)
		}
	}
	select {
	case results <- described:
	case <-ctx.Done():
	}
}

// store remembers the results of a retry.
func (i *inspector) store(described []description) {
	for _, d := range described {
		if k := i.known[d.container.ID]; k != nil {
			i.known[d.container.ID] = &inspected{description: d, state: k.state, stale: k.stale}
		}
	}
}

// describe returns a description of each listed container, or nil in place of a container that no longer
// exists. It inspects containers that are new, stale or in another state than before, and removes those
// that are not listed from the cache.
//
// If the Engine lists a container but does not describe it, describe returns the cached description or the
// information in the list: the container must not seem to be gone, and the others must not wait.
func (i *inspector) describe(ctx context.Context, listed []container.Summary) ([]*lighter.Container, error) {
	all := make([]*inspected, len(listed))
	var g errgroup.Group
	g.SetLimit(maxInspections)
	for n, s := range listed {
		k := i.known[s.ID]
		if k != nil && !k.stale && k.state == s.State {
			all[n] = k
			continue
		}
		g.Go(func() (err error) {
			all[n], err = i.inspect(ctx, s, k)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	known := make(map[string]*inspected, len(listed))
	containers := make([]*lighter.Container, len(listed))
	for n, k := range all {
		if k == nil {
			continue
		}
		if name := strings.TrimPrefix(nameOf(listed[n]), "/"); name != k.container.Name {
			renamed := *k.container
			renamed.Name = name
			k.container = &renamed
		}
		containers[n], known[listed[n].ID] = k.container, k
	}
	i.known = known
	return containers, nil
}

// inspect inspects one container. before is its cached state, or nil for a new container. inspect returns
// nil if the container no longer exists, and an error if the Engine cannot be reached.
func (i *inspector) inspect(ctx context.Context, s container.Summary, before *inspected) (*inspected, error) {
	described, err := i.client.inspect(ctx, s.ID)
	switch {
	case err == nil:
		return &inspected{description: described, state: s.State}, nil
	case ctx.Err() != nil, errors.Is(err, errDisconnected):
		return nil, err
	case errors.Is(err, lighter.ErrGone):
		return nil, nil
	}
	now := &inspected{state: s.State, failed: true}
	if before != nil {
		now.description, now.failures = before.description, before.failures
	} else {
		now.container = summarise(s)
	}
	if now.failures.Set(err) {
		i.logger.Warn("the Engine lists a container but cannot inspect it, so only the data of the list, or what was known before, is used", "container", now.container.Name, "error", err)
	}
	return now, nil
}
