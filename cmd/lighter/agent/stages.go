package agent

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/position"
	"lighter/collector/stage"
	"lighter/collector/stage/drop"
	"lighter/collector/stage/fields"
	"lighter/collector/stage/logmetrics"
	"lighter/collector/stage/multiline"
	"lighter/collector/stage/process"
	"lighter/collector/stage/redact"
	"lighter/config"
)

// stages holds what the stages of all logs share.
type stages struct {
	redactor *redact.Redactor
	redacted *redact.Metrics
	joined   *multiline.Metrics
	dropped  *drop.Metrics
	counted  *logmetrics.Set

	processed *process.Shared
}

// newStages makes the state that all stages share. It outlives the plan: later plans use it, too.
func newStages(p *config.Plan, registry prometheus.Registerer, logger *slog.Logger) stages {
	s := stages{
		redactor: redact.New(),
		redacted: redact.NewMetrics(registry),
		joined:   multiline.NewMetrics(registry),
		dropped:  drop.NewMetrics(registry),

		processed: process.NewShared(registry),
	}
	s.counted = logmetrics.New(logmetrics.Options{Logger: logger})
	s.configure(p)
	return s
}

// configure applies the settings of a plan that all its stages share. It must be called before the stages
// of the plan are made.
func (s *stages) configure(p *config.Plan) {
	for _, list := range config.All[config.Stages](p) {
		for _, args := range list.List {
			if c, ok := args.(config.LogMetrics); ok {
				s.counted.SetLimit(c.Series)
				s.counted.SetLines(true)
			}
		}
	}
}

// forget deletes the counts of services whose logs are no longer wanted.
func (s *stages) forget(before, wanted map[string]bool) {
	for service := range before {
		if !wanted[service] {
			s.dropped.Forget(service)
			s.redacted.Forget(service)
		}
	}
}

// chain returns the stages of a log on a path, followed by the path's endpoint. positions is nil for a
// source without positions.
func (a *Agent) chain(g *graph, p path, log stage.Log, m logStages) *stage.Chain {
	m.stages = &a.stages
	var state []byte
	if m.positions != nil {
		state = m.positions.State(m.key)
	}
	return stage.NewChain(a.ending(g, p), log, state, m.makers(g, p)...)
}

// logStages makes the stages of one log.
type logStages struct {
	*stages
	labels    labels.Labels // of the log's target, with which a container may override settings for its log
	key       string        // of the log's position
	positions *position.Store
	maxLine   int
	count     bool // the stages of this path count entries; only one of the paths of a log does
	logger    *slog.Logger
}

// makers returns the makers of the stages of a log on a path, in order. A container's own label that cannot
// be parsed is logged, and has no effect.
func (s *logStages) makers(g *graph, p path) (all []stage.Maker) {
	for at, n := range p.through {
		shared := g.part(n.Name)
		s.count = !p.ways[at].Again
		for i, args := range n.Args.(config.Stages).List {
			if shared != nil && shared.pipelines[i] != nil {
				all = append(all, shared.pipelines[i].Maker(p.ways[at]))
			} else if one, ok := s.maker(args); ok {
				all = append(all, one)
			}
		}
	}
	return all
}

// pipelines makes the stages of a node that all logs share, by index; the others are nil. It returns nil if
// there are none.
func (s *stages) pipelines(node string, list []any) (all []*process.Pipeline, err error) {
	for i, args := range list {
		o := process.Options{Name: node, Metrics: s.processed}
		if len(list) > 1 {
			o.Name = fmt.Sprintf("%s/%d", node, i) // names are unique in a chain
		}
		var one *process.Pipeline
		switch c := args.(type) {
		case config.RelabelStreams:
			one = process.Relabel(c.Rules, o)
		case process.Arguments:
			if one, err = process.New(c, o); err != nil {
				closePipelines(all)
				return nil, err
			}
		default:
			continue
		}
		if all == nil {
			all = make([]*process.Pipeline, len(list))
		}
		all[i] = one
	}
	return all, nil
}

func closePipelines(all []*process.Pipeline) {
	for _, p := range all {
		if p != nil {
			p.Close()
		}
	}
}

// maker returns the maker of a stage. ok is false if there is nothing to do for the log.
func (s *logStages) maker(args any) (_ stage.Maker, ok bool) {
	switch c := args.(type) {
	case config.Multiline:
		return s.multiline(c)
	case config.Drop:
		rules := s.own(c.Label, c.Rules, func(text string) error { _, err := drop.Parse(text); return err })
		parsed, err := drop.Parse(rules)
		return drop.Maker(parsed, s.dropped), err == nil && !parsed.Empty()
	case config.Redact:
		own := s.containerLabel(c.Label)
		return s.redactor.Maker(s.redacted, s.maxLine), !isNo(own) && (!c.Off || own != "")
	case config.Fields:
		names := s.fields(c)
		return fields.Maker(names), len(names) > 0
	case config.LogMetrics:
		return s.logMetrics(c), true
	}
	return stage.Maker{}, false
}

// containerLabel returns the value of a container's own label, or "".
func (s *logStages) containerLabel(label string) string {
	return strings.TrimSpace(s.labels.Get(label))
}

// own returns the configured text followed by a line with the container's own, if that can be parsed.
func (s *logStages) own(label, all string, parse func(string) error) string {
	text := s.containerLabel(label)
	if text == "" {
		return all
	}
	if err := parse(text); err != nil {
		s.warn(label, err)
		return all
	}
	return strings.TrimSpace(all + "\n" + text)
}

// fields returns the configured fields together with the container's own. If both define the same name, the
// container's definition is used.
func (s *logStages) fields(c config.Fields) []fields.Named {
	all, err := fields.ParseNamed(c.Fields)
	if err != nil { // cannot fail in a valid plan
		s.logger.Error("fields do not parse", "error", err)
	}
	own, err := fields.ParseNamed(strings.ReplaceAll(s.containerLabel(c.Label), "\n", ","))
	if err != nil {
		s.warn(c.Label, err)
		return all
	}
	all = slices.DeleteFunc(all, func(n fields.Named) bool {
		return slices.ContainsFunc(own, func(o fields.Named) bool { return o.Name == n.Name })
	})
	return append(all, own...)
}

func (s *logStages) warn(label string, err error) {
	s.logger.Warn("a label of the container does not parse and has no effect", "label", strings.TrimPrefix(label, "__meta_docker_container_label_"), "error", err)
}

func (s *logStages) multiline(c config.Multiline) (stage.Maker, bool) {
	off, pattern := c.Off, c.Pattern
	switch own := s.containerLabel(c.Label); {
	case own == "":
	case isNo(own):
		off = true
	case isYes(own):
		off, pattern = false, ""
	default:
		if _, err := regexp.Compile(own); err != nil {
			s.warn(c.Label, fmt.Errorf("want auto, off, or a regular expression: %w", err))
			break
		}
		off, pattern = false, own
	}
	args := multiline.Config{MaxBytes: s.maxLine}
	if pattern != "" {
		args.FirstLine = regexp.MustCompile(pattern) // it compiled when it was parsed
	}
	return multiline.Maker(args, s.joined), !off
}

func (s *logStages) logMetrics(c config.LogMetrics) stage.Maker {
	declared, err := logmetrics.Parse(c.Declarations)
	if err != nil { // cannot fail in a valid plan
		s.logger.Error("the metrics counted from log lines do not parse", "error", err)
	}
	if text := s.containerLabel(c.Label); text != "" {
		own, err := logmetrics.Parse(text)
		if err == nil {
			own, err = logmetrics.Merge(declared, own)
		}
		if err != nil {
			s.warn(c.Label, err)
		} else {
			declared = own
		}
	}
	return s.counted.Maker(logmetrics.Log{
		ID:           s.key,
		Declarations: declared,
		Count:        s.count,
		Acknowledged: func() []byte {
			if s.positions == nil {
				return nil
			}
			return stage.StateOf(s.positions.AckedState(s.key), logmetrics.StageName)
		},
	})
}

// isYes reports whether a text means yes, or requests the default, in any of the common spellings.
func isYes(text string) bool {
	return slices.Contains([]string{"auto", "true", "yes", "on", "1"}, strings.ToLower(text))
}

// isNo reports whether a text means no, in any of the common spellings.
func isNo(text string) bool {
	return slices.Contains([]string{"false", "no", "off", "0"}, strings.ToLower(text))
}
