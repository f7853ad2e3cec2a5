package journal

import (
	"bytes"
	"fmt"
	"strings"
)

// Matches are conditions on the fields of an entry, as journalctl takes them. The zero value matches every
// entry.
type Matches struct {
	alternatives []conditions
	fields       map[string]bool // the names that occur
}

// conditions must all hold: a field of each name must have one of the values.
type conditions []condition

type condition struct {
	name   string
	values []string
}

// ParseMatches reads conditions of the form FIELD=value that are separated by white space. Conditions on
// different fields must all hold, of those on one field one must hold, and a + between conditions separates
// alternatives. A value holds no white space.
func ParseMatches(s string) (Matches, error) {
	m := Matches{fields: map[string]bool{}}
	var open conditions
	words := strings.Fields(s)
	for i, word := range words {
		if word == "+" {
			if len(open) == 0 || i == len(words)-1 {
				return Matches{}, fmt.Errorf("journal matches %q: a + stands between two conditions", s)
			}
			m.alternatives, open = append(m.alternatives, open), nil
			continue
		}
		name, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
			return Matches{}, fmt.Errorf("journal matches %q: %q is not of the form FIELD=value", s, word)
		case !validName(name):
			return Matches{}, fmt.Errorf("journal matches %q: %q is not the name of a field, which has capital letters, digits and underscores and does not begin with two underscores", s, name)
		}
		m.fields[name] = true
		open = open.add(name, value)
	}
	if len(open) > 0 {
		m.alternatives = append(m.alternatives, open)
	}
	return m, nil
}

func (c conditions) add(name, value string) conditions {
	for i := range c {
		if c[i].name == name {
			c[i].values = append(c[i].values, value)
			return c
		}
	}
	return append(c, condition{name, []string{value}})
}

func validName(name string) bool {
	if name == "" || strings.HasPrefix(name, "__") {
		return false
	}
	for _, c := range []byte(name) {
		if c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// all reports whether every entry matches.
func (m *Matches) all() bool { return len(m.alternatives) == 0 }

// match reports whether an entry with these fields matches.
func (m *Matches) match(fields []field) bool {
	for _, c := range m.alternatives {
		if c.match(fields) {
			return true
		}
	}
	return m.all()
}

func (c conditions) match(fields []field) bool {
	for i := range c {
		if !c[i].match(fields) {
			return false
		}
	}
	return true
}

func (c *condition) match(fields []field) bool {
	for i := range fields {
		if string(fields[i].name) != c.name {
			continue
		}
		for _, value := range c.values {
			if !fields[i].cut && bytes.Equal(fields[i].value, []byte(value)) {
				return true
			}
		}
	}
	return false
}
