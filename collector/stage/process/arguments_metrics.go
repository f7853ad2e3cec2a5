package process

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
)

const (
	defaultMaxIdle       = 5 * time.Minute
	defaultMetricsPrefix = "loki_process_custom_"
)

// Metrics is stage.metrics: its metrics appear on the agent's own metrics page.
type Metrics struct {
	Metrics []Metric `alloy:"metric,enum,optional"`
}

// Metric is one metric.* block: the one field that is not nil.
type Metric struct {
	Counter   *Counter   `alloy:"counter,block,optional"`
	Gauge     *Gauge     `alloy:"gauge,block,optional"`
	Histogram *Histogram `alloy:"histogram,block,optional"`
}

// Counter is metric.counter.
type Counter struct {
	Name        string        `alloy:"name,attr"`
	Description string        `alloy:"description,attr,optional"`
	Source      string        `alloy:"source,attr,optional"`
	Prefix      string        `alloy:"prefix,attr,optional"`
	MaxIdle     time.Duration `alloy:"max_idle_duration,attr,optional"`
	Value       string        `alloy:"value,attr,optional"`

	Action          string `alloy:"action,attr"`
	MatchAll        bool   `alloy:"match_all,attr,optional"`
	CountEntryBytes bool   `alloy:"count_entry_bytes,attr,optional"`
}

// SetToDefault implements syntax.Defaulter.
func (a *Counter) SetToDefault() { *a = Counter{MaxIdle: defaultMaxIdle} }

// Validate implements syntax.Validator.
func (a *Counter) Validate() error {
	switch {
	case !slices.Contains([]string{"inc", "add"}, a.Action):
		return fmt.Errorf("action is %q, want \"inc\" or \"add\"", a.Action)
	case a.MatchAll && a.Value != "":
		return errors.New("match_all and value exclude each other")
	case a.CountEntryBytes && (!a.MatchAll || a.Action != "add"):
		return errors.New("count_entry_bytes needs match_all = true and action = \"add\"")
	}
	return checkMetric(a.Prefix, a.Name, a.MaxIdle)
}

// Gauge is metric.gauge.
type Gauge struct {
	Name        string        `alloy:"name,attr"`
	Description string        `alloy:"description,attr,optional"`
	Source      string        `alloy:"source,attr,optional"`
	Prefix      string        `alloy:"prefix,attr,optional"`
	MaxIdle     time.Duration `alloy:"max_idle_duration,attr,optional"`
	Value       string        `alloy:"value,attr,optional"`

	Action string `alloy:"action,attr"`
}

// SetToDefault implements syntax.Defaulter.
func (a *Gauge) SetToDefault() { *a = Gauge{MaxIdle: defaultMaxIdle} }

// Validate implements syntax.Validator.
func (a *Gauge) Validate() error {
	if !slices.Contains([]string{"set", "inc", "dec", "add", "sub"}, a.Action) {
		return fmt.Errorf("action is %q, want \"set\", \"inc\", \"dec\", \"add\" or \"sub\"", a.Action)
	}
	return checkMetric(a.Prefix, a.Name, a.MaxIdle)
}

// Histogram is metric.histogram.
type Histogram struct {
	Name        string        `alloy:"name,attr"`
	Description string        `alloy:"description,attr,optional"`
	Source      string        `alloy:"source,attr,optional"`
	Prefix      string        `alloy:"prefix,attr,optional"`
	MaxIdle     time.Duration `alloy:"max_idle_duration,attr,optional"`
	Value       string        `alloy:"value,attr,optional"`

	Buckets []float64 `alloy:"buckets,attr"`
}

// SetToDefault implements syntax.Defaulter.
func (a *Histogram) SetToDefault() { *a = Histogram{MaxIdle: defaultMaxIdle} }

// Validate implements syntax.Validator.
func (a *Histogram) Validate() error {
	for i := 1; i < len(a.Buckets); i++ {
		if !(a.Buckets[i-1] < a.Buckets[i]) {
			return fmt.Errorf("buckets must increase, %v is followed by %v", a.Buckets[i-1], a.Buckets[i])
		}
	}
	return checkMetric(a.Prefix, a.Name, a.MaxIdle)
}

func checkMetric(prefix, name string, idle time.Duration) error {
	if idle < time.Second {
		return fmt.Errorf("max_idle_duration is %v, want at least 1s", idle)
	}
	if prefix == "" {
		prefix = defaultMetricsPrefix
	}
	if !model.UTF8Validation.IsValidMetricName(prefix + name) {
		return fmt.Errorf("%q is no valid metric name", prefix+name)
	}
	return nil
}
