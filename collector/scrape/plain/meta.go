package plain

import (
	"bytes"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/textparse"
)

// Meta is a TYPE, HELP or UNIT line.
type Meta struct {
	Entry textparse.Entry
	Name  []byte           // of the family; not owned
	Type  model.MetricType // of a TYPE line
	Text  []byte           // of a HELP or UNIT line; not owned
}

// MetaOf returns the metadata line that a parser has just read.
func MetaOf(p textparse.Parser, entry textparse.Entry) Meta {
	m := Meta{Entry: entry}
	switch entry {
	case textparse.EntryType:
		m.Name, m.Type = p.Type()
	case textparse.EntryHelp:
		m.Name, m.Text = p.Help()
	case textparse.EntryUnit:
		m.Name, m.Text = p.Unit()
	}
	return m
}

// ReadMeta reads the TYPE, HELP or UNIT line that b begins with and returns its length. It returns 0 for a
// line without the shape that all pages have, which the parser must read.
func ReadMeta(b []byte, openMetrics bool) (m Meta, size int) {
	const head = len("# TYPE ")
	if len(b) < head || b[0] != '#' || b[1] != ' ' || b[head-1] != ' ' {
		return m, 0
	}
	end := bytes.IndexByte(b, '\n')
	name := head + nameSize(b[head:])
	if name == head || name >= end || b[name] != ' ' {
		return m, 0
	}
	m.Name, m.Text = b[head:name], b[name+1:end]
	ok := false
	switch string(b[2 : head-1]) {
	case "TYPE":
		m.Entry = textparse.EntryType
		m.Type = typeOf(m.Text, openMetrics)
		ok = m.Type != ""
	case "HELP":
		m.Entry = textparse.EntryHelp
		ok = len(m.Text) > 0 && m.Text[0] != ' ' && m.Text[0] != '\t' && bytes.IndexByte(m.Text, '\\') < 0 && utf8.Valid(m.Text)
	case "UNIT":
		m.Entry = textparse.EntryUnit
		rest, found := bytes.CutSuffix(m.Name, m.Text)
		ok = openMetrics && found && len(m.Text) > 0 && bytes.HasSuffix(rest, []byte("_"))
	}
	if !ok {
		return m, 0
	}
	return m, end + 1
}

// typeOf returns the metric type that a TYPE line names, or an empty string for an unknown word.
func typeOf(word []byte, openMetrics bool) model.MetricType {
	types := [...]model.MetricType{model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeHistogram, model.MetricTypeSummary,
		model.MetricTypeUnknown, model.MetricTypeGaugeHistogram, model.MetricTypeInfo, model.MetricTypeStateset}
	known := types[:]
	if !openMetrics {
		if string(word) == "untyped" {
			return model.MetricTypeUnknown
		}
		known = types[:4]
	}
	for _, t := range known {
		if string(word) == string(t) {
			return t
		}
	}
	return ""
}
