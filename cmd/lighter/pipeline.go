package main

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/config"
)

// relabelTargets runs the plan's relabel nodes over what each discovery has found, and
// returns the targets of every node by its name.
func relabelTargets(p *config.Plan, found map[string][]lighter.Target) map[string][]lighter.Target {
	nodes := make(map[string][]lighter.Target, len(found)+len(p.Relabels))
	for name, targets := range found {
		nodes[name] = targets
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, r := range p.Relabels {
		var kept []lighter.Target
		for _, t := range take(nodes, r.From) {
			b.Reset(t.Labels)
			if relabel.ProcessBuilder(b, r.Rules...) {
				kept = append(kept, lighter.Target{Labels: b.Labels(), Container: t.Container})
			}
		}
		nodes[r.Name] = kept
	}
	return nodes
}

// take returns the targets of the named nodes, one after another.
func take(nodes map[string][]lighter.Target, names []string) []lighter.Target {
	var all []lighter.Target
	for _, n := range names {
		all = append(all, nodes[n]...)
	}
	return all
}

// logTarget is a container whose log is to be read, and the labels of its streams.
type logTarget struct {
	container    *lighter.Container
	out, err     labels.Labels // of stdout and stderr
	noOut, noErr bool          // the rules leave the stream out
}

// logTargets returns the containers among the targets, each once: discovery gives one
// target a port, of which the first names the streams. The agent's own container is left
// out, so that what it says of shipping is not shipped in turn.
func logTargets(s config.LogSource, targets []lighter.Target) []logTarget {
	var all []logTarget
	seen := map[string]bool{}
	for _, t := range targets {
		if t.Container == nil || t.Container.Self || t.Container.Unknown != "" || seen[t.Container.ID] {
			continue
		}
		seen[t.Container.ID] = true
		lt := logTarget{container: t.Container}
		lt.out, lt.noOut = streamLabels(s, t.Labels, "stdout")
		lt.err, lt.noErr = streamLabels(s, t.Labels, "stderr")
		all = append(all, lt)
	}
	return all
}

// streamLabels returns the labels that a stream is sent with, or that the rules leave it out.
func streamLabels(s config.LogSource, l labels.Labels, stream string) (_ labels.Labels, leftOut bool) {
	b := labels.NewBuilder(l)
	b.Set(lighter.LabelLogStream, stream)
	if !relabel.ProcessBuilder(b, s.Rules...) {
		return labels.EmptyLabels(), true
	}
	b.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, "__") {
			b.Del(l.Name)
		}
	})
	return b.Labels(), false
}

// scrapeTargets returns the targets that can be scraped, each label set once: those with
// an address, of containers that run. Labels that only discovery needs are dropped, so that
// the targets of a container that say the same are one.
func scrapeTargets(targets []lighter.Target) []lighter.Target {
	var all []lighter.Target
	seen := map[string]bool{}
	for _, t := range targets {
		if t.Labels.Get("__address__") == "" || t.Container != nil && !t.Container.Running {
			continue
		}
		b := labels.NewBuilder(t.Labels)
		t.Labels.Range(func(l labels.Label) {
			if strings.HasPrefix(l.Name, "__meta_") {
				b.Del(l.Name)
			}
		})
		l := b.Labels()
		if key := l.String(); !seen[key] {
			seen[key] = true
			all = append(all, lighter.Target{Labels: l, Container: t.Container})
		}
	}
	return all
}
