package alloy

import (
	"maps"
	"slices"
)

// SpokenOf returns the paths of the arguments of a kind of which something is said.
func SpokenOf(name string) []string {
	k, ok := components()[name]
	if !ok {
		k = configBlocks()[name]
	}
	return slices.Concat(slices.Collect(maps.Keys(k.noEffect)), slices.Collect(maps.Keys(k.refused)))
}
