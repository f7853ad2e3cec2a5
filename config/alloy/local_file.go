package alloy

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"

	"lighter/config"
)

// LocalFile are the arguments of local.file. A change of the file is noticed whatever the detector is.
type LocalFile struct {
	Filename      string        `alloy:"filename,attr"`
	Detector      string        `alloy:"detector,attr,optional"`
	PollFrequency time.Duration `alloy:"poll_frequency,attr,optional"`
	IsSecret      bool          `alloy:"is_secret,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *LocalFile) SetToDefault() { *a = LocalFile{Detector: "fsnotify", PollFrequency: time.Minute} }

// Validate reports the errors that Alloy reports.
func (a *LocalFile) Validate() error { return checkDetector(a.Detector) }

func checkDetector(name string) error {
	if name != "fsnotify" && name != "poll" {
		return fmt.Errorf(`there is no detector %q; the detectors are "fsnotify" and "poll"`, name)
	}
	return nil
}

var localFile = kindOf(func(b *builder, a *LocalFile) map[string]any {
	content, err := b.l.content(a.Filename)
	switch of := valueOf(b.block(), "filename"); {
	case err == nil:
	case b.l.Unset && a.Filename != "": // it may exist where the configuration runs
		b.warn(b.place("filename"), "", "%s cannot be read here: %v", a.Filename, pathError(err))
		b.entry.failed = true
		return nil
	case b.l.complain(b.place("filename"), "filename", of, hintForReading(err), cannotRead(a.Filename, err)):
		b.entry.failed = true
		return nil
	}
	b.l.hide(string(content), "the content of "+a.Filename)
	return map[string]any{"content": alloytypes.OptionalSecret{IsSecret: a.IsSecret, Value: string(content)}}
}, "content")

// LocalFileMatch are the arguments of local.file_match.
type LocalFileMatch struct {
	PathTargets     []Target      `alloy:"path_targets,attr"`
	SyncPeriod      time.Duration `alloy:"sync_period,attr,optional"`
	IgnoreOlderThan time.Duration `alloy:"ignore_older_than,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *LocalFileMatch) SetToDefault() { *a = LocalFileMatch{SyncPeriod: defaultSyncPeriod} }

// Validate reports a period with which no file would ever be found.
func (a *LocalFileMatch) Validate() error {
	if a.SyncPeriod <= 0 {
		return errors.New("sync_period must be above 0")
	}
	return nil
}

// defaultSyncPeriod is the default interval at which files are looked for.
const defaultSyncPeriod = 10 * time.Second

var localFileMatch = kindOf(func(b *builder, a *LocalFileMatch) map[string]any {
	if len(a.PathTargets) == 0 {
		return map[string]any{"targets": []Target{}}
	}
	node := b.add(config.Node{
		Name: b.name(""),
		From: b.from(a.PathTargets),
		Args: config.FileMatch{SyncPeriod: a.SyncPeriod, IgnoreOlderThan: a.IgnoreOlderThan},
	})
	return map[string]any{"targets": []Target{{Node: node}}}
}, "targets")
