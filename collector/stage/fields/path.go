// Package fields finds fields in log lines that are JSON objects or logfmt, and turns them into structured
// metadata.
//
// A Finder looks up several fields in one pass over a line, without allocating. It reads what it can: a
// line that was cut in the middle has the fields before the cut, and no line makes it panic. It does not
// check that a line is valid JSON.
package fields

import (
	"errors"
	"fmt"
	"strings"
)

// Path names a field: "status", or "ctx.user.id" for a field of nested objects. Each dot may also be part
// of a key: ctx.user.id matches {"ctx":{"user.id":1}} and {"ctx.user.id":1} too, but only in lines without
// {"ctx":{"user":{"id":1}}}. A logfmt key must equal the whole path.
type Path struct{ text string }

// ParsePath reads a path. Its error describes what is wrong with it.
func ParsePath(s string) (Path, error) {
	if s == "" {
		return Path{}, errors.New("a field's path is empty")
	}
	if strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..") {
		return Path{}, fmt.Errorf("the path %q has an empty key: write it like ctx.user.id", s)
	}
	return Path{s}, nil
}

// String returns the path in the form that ParsePath reads.
func (p Path) String() string { return p.text }

// Named is a field and its name in structured metadata.
type Named struct {
	Name string // a valid Loki label name
	Path Path
}

// ParseNamed reads fields separated by commas. Each is a path, or a name and a path:
// "trace_id,user=ctx.user.id". A path that is not a valid label name needs a name. The error describes what
// is wrong.
func ParseNamed(s string) ([]Named, error) {
	var all []Named
	seen := map[string]bool{}
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, text, named := strings.Cut(item, "=")
		if !named {
			text = name
		}
		name, text = strings.TrimSpace(name), strings.TrimSpace(text)
		path, err := ParsePath(text)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", item, err)
		}
		switch {
		case isLabelName(name):
		case named:
			return nil, fmt.Errorf("field %q: the name %q must have letters, digits and underscores only, and begin with no digit", item, name)
		default:
			return nil, fmt.Errorf("field %q: it needs a name of letters, digits and underscores, such as %s=%s", item, suggest(name), name)
		}
		if seen[name] {
			return nil, fmt.Errorf("field %q: the name %s is taken twice", item, name)
		}
		seen[name] = true
		all = append(all, Named{name, path})
	}
	return all, nil
}

func isLabelName(s string) bool {
	for i := range len(s) {
		if !isLabelByte(s[i]) || i == 0 && '0' <= s[i] && s[i] <= '9' {
			return false
		}
	}
	return s != ""
}

func isLabelByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// suggest returns a label name that resembles a path.
func suggest(path string) string {
	b := []byte(path)
	for i, c := range b {
		if !isLabelByte(c) {
			b[i] = '_'
		}
	}
	if '0' <= b[0] && b[0] <= '9' {
		return "_" + string(b)
	}
	return string(b)
}
