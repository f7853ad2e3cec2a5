// Package process is a stage that does to log entries what a loki.process component of Grafana Alloy does, and
// one that does what loki.relabel does.
package process

import (
	"iter"
	"maps"
	"slices"
)

// sorted returns the pairs of a map in the order of their keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
