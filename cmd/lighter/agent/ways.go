package agent

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter/collector/scrape"
	"lighter/config"
)

// way is one way of samples from a scrape, through the metric relabels on it, to an endpoint.
type way struct{ route }

// ways returns the ways of a scrape of a valid plan.
func ways(p *config.Plan, from config.Node) (all []way) {
	isRelabel := func(args any) bool { _, ok := args.(config.MetricRelabel); return ok }
	for _, r := range routes(p, from, isRelabel) {
		all = append(all, way{r})
	}
	return all
}

// endpointsOf returns the names of the endpoints of the ways, each once.
func endpointsOf(ways []way) (names []string) {
	for _, w := range ways {
		if !slices.Contains(names, w.endpoint) {
			names = append(names, w.endpoint)
		}
	}
	return names
}

// severalEndpoints returns the names of the endpoints of a scrape, or nil if there is only one.
func severalEndpoints(p *config.Plan, scrape config.Node) []string {
	names := endpointsOf(ways(p, scrape))
	if len(names) < 2 {
		return nil
	}
	return names
}

// rules returns the rules on the way, in order.
func (w way) rules() (all []*relabel.Config) {
	for _, n := range w.through {
		all = append(all, n.Args.(config.MetricRelabel).Rules...)
	}
	return all
}

// version changes when a rule on the way changes.
func (w way) version(g *graph) string {
	var b strings.Builder
	for _, n := range w.through {
		b.WriteString("/" + n.Name + g.nodes[n.Name].hash)
	}
	return b.String()
}

// sink returns a sink for the samples that go along the way to an endpoint's sink.
func (w way) sink(to scrape.Sink, logger *slog.Logger) scrape.Sink {
	rules := w.rules()
	if len(rules) == 0 {
		return to
	}
	s := &relabelSink{Sink: to, rules: rules, logger: logger.With("metric_relabel", w.through[len(w.through)-1].Name)}
	if p, ok := to.(scrape.Packer); ok {
		return &packingSink{s, p}
	}
	return s
}

// relabelSink applies relabel rules to the labels of each series, and passes its samples on.
type relabelSink struct {
	scrape.Sink
	rules    []*relabel.Config
	logger   *slog.Logger
	builders sync.Pool // of *labels.Builder
	invalid  sync.Once
}

// packingSink is a relabelSink for a sink that packs blocks.
type packingSink struct {
	*relabelSink
	scrape.Packer
}

// AppendLabels implements scrape.Sink. A series is not handed on if a rule drops it, or if the rules leave
// it without a name or with one that no backend accepts.
func (s *relabelSink) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	b, _ := s.builders.Get().(*labels.Builder)
	if b == nil {
		b = labels.NewBuilder(labels.EmptyLabels())
	}
	defer s.builders.Put(b)
	b.Reset(l)
	if !relabel.ProcessBuilder(b, s.rules...) {
		return dst, false
	}
	relabelled := b.Labels()
	if !relabelled.Has(model.MetricNameLabel) || !relabelled.IsValid(model.LegacyValidation) {
		s.invalid.Do(func() {
			s.logger.Error("metric relabelling produces a series that no backend accepts: it is dropped, and so are others like it", "series", relabelled.String(), "was", l.String())
		})
		return dst, false
	}
	return s.Sink.AppendLabels(dst, relabelled)
}

// Takes implements scrape.Chooser.
func (s *relabelSink) Takes() (exemplars, histograms bool) {
	if c, ok := s.Sink.(scrape.Chooser); ok {
		return c.Takes()
	}
	return true, true
}

// relabelled returns the labels of a target's series after the rules of the way, as far as they do not
// depend on the series. If the rules drop the series up, it returns the labels before the rules.
func (w way) relabelled(l labels.Labels) labels.Labels {
	b := labels.NewBuilder(l)
	b.Set(model.MetricNameLabel, "up")
	if !relabel.ProcessBuilder(b, w.rules()...) {
		return l
	}
	b.Del(model.MetricNameLabel)
	return b.Labels()
}
