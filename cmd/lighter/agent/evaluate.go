package agent

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
)

// evaluation is the result of applying a plan's relabel nodes to the discovered targets, including which
// rule has dropped which target. Running the plan, discover and the status page all use it, so that what is
// shown is what is done.
type evaluation struct {
	plan    *config.Plan
	match   matcher
	targets map[string][]lighter.Target // by the node that outputs them
	dropped map[string][]droppedTarget  // by the relabel node
}

// matcher returns the output of a node that finds files for the targets in its input.
type matcher func(n config.Node, in []lighter.Target) []lighter.Target

// droppedTarget is a target that a rule has dropped.
type droppedTarget struct {
	target lighter.Target // as passed to the rule
	rule   *relabel.Config
	origin string // what the user wrote to produce the rule, if known
}

// evaluate applies the relabel nodes of a valid plan. found has the targets of each discovery. match may be
// nil if no node finds files.
func evaluate(p *config.Plan, found map[string][]lighter.Target, match matcher) *evaluation {
	e := &evaluation{plan: p, match: match, targets: make(map[string][]lighter.Target, len(p.Nodes)), dropped: map[string][]droppedTarget{}}
	for name, targets := range found {
		e.targets[name] = targets
	}
	for n := range config.All[config.Relabel](p) {
		e.outputs(n.Name)
	}
	for n := range config.All[config.FileMatch](p) {
		e.outputs(n.Name) // even if nothing reads the files
	}
	return e
}

// outputs returns the targets that a node outputs.
func (e *evaluation) outputs(name string) []lighter.Target {
	if targets, ok := e.targets[name]; ok {
		return targets
	}
	n, _ := e.plan.Node(name)
	if _, ok := n.Args.(config.FileMatch); ok {
		e.targets[name] = e.match(n, e.inputs(n))
		return e.targets[name]
	}
	r, ok := n.Args.(config.Relabel)
	if !ok {
		return nil // a discovery that has found nothing yet
	}
	var kept []lighter.Target
	for _, t := range e.inputs(n) {
		l, by := relabelUntilDropped(t.Labels, r.Rules)
		t = lighter.Target{Labels: l, Container: t.Container}
		if by >= 0 {
			e.dropped[name] = append(e.dropped[name], droppedTarget{t, r.Rules[by], r.Origin[by]})
			continue
		}
		kept = append(kept, t)
	}
	e.targets[name] = kept
	return kept
}

// inputs returns the targets that a node takes, ordered by the nodes in From.
func (e *evaluation) inputs(n config.Node) []lighter.Target {
	var all []lighter.Target
	for _, from := range n.From {
		all = append(all, e.outputs(from)...)
	}
	return all
}

// relabelUntilDropped returns the labels after all rules, and -1. If a rule drops them, it returns the
// labels before that rule, and the rule's index.
func relabelUntilDropped(l labels.Labels, rules []*relabel.Config) (labels.Labels, int) {
	b := labels.NewBuilder(l)
	for i, r := range rules {
		before := b.Labels()
		if !relabel.ProcessBuilder(b, r) {
			return before, i
		}
	}
	return b.Labels(), -1
}

// why returns the reason why no target of a kind reaches a node: a description of the last rule before it
// that has dropped one, or "".
func (e *evaluation) why(n config.Node, is func(lighter.Target) bool) (why string) {
	for _, name := range n.From {
		from, _ := e.plan.Node(name)
		if upstream := e.why(from, is); upstream != "" {
			why = upstream
		}
		for _, d := range e.dropped[name] {
			if is(d.target) {
				why = whyDropped(d)
			}
		}
	}
	return why
}

// logTarget is a container whose log is to be read, and the labels of its streams.
type logTarget struct {
	container *lighter.Container
	labels    labels.Labels // of the container, including __meta_ ones
	out, err  labels.Labels // of stdout and stderr
	events    labels.Labels // of the Engine's events of the container

	noOut, noErr, noEvents bool // the stream is dropped: by the rules, or because it has no labels
	noLabels               bool // a stream is dropped because it has no labels
}

// logTargets returns the containers among the targets, each once. Discovery makes a target for each port of
// a container; the first one determines the streams' labels. The agent's own container is left out:
// otherwise each line that it logs about shipping would be shipped, and logged about, in turn.
func logTargets(s config.LogSource, targets []lighter.Target) []logTarget {
	var all []logTarget
	seen := map[string]bool{}
	for _, t := range targets {
		if t.Container == nil || t.Container.Self || t.Container.SkipReason != "" || seen[t.Container.ID] {
			continue
		}
		seen[t.Container.ID] = true
		lt := logTarget{container: t.Container, labels: t.Labels}
		if !s.Labels.IsEmpty() {
			lt.labels = withExternal(s.Labels, t.Labels)
		}
		lt.out, lt.noOut = streamLabels(s, lt.labels, "stdout")
		lt.err, lt.noErr = streamLabels(s, lt.labels, "stderr")
		lt.events, lt.noEvents = streamLabels(s, lt.labels, "events")
		all = append(all, lt)
	}
	return all
}

// streamLabels returns the labels with which a stream is sent. leftOut reports that the rules drop it.
func streamLabels(s config.LogSource, l labels.Labels, stream string) (_ labels.Labels, leftOut bool) {
	b := labels.NewBuilder(l)
	b.Set(lighter.LabelLogStream, stream)
	if !relabel.ProcessBuilder(b, s.Rules...) {
		return labels.EmptyLabels(), true
	}
	return sentLabels(b), false
}

// sentLabels returns the labels that are sent: those that do not begin with "__".
func sentLabels(b *labels.Builder) labels.Labels {
	b.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, "__") {
			b.Del(l.Name)
		}
	})
	return b.Labels()
}

// scrapeTargets returns the targets that can be scraped, each label set once: those with an address, of
// running containers. Labels that only discovery needs are removed, so that equal targets of a container
// become one; labels that occur in errors of a scrape are kept.
func scrapeTargets(targets []lighter.Target) []lighter.Target {
	var all []lighter.Target
	seen := map[string]bool{}
	for _, t := range targets {
		if t.Labels.Get("__address__") == "" || t.Container != nil && !t.Container.Running {
			continue
		}
		same, kept := labels.NewBuilder(t.Labels), labels.NewBuilder(t.Labels)
		t.Labels.Range(func(l labels.Label) {
			if strings.HasPrefix(l.Name, "__meta_") {
				same.Del(l.Name)
				if !scrape.ReadsMeta(l.Name) {
					kept.Del(l.Name)
				}
			}
		})
		if key := same.Labels().String(); !seen[key] {
			seen[key] = true
			all = append(all, lighter.Target{Labels: kept.Labels(), Container: t.Container})
		}
	}
	return all
}
