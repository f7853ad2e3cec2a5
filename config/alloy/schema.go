package alloy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// field is an argument or a block of a component, as a struct tag describes it.
type field struct {
	typ      reflect.Type // of an argument's value; of one block
	block    bool
	many     bool // the block may occur more than once
	optional bool
}

// fields are the arguments and blocks that a body may have, by name.
type fields map[string]field

// fieldsOf reads the tags of a struct in the same way as the syntax package.
func fieldsOf(t reflect.Type) fields {
	t = elem(t)
	all := fields{}
	for f := range t.Fields() {
		tag, ok := f.Tag.Lookup("alloy")
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		kinds := strings.Split(options, ",")
		optional := slices.Contains(kinds, "optional")
		switch kinds[0] {
		case "attr":
			all[name] = field{typ: f.Type, optional: optional}
		case "squash":
			maps.Copy(all, fieldsOf(f.Type))
		case "block":
			typ := elem(f.Type)
			many := typ.Kind() == reflect.Slice
			if many {
				typ = elem(typ.Elem())
			}
			all[name] = field{typ: typ, block: true, many: many, optional: optional}
		case "enum":
			for inner, f := range fieldsOf(elem(f.Type).Elem()) {
				all[name+"."+inner] = field{typ: f.typ, block: true, many: true, optional: true}
			}
		}
	}
	return all
}

// within returns the name of the only block that has an argument or a block with a name, or "".
func (f fields) within(name string, block bool) string {
	found := ""
	for inner, f := range f {
		if !f.block || f.typ.Kind() != reflect.Struct {
			continue
		}
		if of, ok := fieldsOf(f.typ)[name]; ok && of.block == block {
			if found != "" {
				return ""
			}
			found = inner
		}
	}
	return found
}

func elem(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// names returns the names of the arguments, or of the blocks.
func (f fields) names(blocks bool) []string {
	var names []string
	for name, f := range f {
		if f.block == blocks {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
