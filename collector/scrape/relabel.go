package scrape

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// rules determine the labels of the series on a target's pages.
type rules struct {
	cfg         Config
	target      labels.Labels
	targetPairs []labels.Label // target as a slice
	joins       bool           // series get the labels of the page and the target's, without checks
	builder     *labels.Builder
}

func newRules(target labels.Labels, cfg Config) rules {
	r := rules{cfg: cfg, target: target, builder: labels.NewBuilder(labels.EmptyLabels())}
	r.joins = len(cfg.MetricRelabel) == 0 && !cfg.limitsLabels()
	target.Range(func(l labels.Label) { r.targetPairs = append(r.targetPairs, l) })
	return r
}

// relabel returns the labels of a sample on the page, with the target's labels and after metric
// relabelling. Labels that no backend accepts are an error, as in Prometheus.
func (r *rules) relabel(l labels.Labels) (_ labels.Labels, keep bool, err error) {
	name := func() string { return printable([]byte(l.Get(model.MetricNameLabel))) }
	if _, twice := l.HasDuplicateLabelNames(); twice {
		return l, false, fmt.Errorf("a series of %s has a label twice", name())
	}
	b := r.builder
	b.Reset(l)
	addTarget(b, l, r.target, r.cfg.HonorLabels)
	if !relabel.ProcessBuilder(b, r.cfg.MetricRelabel...) {
		return l, false, nil
	}
	l = b.Labels()
	if !l.Has(model.MetricNameLabel) {
		return l, false, fmt.Errorf("a series of %s has no name after metric relabelling", name())
	}
	if !l.IsValid(model.LegacyValidation) {
		return l, false, fmt.Errorf("a series of %s has a name, label name or value that backends do not take", name())
	}
	return l, true, r.cfg.checkLabels(l)
}

// addTarget adds the target's labels to those of a sample. If both have a label, the sample's wins if honor
// is true; otherwise it is renamed exported_<name>.
func addTarget(b *labels.Builder, sample, target labels.Labels, honor bool) {
	target.Range(func(t labels.Label) {
		own := sample.Get(t.Name)
		switch {
		case honor && sample.Has(t.Name):
			return
		case !honor && own != "":
			exported := model.ExportedLabelPrefix + t.Name
			for b.Get(exported) != "" {
				exported = model.ExportedLabelPrefix + exported
			}
			b.Set(exported, own)
		}
		b.Set(t.Name, t.Value)
	})
}

// appendSeries sets encoded to a label set as each sink sends it, and to nothing where a sink drops the
// series.
func appendSeries(encoded [][]byte, sinks []Sink, l labels.Labels) {
	for i, sink := range sinks {
		one, ok := sink.AppendLabels(encoded[i][:0], l)
		if !ok {
			one = encoded[i][:0]
		}
		encoded[i] = one
	}
}
