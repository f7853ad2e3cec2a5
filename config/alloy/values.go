package alloy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/grafana/alloy/syntax"
	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// Target is an element of a list of targets. Either it is written in the file, or it stands for all targets
// that a node of the plan provides while the agent runs.
type Target struct {
	Node   string        // that provides targets; empty if the target is written in the file
	Labels labels.Labels // if it is written in the file
}

// AlloyCapsule makes a Target a value that expressions pass on unchanged.
func (Target) AlloyCapsule() {}

// ConvertFrom makes a target from an object in the file.
func (t *Target) ConvertFrom(src any) error {
	b := labels.NewScratchBuilder(8)
	v := reflect.ValueOf(src)
	if v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
		return syntax.ErrNoConversion
	}
	for _, key := range v.MapKeys() {
		text, err := labelText(v.MapIndex(key).Interface())
		if err != nil {
			return fmt.Errorf("label %s: %w", key.String(), err)
		}
		b.Add(key.String(), text)
	}
	b.Sort()
	*t = Target{Labels: b.Labels()}
	return nil
}

// labelText returns a value as the value of a label. As in Alloy, any value but null and secrets can be one.
func labelText(value any) (string, error) {
	if v, ok := value.(syntax.Value); ok {
		if v.IsString() {
			return v.Text(), nil
		}
		r := v.Reflect()
		if !r.IsValid() || !r.CanInterface() {
			return "", errors.New("null cannot be a label's value")
		}
		value = r.Interface()
	}
	switch v := value.(type) {
	case nil:
		return "", errors.New("null cannot be a label's value")
	case alloytypes.Secret:
		return "", errors.New("a secret cannot be a label's value")
	case alloytypes.OptionalSecret:
		if v.IsSecret {
			return "", errors.New("a secret cannot be a label's value")
		}
		return v.Value, nil
	default:
		return fmt.Sprint(v), nil
	}
}

// LogsReceiver is the export of a component that receives log entries.
type LogsReceiver struct {
	Component string   // its ID
	Nodes     []string // of the plan; empty if what is sent there is dropped
}

// AlloyCapsule makes a LogsReceiver a value that expressions pass on unchanged.
func (LogsReceiver) AlloyCapsule() {}

// ConvertFrom returns what is wrong with a value that is not a LogsReceiver.
func (*LogsReceiver) ConvertFrom(src any) error {
	if _, ok := src.(MetricsReceiver); ok {
		return errors.New("takes metrics, not log entries")
	}
	return syntax.ErrNoConversion
}

// MetricsReceiver is the export of a component that receives samples.
type MetricsReceiver struct {
	Component string   // its ID
	Nodes     []string // of the plan; empty if what is sent there is dropped
}

// AlloyCapsule makes a MetricsReceiver a value that expressions pass on unchanged.
func (MetricsReceiver) AlloyCapsule() {}

// ConvertFrom returns what is wrong with a value that is not a MetricsReceiver.
func (*MetricsReceiver) ConvertFrom(src any) error {
	if _, ok := src.(LogsReceiver); ok {
		return errors.New("takes log entries, not metrics")
	}
	return syntax.ErrNoConversion
}

// Rules are relabel rules that one component exports for others.
type Rules []*relabel.Config

// AlloyCapsule makes Rules a value that expressions pass on unchanged.
func (Rules) AlloyCapsule() {}

// logNodes returns the nodes of receivers, each once.
func logNodes(to []LogsReceiver) []string {
	var nodes []string
	for _, r := range to {
		nodes = appendNew(nodes, r.Nodes...)
	}
	return nodes
}

// metricNodes returns the nodes of receivers, each once.
func metricNodes(to []MetricsReceiver) []string {
	var nodes []string
	for _, r := range to {
		nodes = appendNew(nodes, r.Nodes...)
	}
	return nodes
}

func appendNew(to []string, names ...string) []string {
	for _, n := range names {
		if !slices.Contains(to, n) {
			to = append(to, n)
		}
	}
	return to
}
