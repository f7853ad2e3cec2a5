package alloy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Kind describes a component or a block that the agent has, for its documentation.
type Kind struct {
	Name      string
	Component bool // otherwise it is a block that configures the agent
	Exports   []string
	Arguments []Argument
}

// Argument is an argument or a block of a Kind.
type Argument struct {
	Path     string // with the blocks around it, such as endpoint.basic_auth.username
	Block    bool
	Required bool
	NoEffect string // why it has no effect; empty if it has one
	Refused  string // what to do instead; empty if the agent supports it
	Partly   string // which values the agent does not support, or what is different; empty if nothing is
}

// Kinds returns the components and blocks that the agent has, in the order of their names. It does not repeat
// the stages of loki.process for the stages that contain others.
func Kinds() []Kind {
	var all []Kind
	for _, kinds := range []map[string]kind{components(), configBlocks()} {
		for _, name := range slices.Sorted(maps.Keys(kinds)) {
			k := kinds[name]
			_, isComponent := components()[name]
			all = append(all, Kind{
				Name:      name,
				Component: isComponent,
				Exports:   slices.Clone(k.exports),
				Arguments: k.arguments(reflect.TypeOf(k.args()), "", nil),
			})
		}
	}
	slices.SortFunc(all, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// arguments returns the arguments of a body; the arguments of an inner block follow the block. within has the
// types of the blocks around it, because a block may contain itself.
func (k kind) arguments(t reflect.Type, path string, within []reflect.Type) []Argument {
	var all []Argument
	known := fieldsOf(t)
	for _, blocks := range []bool{false, true} {
		for _, name := range known.names(blocks) {
			f := known[name]
			p := path + name
			a := Argument{Path: p, Block: blocks, Required: !f.optional, NoEffect: k.noEffect[p], Refused: k.refused[p], Partly: k.partly[p]}
			all = append(all, a)
			if blocks && a.Refused == "" && a.NoEffect == "" && f.typ.Kind() == reflect.Struct && !slices.Contains(within, f.typ) {
				all = append(all, k.arguments(f.typ, p+".", append(slices.Clip(within), f.typ))...)
			}
		}
	}
	return all
}
