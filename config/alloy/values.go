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

// Target is an element of a list of targets. Either it is written in the file, or it stands for all
// targets that a node of the plan gives while it runs.
type Target struct {
	Node   string        // that gives targets; empty if the target is written in the file
	Labels labels.Labels // if it is written in the file
}

// AlloyCapsule makes a Target a value that an expression hands on as it is.
func (Target) AlloyCapsule() {}

// ConvertFrom makes a target of an object in the file.
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

// labelText returns what a value is as the value of a label. As in Alloy that is any value but a secret.
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

// LogsReceiver is what a component exports that takes log entries.
type LogsReceiver struct {
	Component string   // its ID
	Nodes     []string // of the plan; none if what is sent there leads nowhere
}

// AlloyCapsule makes a LogsReceiver a value that an expression hands on as it is.
func (LogsReceiver) AlloyCapsule() {}

// ConvertFrom says what is wrong with a value that is no LogsReceiver.
func (*LogsReceiver) ConvertFrom(src any) error {
	if _, ok := src.(MetricsReceiver); ok {
		return errors.New("takes metrics, not log entries")
	}
	return syntax.ErrNoConversion
}

// MetricsReceiver is what a component exports that takes samples.
type MetricsReceiver struct {
	Component string   // its ID
	Nodes     []string // of the plan; none if what is sent there leads nowhere
}

// AlloyCapsule makes a MetricsReceiver a value that an expression hands on as it is.
func (MetricsReceiver) AlloyCapsule() {}

// ConvertFrom says what is wrong with a value that is no MetricsReceiver.
func (*MetricsReceiver) ConvertFrom(src any) error {
	if _, ok := src.(LogsReceiver); ok {
		return errors.New("takes log entries, not metrics")
	}
	return syntax.ErrNoConversion
}

// Rules are relabel rules that one component exports for others.
type Rules []*relabel.Config

// AlloyCapsule makes Rules a value that an expression hands on as it is.
func (Rules) AlloyCapsule() {}

// logNodes returns the nodes behind receivers, each of them once.
func logNodes(to []LogsReceiver) []string {
	var nodes []string
	for _, r := range to {
		nodes = appendNew(nodes, r.Nodes...)
	}
	return nodes
}

// metricNodes likewise.
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
