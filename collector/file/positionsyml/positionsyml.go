// Package positionsyml reads the positions that Promtail and Alloy write, so that an agent that takes their
// place goes on where they have stopped.
//
// Promtail has a path and an offset on each line:
//
//	positions:
//	  /var/log/syslog: "1234"
//
// Alloy tells files apart by the labels of their targets too:
//
//	positions:
//	  ? path: /var/log/syslog
//	    labels: '{job="syslog"}'
//	  : "1234"
//
// In place of a path there may be a cursor: cursor-<container id> with the Unix seconds up to which a
// container's log is read, or one of a journal.
package positionsyml

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v2"
)

// Positions are those of one file. Its methods may be called on nil, which has none.
type Positions struct {
	entries map[string][]Entry // by path
}

// Entry is a position.
type Entry struct {
	Path   string
	Labels string // as Alloy writes them: {a="b", c="d"}; empty in Promtail's file
	Value  string
}

const cursorPrefix = "cursor-"

// Parse reads a file of positions. Entries that are no position are left out; bad is how many they are.
func Parse(b []byte) (p *Positions, bad int, err error) {
	var file struct {
		Positions yaml.MapSlice `yaml:"positions"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		return nil, 0, fmt.Errorf("read positions: %w", err)
	}
	p = &Positions{entries: map[string][]Entry{}}
	for _, item := range file.Positions {
		e, ok := entryOf(item)
		if !ok {
			bad++
			continue
		}
		p.entries[e.Path] = append(p.entries[e.Path], e)
	}
	return p, bad, nil
}

func entryOf(item yaml.MapItem) (e Entry, ok bool) {
	switch v := item.Value.(type) {
	case string:
		e.Value = v
	case int:
		e.Value = strconv.Itoa(v)
	case int64:
		e.Value = strconv.FormatInt(v, 10)
	default:
		return e, false
	}
	switch key := item.Key.(type) {
	case string:
		e.Path = key
	case yaml.MapSlice:
		for _, field := range key {
			value, isText := field.Value.(string)
			if !isText && field.Value != nil {
				return e, false
			}
			switch field.Key {
			case "path":
				e.Path = value
			case "labels":
				e.Labels = value
			}
		}
	}
	return e, e.Path != ""
}

// Entries returns the positions of a path, or of a cursor.
func (p *Positions) Entries(path string) []Entry {
	if p == nil {
		return nil
	}
	return p.entries[path]
}

// Offset returns up to which byte a file was read, for a target with labels as Alloy writes them. A position
// without labels, or the only one of the path, serves for any.
func (p *Positions) Offset(path, labels string) (offset int64, ok bool) {
	all := p.Entries(path)
	var found *Entry
	for i := range all {
		e := &all[i]
		switch {
		case e.Labels == labels:
			return e.number()
		case e.Labels == "" || e.Labels == "{}" || len(all) == 1:
			found = e
		}
	}
	if found == nil {
		return 0, false
	}
	return found.number()
}

// Container returns up to when the log of a container was read, Unix seconds. Alloy writes one position for
// each set of labels that the container's targets had; the oldest counts, because Alloy may have read
// the log for all of them.
func (p *Positions) Container(id string) (seconds int64, ok bool) {
	for _, e := range p.Entries(cursorPrefix + id) {
		if n, isNumber := e.number(); isNumber && (!ok || n < seconds) {
			seconds, ok = n, true
		}
	}
	return seconds, ok
}

// Containers returns the ids of the containers that have a position.
func (p *Positions) Containers() (ids []string) {
	if p == nil {
		return nil
	}
	for path := range p.entries {
		if id, ok := strings.CutPrefix(path, cursorPrefix); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (e *Entry) number() (int64, bool) {
	n, err := strconv.ParseInt(e.Value, 10, 64)
	return n, err == nil && n >= 0
}
