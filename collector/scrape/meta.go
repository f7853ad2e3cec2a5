package scrape

import (
	"bytes"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/textparse"
)

// meta is a TYPE, HELP or UNIT line.
type meta struct {
	entry textparse.Entry
	name  []byte           // of the family; not owned
	kind  model.MetricType // if a TYPE line
	text  []byte           // if another; not owned
}

// readMeta reads the TYPE, HELP or UNIT line that b begins with, and returns how long it is:
// 0 for everything that has not the shape which all pages have, and is the parser's.
func readMeta(b []byte, f format) (m meta, size int) {
	const head = len("# TYPE ")
	if len(b) < head || b[0] != '#' || b[1] != ' ' || b[head-1] != ' ' {
		return m, 0
	}
	end := bytes.IndexByte(b, '\n')
	name := head + nameSize(b[head:])
	if name == head || name >= end || b[name] != ' ' {
		return m, 0
	}
	m.name, m.text = b[head:name], b[name+1:end]
	ok := false
	switch string(b[2 : head-1]) {
	case "TYPE":
		m.entry = textparse.EntryType
		m.kind = typeOf(m.text, f)
		ok = m.kind != ""
	case "HELP":
		m.entry = textparse.EntryHelp
		ok = len(m.text) > 0 && m.text[0] != ' ' && m.text[0] != '\t' && bytes.IndexByte(m.text, '\\') < 0 && utf8.Valid(m.text)
	case "UNIT":
		m.entry = textparse.EntryUnit
		rest, found := bytes.CutSuffix(m.name, m.text)
		ok = f == openMetrics && found && len(m.text) > 0 && bytes.HasSuffix(rest, []byte("_"))
	}
	if !ok {
		return m, 0
	}
	return m, end + 1
}

// typeOf returns the type of a word in a TYPE line; empty: it is none.
func typeOf(word []byte, f format) model.MetricType {
	types := [...]model.MetricType{model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeHistogram, model.MetricTypeSummary,
		model.MetricTypeUnknown, model.MetricTypeGaugeHistogram, model.MetricTypeInfo, model.MetricTypeStateset}
	known := types[:]
	if f == textFormat {
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

// metaOf returns the line that a parser has read.
func metaOf(p textparse.Parser, entry textparse.Entry) meta {
	m := meta{entry: entry}
	switch entry {
	case textparse.EntryType:
		m.name, m.kind = p.Type()
	case textparse.EntryHelp:
		m.name, m.text = p.Help()
	case textparse.EntryUnit:
		m.name, m.text = p.Unit()
	}
	return m
}

// metas calls f for each line of the gap at an offset of the page.
func (r *reading) metas(at int, f func(meta)) {
	for {
		m, size := readMeta(r.body[at:], r.format)
		if size == 0 {
			break
		}
		f(m)
		at += size
	}
	if nameSize(r.body[at:]) > 0 {
		return // the series
	}
	p := r.newParser(r.body[at:])
	for {
		entry, err := p.Next()
		if err != nil || entry == textparse.EntrySeries {
			return
		}
		f(metaOf(p, entry))
	}
}
