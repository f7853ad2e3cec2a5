package dockersim

import (
	"net/http"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	dockernet "github.com/docker/docker/api/types/network"
)

// serveList responds to docker ps with the running containers, newest first. It also lists the others with
// ?all, or if the filter contains a state.
func (e *Engine) serveList(w http.ResponseWriter, r *http.Request) {
	wanted, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	all := r.URL.Query().Get("all")
	everyState := all != "" && all != "0" && all != "false" || wanted.Contains("status")

	e.mu.Lock()
	list := []container.Summary{}
	for i := len(e.containers) - 1; i >= 0; i-- {
		c := e.containers[i]
		up := c.state == stateRunning || c.state == statePaused
		if !up && !everyState || !c.passes(wanted) {
			continue
		}
		row := c.summary(up)
		if size := r.URL.Query().Get("size"); size == "1" || size == "true" {
			row.SizeRw, row.SizeRootFs = c.writable, c.writable+imageBytes
		}
		list = append(list, row)
	}
	e.mu.Unlock()
	reply(w, list)
}

func (c *Container) passes(wanted filters.Args) bool {
	if wanted.Contains("network") {
		on := false
		for _, n := range c.spec.Networks {
			on = on || wanted.ExactMatch("network", n.Network)
		}
		if !on {
			return false
		}
	}
	return wanted.Match("name", c.spec.Name) && wanted.FuzzyMatch("id", c.id) &&
		wanted.ExactMatch("status", string(c.state)) && wanted.MatchKVList("label", c.spec.Labels)
}

func (c *Container) summary(up bool) container.Summary {
	s := container.Summary{
		ID: c.id, Names: []string{"/" + c.spec.Name}, Image: c.spec.Image, ImageID: "sha256:" + c.id, Command: "run",
		Created: c.created.Unix(), Ports: []container.Port{}, Labels: c.labels(),
		State: string(c.state), Status: string(c.state), Mounts: []container.MountPoint{},
		NetworkSettings: &container.NetworkSettingsSummary{Networks: c.endpoints(up)},
	}
	s.HostConfig.NetworkMode = c.spec.NetworkMode
	if !up {
		return s
	}
	for _, p := range c.spec.Ports {
		row := container.Port{PrivatePort: p.Private, PublicPort: p.Public, Type: p.Type}
		if row.Type == "" {
			row.Type = "tcp"
		}
		if p.Public == 0 {
			s.Ports = append(s.Ports, row)
			continue
		}
		for _, row.IP = range []string{"0.0.0.0", "::"} {
			s.Ports = append(s.Ports, row)
		}
	}
	return s
}

func (c *Container) labels() map[string]string {
	if c.spec.Labels == nil {
		return map[string]string{}
	}
	return c.spec.Labels // which never change
}

func (c *Container) logOptions() map[string]string {
	if c.spec.LogOptions == nil {
		return map[string]string{}
	}
	return c.spec.LogOptions // which never change
}

// endpoints returns the container's networks. A container that is not up has no addresses on them.
func (c *Container) endpoints(up bool) map[string]*dockernet.EndpointSettings {
	on := make(map[string]*dockernet.EndpointSettings)
	for _, n := range c.spec.Networks {
		s := &dockernet.EndpointSettings{NetworkID: c.engine.networkLocked(n.Network).id}
		if up {
			s.IPAddress, s.GlobalIPv6Address = n.IP, n.IPv6
		}
		on[n.Network] = s
	}
	return on
}

// serveInspect responds to docker inspect.
func (e *Engine) serveInspect(w http.ResponseWriter, c *Container) {
	e.mu.Lock()
	up := c.state == stateRunning || c.state == statePaused
	logPath := ""
	if c.spec.Driver == "json-file" {
		logPath = c.logPath()
	}
	response := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: c.id, Name: "/" + c.spec.Name, Created: stamp(c.created), Image: "sha256:" + c.id,
			LogPath: logPath, RestartCount: c.restarts, Platform: "linux", Driver: "overlay2",
			State: &container.State{
				Status: string(c.state), Running: up, Paused: c.state == statePaused, Dead: c.state == stateDead,
				ExitCode: c.exitCode, StartedAt: stamp(c.started), FinishedAt: stamp(c.finished),
				OOMKilled: c.oomKilled, Health: c.health,
			},
			HostConfig: &container.HostConfig{
				NetworkMode: container.NetworkMode(c.spec.NetworkMode),
				LogConfig:   container.LogConfig{Type: c.spec.Driver, Config: c.logOptions()},
				Resources:   c.spec.Resources,
			},
		},
		Config:          &container.Config{Hostname: c.spec.Hostname, Tty: c.spec.TTY, Image: c.spec.Image, Labels: c.labels()},
		NetworkSettings: &container.NetworkSettings{Networks: c.endpoints(up)},
		Mounts:          []container.MountPoint{},
	}
	response.GraphDriver.Name = response.Driver
	if c.spec.UpperDir != "" {
		response.GraphDriver.Data = map[string]string{"UpperDir": c.spec.UpperDir}
	}
	e.mu.Unlock()
	reply(w, response)
}

// stamp formats a time as in the response to inspect. The zero time is in the year 1.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// serveNetworks responds to docker network ls.
func (e *Engine) serveNetworks(w http.ResponseWriter) {
	e.mu.Lock()
	list := []dockernet.Summary{}
	for _, n := range e.networks {
		list = append(list, dockernet.Summary{
			ID: n.id, Name: n.Name, Scope: n.Scope, Driver: "bridge", Internal: n.Internal, Ingress: n.Ingress, Labels: n.Labels,
		})
	}
	e.mu.Unlock()
	reply(w, list)
}
