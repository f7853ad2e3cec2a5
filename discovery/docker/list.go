package docker

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// list holds an Engine's containers and networks, listed at about the same time.
type list struct {
	all      map[string]container.Summary // by ID, regardless of the configured filters
	wanted   []container.Summary          // the containers that the filters select, sorted by name and ID
	networks map[string]network.Summary   // by id
}

// fetchList requests the Engine's containers and, concurrently in a goroutine of g, its networks. It waits
// for the networks no longer than patience.
func (d *Discoverer) fetchList(ctx context.Context, api *client.Client, g *sync.WaitGroup, patience time.Duration) (list, error) {
	d.networks.request(ctx, api, g)
	everything, err := d.listContainers(ctx, api, container.ListOptions{All: d.cfg.Stopped})
	if err != nil {
		return list{}, err
	}
	l := list{all: make(map[string]container.Summary, len(everything)), wanted: everything}
	if len(d.cfg.Filters) > 0 {
		only := filters.NewArgs()
		for _, name := range slices.Sorted(maps.Keys(d.cfg.Filters)) {
			for _, value := range d.cfg.Filters[name] {
				only.Add(name, value)
			}
		}
		l.wanted, err = d.listContainers(ctx, api, container.ListOptions{All: d.cfg.Stopped, Filters: only})
		if err != nil {
			return list{}, err
		}
	}
	for _, c := range everything {
		l.all[c.ID] = c
	}
	slices.SortFunc(l.wanted, func(x, y container.Summary) int {
		return strings.Compare(nameOf(x)+"\x00"+x.ID, nameOf(y)+"\x00"+y.ID)
	})
	d.networks.wait(ctx, patience)
	l.networks = d.networks.known
	return l, nil
}

func (d *Discoverer) listContainers(ctx context.Context, api *client.Client, o container.ListOptions) (all []container.Summary, err error) {
	err = d.client.call(ctx, callTimeout, "list the Engine's containers", "/containers/json", func(ctx context.Context) error {
		all, err = api.ContainerList(ctx, o)
		return err
	})
	return all, err
}

// nameOf returns a container's name with its leading slash. A container to which others link has further
// names, such as /other/alias, which are not its own.
func nameOf(c container.Summary) string {
	for _, name := range c.Names {
		if strings.LastIndexByte(name, '/') == 0 {
			return name
		}
	}
	if len(c.Names) > 0 {
		return c.Names[0]
	}
	return "/" + c.ID[:min(12, len(c.ID))]
}

// isRunning reports whether docker ps shows a container.
func isRunning(c container.Summary) bool {
	switch c.State {
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return true
	}
	return false
}
