package alloy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Kind is a component or a block that the agent has, as documentation tells of it.
type Kind struct {
	Name      string
	Component bool // else it is a block that sets the agent up
	Exports   []string
	Arguments []Argument
}

// Argument is an argument of a Kind, or a block of it.
type Argument struct {
	Path     string // with the blocks that it is in, such as endpoint.basic_auth.username
	Block    bool
	Required bool
	NoEffect string // why it has no effect; empty if it has one
	Refused  string // what to do instead; empty if the agent takes it
	Partly   string // which values the agent does not take, or what is different; empty if there is nothing to say
}

// Kinds returns the components and blocks that the agent has, in the order of their names. Of the stages of
// loki.process it names those that are not within others.
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

// arguments returns the arguments of a body, those of inner blocks after their block. within are the types
// of the blocks around it, which may hold themselves.
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
