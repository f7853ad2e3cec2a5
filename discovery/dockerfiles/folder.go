package dockerfiles

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lighter"
)

// folder is what is known of a container.
type folder struct {
	version string // of the files that it is from
	config  config
	host    hostConfig
	hidden  bool   // the agent may not read the files
	broken  string // why the files say nothing, though the agent may read them
}

// config is what is read of config.v2.json (moby, container/container.go).
type config struct {
	Name    string
	Created time.Time
	LogPath string
	Config  struct {
		Tty    bool
		Labels map[string]string
	}
	State struct {
		Running    bool
		StartedAt  time.Time
		FinishedAt time.Time
	}
}

// hostConfig is what is read of hostconfig.json.
type hostConfig struct {
	LogConfig   struct{ Type string }
	NetworkMode string
}

// read reads the folder of a container, unless it is as before. It fails with fs.ErrNotExist
// if there is no container in it; with another error it returns what was known before, or that
// nothing is known.
func read(dir string, before folder) (folder, error) {
	configFile, hostFile := filepath.Join(dir, "config.v2.json"), filepath.Join(dir, "hostconfig.json")
	version, err := stamp(configFile, hostFile)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return folder{}, err
		}
		return unknown(before, err), err
	}
	if version == before.version {
		return before, nil
	}
	now := folder{version: version}
	if err := errors.Join(decode(configFile, &now.config), decode(hostFile, &now.host)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return folder{}, fs.ErrNotExist // removed meanwhile
		}
		return unknown(before, err), err
	}
	return now, nil
}

// unknown keeps what is known of a container that cannot be read now.
func unknown(before folder, err error) folder {
	switch {
	case before.version != "":
		return before
	case errors.Is(err, fs.ErrPermission):
		return folder{version: "hidden", hidden: true}
	}
	return folder{version: "broken", broken: err.Error()}
}

// stamp returns what changes when the files do: the Engine replaces them whole.
func stamp(names ...string) (string, error) {
	var s strings.Builder
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&s, "%d %d ", info.ModTime().UnixNano(), info.Size())
	}
	return s.String(), nil
}

func decode(name string, into any) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read %s: it is not JSON as the Engine writes it", name) // it may hold secrets
	}
	return nil
}

// container returns what collecting needs of it.
func (f folder) container(id string) *lighter.Container {
	c := &lighter.Container{
		ID:        id,
		Name:      strings.TrimPrefix(f.config.Name, "/"),
		TTY:       f.config.Config.Tty,
		LogDriver: f.host.LogConfig.Type,
		LogPath:   f.config.LogPath,
		Running:   f.config.State.Running || f.hidden,
		Unknown:   f.broken,
		Created:   f.config.Created.UTC(),
		Started:   f.config.State.StartedAt.UTC(),
		Finished:  f.config.State.FinishedAt.UTC(),
	}
	if c.Name == "" {
		c.Name = id
	}
	return c
}
