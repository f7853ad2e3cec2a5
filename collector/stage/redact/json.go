package redact

import (
	"bytes"
	"encoding/json"
)

// jsonLine tells of the spans of a line, in their order, whether they keep it valid JSON. Finders know
// only the surroundings of an anchor, and may take the end of a string for the beginning of a value.
type jsonLine struct {
	line  []byte
	like  bool // the line begins as JSON does
	at    int  // up to where it was read
	in    bool // a string, there
	known bool // valid is
	valid bool
}

func newJSONLine(line []byte) jsonLine {
	text := bytes.TrimLeft(line, " \t\r\n")
	j := jsonLine{line: line, like: len(text) > 0 && (text[0] == '{' || text[0] == '[' || text[0] == '"')}
	if !j.like { // JSON may follow, behind the time and the level
		if j.at = bytes.IndexAny(line, "{["); j.at < 0 {
			j.at = len(line)
		}
	}
	return j
}

// read reads on to a place, and returns how many strings begin and end before it.
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

// within returns what of a span may be replaced, and whether it is a number of JSON. It is empty if the
// span is neither that nor a part of a string, though the line is JSON.
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
	default: // it ends where its string does
		sp.to = sp.from + stringEnd(j.line[sp.from:sp.to])
	}
	return sp, false
}

// isNumber reports whether a span that is in no string is a number of JSON.
func (j *jsonLine) isNumber(sp span) bool {
	for _, c := range j.line[sp.from:sp.to] {
		if !decimal[c] && c != '-' && c != '.' {
			return false
		}
	}
	before, after := bytes.TrimRight(j.line[:sp.from], " \t\r\n"), bytes.TrimLeft(j.line[sp.to:], " \t\r\n")
	if len(before) == 0 || len(after) == 0 {
		return len(before) == len(after) // alone in the line
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
