// Package groups reads lists of target groups in the format of Prometheus's file and HTTP discovery.
package groups

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v2"

	"lighter"
)

// JSON returns the targets of a JSON list of groups. Each has the labels of its group and the label name.
func JSON(text []byte, name, value string) ([]lighter.Target, error) {
	var all []*targetgroup.Group
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("it is not a JSON list of target groups: %w", err)
	}
	return targets(all, name, value)
}

// YAML does the same for a YAML list of groups.
func YAML(text []byte, name, value string) ([]lighter.Target, error) {
	var all []*targetgroup.Group
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		return nil, fmt.Errorf("it is not a YAML list of target groups: %w", err)
	}
	return targets(all, name, value)
}

func targets(all []*targetgroup.Group, name, value string) ([]lighter.Target, error) {
	var found []lighter.Target
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, g := range all {
		if g == nil {
			return nil, errors.New("one of the target groups is empty")
		}
		for _, target := range g.Targets {
			b.Reset(labels.EmptyLabels())
			for k, v := range g.Labels {
				b.Set(string(k), string(v))
			}
			b.Set(name, value)
			for k, v := range target {
				b.Set(string(k), string(v))
			}
			found = append(found, lighter.Target{Labels: b.Labels()})
		}
	}
	return found, nil
}
