package docker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// answer is what an Engine said of its containers and networks, at about one time.
type answer struct {
	all      map[string]container.Summary // by id, whatever the filters
	wanted   []container.Summary          // what the filters leave, by name and id
	networks map[string]network.Summary   // by id
}

// ask lists containers and networks.
func (d *Discoverer) ask(ctx context.Context, api *client.Client) (answer, error) {
	everything, err := d.containers(ctx, api, container.ListOptions{All: d.cfg.Stopped})
	if err != nil {
		return answer{}, err
	}
	a := answer{all: make(map[string]container.Summary, len(everything)), wanted: everything, networks: map[string]network.Summary{}}
	if len(d.cfg.Filters) > 0 {
		only := filters.NewArgs()
		for _, name := range slices.Sorted(maps.Keys(d.cfg.Filters)) {
			for _, value := range d.cfg.Filters[name] {
				only.Add(name, value)
			}
		}
		a.wanted, err = d.containers(ctx, api, container.ListOptions{All: d.cfg.Stopped, Filters: only})
		if err != nil {
			return answer{}, err
		}
	}
	for _, c := range everything {
		a.all[c.ID] = c
	}
	slices.SortFunc(a.wanted, func(x, y container.Summary) int {
		return strings.Compare(nameOf(x)+"\x00"+x.ID, nameOf(y)+"\x00"+y.ID)
	})
	err = d.client.call(ctx, callTimeout, "list the Engine's networks", "/networks", func(ctx context.Context) error {
		list, err := api.NetworkList(ctx, network.ListOptions{})
		for _, n := range list {
			a.networks[n.ID] = n
		}
		return err
	})
	if errors.Is(err, errRefused) { // logs need no networks, and of those a container is on the id and the name are known
		if !d.networksHidden {
			d.logger.Warn("targets go without the labels of networks", "error", err)
		}
		d.networksHidden, err = true, nil
	}
	return a, err
}

func (d *Discoverer) containers(ctx context.Context, api *client.Client, o container.ListOptions) (list []container.Summary, err error) {
	err = d.client.call(ctx, callTimeout, "list the Engine's containers", "/containers/json", func(ctx context.Context) error {
		list, err = api.ContainerList(ctx, o)
		return err
	})
	return list, err
}

// nameOf returns a container's name with its leading slash. Others of its names may be what
// links call it (/other/alias).
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
