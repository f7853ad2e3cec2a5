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

// folder is what is known about a container from the files in its folder.
type folder struct {
	version string // of the files, see stamp
	config  config
	host    hostConfig
	hidden  bool   // the agent may not read the files
	broken  string // why the files are not valid although the agent may read them
}

// config is the part of config.v2.json that is used (moby, container/container.go).
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

// hostConfig is the part of hostconfig.json that is used.
type hostConfig struct {
	LogConfig   struct{ Type string }
	NetworkMode string
}

// read reads the folder of a container. before is the result of the last read, and is returned if the files
// have not changed. The error wraps fs.ErrNotExist if the folder does not describe a container. With any
// other error, read returns what was known before, or a folder that is hidden or broken.
func read(dir string, before folder) (folder, error) {
	configFile, hostFile := filepath.Join(dir, "config.v2.json"), filepath.Join(dir, "hostconfig.json")
	version, err := stamp(configFile, hostFile)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return folder{}, err
		}
		return unreadable(before, err), err
	}
	if version == before.version {
		return before, nil
	}
	now := folder{version: version}
	if err := errors.Join(decode(configFile, &now.config), decode(hostFile, &now.host)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return folder{}, fs.ErrNotExist // the container has just been removed
		}
		return unreadable(before, err), err
	}
	return now, nil
}

// unreadable returns the folder of a container whose files cannot be read now because of err.
func unreadable(before folder, err error) folder {
	switch {
	case before.version != "":
		return before
	case errors.Is(err, fs.ErrPermission):
		return folder{version: "hidden", hidden: true}
	}
	return folder{version: "broken", broken: err.Error()}
}

// stamp returns a text that changes when one of the files changes. The Engine never changes a file, but replaces
// it.
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
		return fmt.Errorf("read %s: it is not JSON of the Engine's format", name) // without err, which may quote secrets
	}
	return nil
}

// container returns the container that the folder describes.
func (f folder) container(id string) *lighter.Container {
	c := &lighter.Container{
		ID:         id,
		Name:       strings.TrimPrefix(f.config.Name, "/"),
		TTY:        f.config.Config.Tty,
		LogDriver:  f.host.LogConfig.Type,
		LogPath:    f.config.LogPath,
		Running:    f.config.State.Running || f.hidden,
		SkipReason: f.broken,
		Created:    f.config.Created.UTC(),
		Started:    f.config.State.StartedAt.UTC(),
		Finished:   f.config.State.FinishedAt.UTC(),
	}
	if c.Name == "" {
		c.Name = id
	}
	return c
}
