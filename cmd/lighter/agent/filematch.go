package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/file"
	"lighter/config"
)

// pattern is the pair of glob patterns of a target.
type pattern struct{ path, exclude string }

func patternOf(t lighter.Target) pattern {
	return pattern{t.Labels.Get(file.LabelPath), t.Labels.Get(file.LabelPathExclude)}
}

// fileMatcher finds the files of a node. It searches for them periodically in its own goroutine, because
// targets are evaluated under a lock, where nobody may wait for a disk.
type fileMatcher struct {
	args   config.FileMatch
	logger *slog.Logger
	wake   chan struct{} // receives a value when there is a new pattern

	mu     sync.Mutex
	wanted map[pattern]bool
	found  map[pattern][]string // result of the last search; the slices in the map are immutable
	failed map[pattern]string   // the logged reason why a pattern could not be searched for
}

// newFileMatcher returns a matcher that starts with the results of an earlier one of the same node, so that
// a change of its arguments does not lose files until the first search. before may be nil.
func newFileMatcher(args config.FileMatch, before *fileMatcher, logger *slog.Logger) *fileMatcher {
	m := &fileMatcher{args: args, logger: logger, wake: make(chan struct{}, 1), wanted: map[pattern]bool{}, found: map[pattern][]string{}, failed: map[pattern]string{}}
	m.wake <- struct{}{}
	if before != nil {
		before.mu.Lock()
		defer before.mu.Unlock()
		maps.Copy(m.found, before.found)
		maps.Copy(m.wanted, before.wanted)
	}
	return m
}

// targets returns a target for each file that the last search found for the targets of a node. It does not
// block. New patterns are searched for soon, and then run triggers another evaluation of the targets.
func (m *fileMatcher) targets(in []lighter.Target) (all []lighter.Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.wanted)
	for _, t := range in {
		p := patternOf(t)
		if p.path == "" {
			continue
		}
		m.wanted[p] = true
		if _, known := m.found[p]; !known {
			select {
			case m.wake <- struct{}{}:
			default:
			}
		}
		all = appendFiles(all, t, m.found[p])
	}
	return all
}

// appendFiles appends a target for each of t's files.
func appendFiles(all []lighter.Target, t lighter.Target, files []string) []lighter.Target {
	for _, path := range files {
		b := labels.NewBuilder(t.Labels)
		b.Set(file.LabelPath, path)
		all = append(all, lighter.Target{Labels: b.Labels(), Container: t.Container})
	}
	return all
}

// run searches for files until ctx ends, and calls changed when the result has changed.
func (m *fileMatcher) run(ctx context.Context, changed func(ctx context.Context)) {
	tick := time.NewTicker(m.args.SyncPeriod)
	defer tick.Stop()
	for {
		select {
		case <-m.wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if m.look() {
			changed(ctx)
		}
	}
}

// look searches for all files, and reports whether the result has changed.
func (m *fileMatcher) look() (changed bool) {
	m.mu.Lock()
	wanted := slices.Collect(maps.Keys(m.wanted))
	m.mu.Unlock()
	found, failed := map[pattern][]string{}, map[pattern]string{}
	for _, p := range wanted {
		files, err := matching(p, matchOptions(m.args))
		if err != nil {
			failed[p] = err.Error()
		}
		found[p] = files
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range wanted {
		if why := failed[p]; why != "" && why != m.failed[p] {
			m.logger.Warn("files cannot be looked for", "path", p.path, "error", why)
		}
		if before, known := m.found[p]; !known && len(found[p]) > 0 || !slices.Equal(before, found[p]) {
			changed = true
		}
	}
	m.found, m.failed = found, failed
	return changed
}

// matching returns the files that match a pattern. If it returns an error, there may be more, in folders
// that cannot be read.
func matching(p pattern, o file.MatchOptions) (files []string, err error) {
	found, err := file.Match([]lighter.Target{{Labels: labels.FromStrings(file.LabelPath, p.path, file.LabelPathExclude, p.exclude)}}, o)
	for _, t := range found {
		files = append(files, t.Labels.Get(file.LabelPath))
	}
	return files, err
}

// lookForFiles is a matcher that searches immediately, for a single evaluation.
func lookForFiles(n config.Node, in []lighter.Target) (all []lighter.Target) {
	args, _ := n.Args.(config.FileMatch)
	all, _ = file.Match(in, matchOptions(args)) // a folder that cannot be read has no files
	return all
}

func matchOptions(c config.FileMatch) file.MatchOptions {
	return file.MatchOptions{IgnoreOlderThan: c.IgnoreOlderThan}
}
