// Package file finds targets in files of target groups, as Alloy's discovery.file and Prometheus's file discovery
// do.
//
// A target has the label __meta_filepath. Files are checked every two seconds and read when they have changed, and
// all are read every RefreshInterval. If a file cannot be read or is not valid, its last targets are kept; if it no
// longer exists, it has no targets.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"lighter"
	"lighter/discovery"
	"lighter/discovery/groups"
)

// Config says which files contain targets.
type Config struct {
	Files           []string      // paths; the last part may contain *, and ends with .json, .yml or .yaml
	RefreshInterval time.Duration // between two reads of a file that seems unchanged
}

// DefaultConfig returns the Config of a discovery that sets only files.
func DefaultConfig() Config { return Config{RefreshInterval: 5 * time.Minute} }

// maxDelay is the longest time until a change is noticed.
const maxDelay = 2 * time.Second

const filepathLabel = "__meta_filepath"

// maxBytes is the maximum size of a file.
const maxBytes = 64 << 20

var validName = regexp.MustCompile(`^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$`)

// Validate reports what is wrong with the Config.
func (c Config) Validate() error {
	if len(c.Files) == 0 {
		return errors.New("discovery by file needs at least one file")
	}
	for _, name := range c.Files {
		if !validName.MatchString(name) {
			return fmt.Errorf("the file %q does not end with .json, .yml or .yaml, or has * in another part than the last one", name)
		}
		if _, err := filepath.Match(name, ""); err != nil {
			return fmt.Errorf("the file %q: %w", name, err)
		}
	}
	return nil
}

// Discoverer finds the targets of the files. Run may be called once.
type Discoverer struct {
	cfg    Config
	logger *slog.Logger
	files  map[string]*known
}

// known is the result of reading a file.
type known struct {
	info    fs.FileInfo // as it was before the file was read; nil if it must be read
	read    time.Time
	targets []lighter.Target
	reads   lighter.Failures // of attempts to read it
}

// New returns a Discoverer that does nothing until Run.
func New(cfg Config, logger *slog.Logger) *Discoverer {
	return &Discoverer{cfg: cfg, logger: logger, files: map[string]*known{}}
}

// Run implements discovery.Source.
func (d *Discoverer) Run(ctx context.Context, update func([]lighter.Target)) error {
	every := maxDelay
	if d.cfg.RefreshInterval > 0 {
		every = min(every, d.cfg.RefreshInterval)
	}
	return discovery.Refresh(ctx, every, func(context.Context) ([]lighter.Target, bool) { return d.look(), true }, update)
}

// look reads the files that have changed, and returns the targets of all files.
func (d *Discoverer) look() []lighter.Target {
	var targets []lighter.Target
	there := map[string]bool{}
	for _, pattern := range d.cfg.Files {
		paths, _ := filepath.Glob(pattern) // Validate has checked the pattern
		for _, path := range paths {
			if there[path] {
				continue
			}
			there[path] = true
			f := d.files[path]
			if f == nil {
				f = &known{}
				d.files[path] = f
			}
			d.refresh(path, f)
			targets = append(targets, f.targets...)
		}
	}
	for path := range d.files {
		if !there[path] {
			delete(d.files, path)
		}
	}
	return targets
}

// refresh reads a file if it has changed.
func (d *Discoverer) refresh(path string, f *known) {
	info, err := os.Stat(path)
	now := time.Now()
	if err == nil && f.info != nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) && now.Sub(f.read) < d.cfg.RefreshInterval {
		return
	}
	var targets []lighter.Target
	if err == nil {
		targets, err = read(path, info)
	}
	if f.reads.Set(err) && err != nil {
		d.logger.Error("a file of targets cannot be read: its last targets are kept", "file", path, "error", err)
	}
	if err != nil {
		f.info = nil // try it again
		return
	}
	f.info, f.read, f.targets = info, now, targets
}

func read(path string, info fs.FileInfo) ([]lighter.Target, error) {
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if info.Size() > maxBytes {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", info.Size(), maxBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(filepath.Ext(path), ".json") {
		return groups.JSON(text, filepathLabel, path)
	}
	return groups.YAML(text, filepathLabel, path)
}
