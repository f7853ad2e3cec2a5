package fields

import (
	"context"

	"lighter"
	"lighter/collector/stage"
)

// MaxValue is the length in bytes of the longest value that becomes structured metadata.
const MaxValue = 2 << 10

// Maker makes stages that set fields of JSON and logfmt lines as the structured metadata of their entries.
// They set nothing for missing fields, for empty and null values, for objects and arrays, and for values
// longer than MaxValue. They never change stream labels.
func Maker(names []Named) stage.Maker {
	paths := make([]Path, len(names))
	for i, n := range names {
		paths[i] = n.Path
	}
	finder := NewFinder(paths...)
	return stage.Maker{Name: "fields", New: func(_ stage.Log, next lighter.Logs) lighter.Logs {
		return &setter{names: names, finder: finder, values: make([]Value, len(names)), next: next}
	}}
}

type setter struct {
	names  []Named
	finder *Finder
	values []Value // of the current line
	memory []byte  // for an unescaped value
	next   lighter.Logs
}

func (s *setter) Append(ctx context.Context, b *lighter.Batch) error {
	for i := range b.Entries {
		e := &b.Entries[i]
		if !s.finder.Find(e.Line, s.values) {
			continue
		}
		for n := range s.values {
			s.add(b, e, s.names[n].Name, s.values[n])
		}
	}
	return s.next.Append(ctx, b)
}

func (s *setter) add(b *lighter.Batch, e *lighter.Entry, name string, v Value) {
	switch v.Kind {
	case String, Number, Bool:
	default:
		return
	}
	if len(v.Raw) == 0 || len(v.Raw) > MaxValue {
		return
	}
	if v.Escaped {
		s.memory = v.Text(s.memory)
		v.Raw = b.Copy(s.memory)
	}
	b.AddField(e, name, v.Raw)
}
