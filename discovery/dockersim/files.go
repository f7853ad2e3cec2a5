package dockersim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// folder is the folder of a container in the Engine's data directory. The Engine's lock guards it.
type folder struct {
	dir string   // empty if there is none
	log *os.File // nil before the first start, and if the driver keeps no file
}

// saveLocked writes the files that describe a container after a change, and creates its log file at
// the first start. Close returns the error if something could not be written.
func (e *Engine) saveLocked(c *Container) {
	if e.Root == "" || e.closed {
		return
	}
	if c.folder.dir == "" {
		c.folder.dir = filepath.Join(e.Root, "containers", c.id)
	}
	e.rootErr = errors.Join(e.rootErr, c.describe())
	if c.folder.log == nil && !c.started.IsZero() && c.spec.Driver == "json-file" {
		f, err := os.OpenFile(c.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
		if err != nil {
			e.rootErr = errors.Join(e.rootErr, err)
			return
		}
		c.folder.log = f
	}
}

// logPath returns the path of the container's log file.
func (c *Container) logPath() string {
	root := c.engine.Root
	if root == "" {
		root = "/var/lib/docker"
	}
	return filepath.Join(root, "containers", c.id, c.id+"-json.log")
}

// describe writes the parts of config.v2.json and hostconfig.json that readers of logs use. Like the
// Engine, it replaces the files instead of changing them.
func (c *Container) describe() error {
	type object = map[string]any
	up := c.state == stateRunning || c.state == statePaused
	files := map[string]object{
		"config.v2.json": {
			"ID": c.id, "Name": "/" + c.spec.Name, "Created": c.created.UTC(), "Driver": "overlay2", "LogPath": c.logPath(),
			"Config": object{"Hostname": c.spec.Hostname, "Tty": c.spec.TTY, "Image": c.spec.Image, "Labels": c.labels()},
			"State":  object{"Running": up, "Paused": c.state == statePaused, "StartedAt": c.started.UTC(), "FinishedAt": c.finished.UTC()},
		},
		"hostconfig.json": {
			"NetworkMode": c.spec.NetworkMode, "LogConfig": object{"Type": c.spec.Driver, "Config": object{}},
		},
	}
	if err := os.MkdirAll(c.folder.dir, 0o710); err != nil {
		return err
	}
	for name, what := range files {
		text, err := json.Marshal(what)
		if err != nil {
			return fmt.Errorf("describe container %s: %w", c.id, err)
		}
		path := filepath.Join(c.folder.dir, name)
		if err := os.WriteFile(path+".tmp", text, 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			return err
		}
	}
	return nil
}

// recordLocked writes a message to the log file, as the json-file driver does.
func (c *Container) recordLocked(unixNano int64, s Stream, text string) {
	if c.folder.log == nil {
		return
	}
	name := "stdout"
	if s == Stderr {
		name = "stderr"
	}
	var line bytes.Buffer
	err := json.NewEncoder(&line).Encode(struct {
		Log    string    `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}{text, name, time.Unix(0, unixNano).UTC()})
	if err == nil {
		_, err = c.folder.log.Write(line.Bytes())
	}
	c.engine.rootErr = errors.Join(c.engine.rootErr, err)
}

// close closes the log file.
func (f *folder) close() error {
	if f.log == nil {
		return nil
	}
	log := f.log
	f.log = nil
	return log.Close()
}

// removeLocked removes the folder with everything in it.
func (c *Container) removeLocked() {
	if c.folder.dir == "" {
		return
	}
	c.engine.rootErr = errors.Join(c.engine.rootErr, c.folder.close(), os.RemoveAll(c.folder.dir))
	c.folder.dir = ""
}
