package alloy

import (
	"errors"
	"time"

	"lighter/config"
)

// PrometheusRelabel are the arguments of prometheus.relabel.
type PrometheusRelabel struct {
	ForwardTo    []MetricsReceiver `alloy:"forward_to,attr"`
	Rules        []*Rule           `alloy:"rule,block,optional"`
	MaxCacheSize int               `alloy:"max_cache_size,attr,optional"`
	CacheTTL     time.Duration     `alloy:"cache_ttl,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *PrometheusRelabel) SetToDefault() { *a = PrometheusRelabel{MaxCacheSize: 100_000} }

// Validate reports the errors that Alloy reports.
func (a *PrometheusRelabel) Validate() error {
	switch {
	case a.MaxCacheSize < 0:
		return errors.New("max_cache_size must be 0 or more")
	case a.CacheTTL < 0:
		return errors.New("cache_ttl must be 0 or more")
	case a.MaxCacheSize > 0 && a.CacheTTL > 0:
		return errors.New("max_cache_size and cache_ttl cannot both be set")
	case a.MaxCacheSize == 0 && a.CacheTTL == 0:
		return errors.New("max_cache_size or cache_ttl must be above 0")
	case a.CacheTTL > 0 && a.CacheTTL < time.Minute:
		return errors.New("cache_ttl must be 1m or more")
	}
	return nil
}

var prometheusRelabel = kindOf(func(b *builder, a *PrometheusRelabel) map[string]any {
	rules := relabelRules(a.Rules)
	receiver := MetricsReceiver{Component: b.entry.component.ID}
	if to := metricNodes(a.ForwardTo); len(to) > 0 {
		receiver.Nodes = []string{b.add(config.Node{Name: b.name(""), To: to, Args: config.MetricRelabel{Rules: rules}})}
	}
	return map[string]any{"receiver": receiver, "rules": rules}
}, "receiver", "rules").without(map[string]string{
	"max_cache_size": "the rules are applied once to each series, and the result is kept with it",
	"cache_ttl":      "the rules are applied once to each series, and the result is kept with it",
})
