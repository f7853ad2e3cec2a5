package agent

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// sentStreams returns the labels of a stream as they are sent to each of the named endpoints, or as they
// would be sent if the endpoint is in memory.
func sentStreams(p *config.Plan, to []string, l labels.Labels) (sets []labels.Labels) {
	for n, c := range config.All[loki.Config](p) {
		if slices.Contains(to, n.Name) {
			sets = append(sets, withExternal(l, c.ExternalLabels))
		}
	}
	for n, c := range config.All[config.Recent](p) {
		if slices.Contains(to, n.Name) {
			sets = append(sets, withExternal(l, c.StreamLabels))
		}
	}
	return sets
}

// sentSeries returns the labels of a target's series as they are sent to the first endpoint of its scrape,
// or as they would be sent if the endpoint is in memory.
func sentSeries(p *config.Plan, scrape config.Node, l labels.Labels) labels.Labels {
	all := ways(p, scrape)
	to := func(endpoint string) int {
		return slices.IndexFunc(all, func(w way) bool { return w.endpoint == endpoint })
	}
	for n, c := range config.All[remotewrite.Config](p) {
		if i := to(n.Name); i >= 0 {
			return withExternal(all[i].relabelled(l), c.ExternalLabels)
		}
	}
	for n, c := range config.All[config.Recent](p) {
		if i := to(n.Name); i >= 0 {
			return withExternal(all[i].relabelled(l), c.SeriesLabels)
		}
	}
	return l
}

// withExternal adds external labels to a stream or series. The labels that it has already take precedence.
func withExternal(own, external labels.Labels) labels.Labels {
	b := labels.NewBuilder(external)
	own.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
	return b.Labels()
}
