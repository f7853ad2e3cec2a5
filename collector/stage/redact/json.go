package redact

import (
	"bytes"
	"encoding/json"
)

// jsonLine checks, for the spans of a line in order, whether replacing them keeps the line valid JSON.
// Finders see only the surroundings of an anchor, and may take the end of a string for the beginning of a
// value.
type jsonLine struct {
	line  []byte
	like  bool // the line begins as JSON does
	at    int  // how far it has been read
	in    bool // at is inside a string
	known bool // valid has been determined
	valid bool
}

func newJSONLine(line []byte) jsonLine {
	text := bytes.TrimLeft(line, " \t\r\n")
	j := jsonLine{line: line, like: len(text) > 0 && (text[0] == '{' || text[0] == '[' || text[0] == '"')}
	if !j.like { // JSON may follow the time and the level
		if j.at = bytes.IndexAny(line, "{["); j.at < 0 {
			j.at = len(line)
		}
	}
	return j
}

// read reads on to offset to, and returns how many quotation marks of strings precede it.
func (j *jsonLine) read(to int) (marks int) {
	for ; j.at < to; j.at++ {
		switch j.line[j.at] {
		case '\\':
			j.at++
		case '"':
			j.in = !j.in
			marks++
		}
	}
	return marks
}

// within returns the part of a span that may be replaced, and whether it is a JSON number. The part is
// empty if the line is JSON and the span is neither a number nor part of a string.
func (j *jsonLine) within(sp span) (_ span, number bool) {
	j.read(sp.from)
	in := j.in
	if !in && j.isNumber(sp) {
		return sp, true
	}
	if marks := j.read(sp.to); !j.like || in && marks%2 == 0 {
		return sp, false
	}
	if !j.known {
		j.known, j.valid = true, json.Valid(j.line)
	}
	switch {
	case !j.valid:
	case !in:
		sp.to = sp.from
	default: // cut the span at the end of its string
		sp.to = sp.from + stringEnd(j.line[sp.from:sp.to])
	}
	return sp, false
}

// isNumber reports whether a span outside strings is a JSON number.
func (j *jsonLine) isNumber(sp span) bool {
	for _, c := range j.line[sp.from:sp.to] {
		if !decimal[c] && c != '-' && c != '.' {
			return false
		}
	}
	before, after := bytes.TrimRight(j.line[:sp.from], " \t\r\n"), bytes.TrimLeft(j.line[sp.to:], " \t\r\n")
	if len(before) == 0 || len(after) == 0 {
		return len(before) == len(after) // a number alone on the line
	}
	b, a := before[len(before)-1], after[0]
	return j.at <= sp.from && (b == ':' || b == '[' || b == ',') && (a == ',' || a == ']' || a == '}')
}

// stringEnd returns the index of the first quotation mark that is not escaped.
func stringEnd(text []byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text)
}
