package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jmespath-community/go-jmespath"

	"lighter/collector/internal/jsontext"
)

// jsonStage is stage.json.
type jsonStage struct {
	source    int
	wanted    tree
	targets   []int    // by index in wanted: the slot
	searched  []search // JMESPath expressions that are not plain paths
	keys      *regexp.Regexp
	malformed *counter // counts entries dropped because they are not JSON; nil if they are kept
}

type search struct {
	name string
	path jmespath.JMESPath
}

// plainPath returns the keys of a JMESPath expression that consists of keys separated by dots, such as
// user.id or "log-level". It returns nil for any other expression.
func plainPath(text string) (keys []string) {
	for {
		if strings.HasPrefix(text, `"`) {
			i := strings.IndexByte(text[1:], '"')
			if i < 0 || strings.IndexByte(text[1:1+i], '\\') >= 0 {
				return nil
			}
			keys, text = append(keys, text[1:1+i]), text[i+2:]
		} else {
			i := 0
			for i < len(text) && isNameByte(text[i], i == 0) {
				i++
			}
			if i == 0 {
				return nil
			}
			keys, text = append(keys, text[:i]), text[i:]
		}
		if text == "" {
			return keys
		}
		if text[0] != '.' {
			return nil
		}
		text = text[1:]
	}
}

func (o *jsonStage) run(r *runner, x *entry, at int) int {
	input, ok := x.input(o.source)
	if !ok {
		return at + 1
	}
	if !o.extract(r, x, input) && o.malformed != nil {
		return r.drop(o.malformed)
	}
	return at + 1
}

// extract reports whether the input is a JSON object.
func (o *jsonStage) extract(r *runner, x *entry, input []byte) bool {
	r.spans = r.spans[:0]
	for range o.targets {
		r.spans = append(r.spans, span{})
	}
	s := jsonScanner{line: input, spans: r.spans, keys: o.keys}
	if !s.document(&o.wanted) {
		return false
	}
	for i, slot := range o.targets {
		x.values[slot] = r.jsonValue(x, input, r.spans[i])
	}
	if len(o.searched) > 0 {
		o.search(r, x, input)
	}
	for _, k := range s.keyed {
		r.set(x, k.key, r.jsonValue(x, input, k.value))
	}
	return true
}

func (o *jsonStage) search(r *runner, x *entry, input []byte) {
	var doc map[string]any
	if err := json.Unmarshal(input, &doc); err != nil {
		return
	}
	for _, s := range o.searched {
		if v, ok := r.searched(x, s.path, doc); ok {
			r.set(x, s.name, v)
		}
	}
}

// searched returns the result of a JMESPath expression. Objects and arrays are returned as JSON.
func (r *runner) searched(x *entry, path jmespath.JMESPath, doc any) (_ value, ok bool) {
	found, err := searchPath(path, doc)
	if err != nil {
		return value{}, false
	}
	v, ok := valueOf(found, r.buffer[:0])
	if !ok {
		again, err := json.Marshal(found)
		if err != nil {
			return value{}, false
		}
		return value{text, x.batch.Copy(again)}, true
	}
	if v.bytes != nil {
		v.bytes = r.keep(x, v.bytes)
	}
	return v, true
}

// searchPath evaluates a JMESPath expression. It recovers from the library's panics on some expressions.
func searchPath(path jmespath.JMESPath, doc any) (_ any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be evaluated (%v)", r)
		}
	}()
	return path.Search(doc)
}

// logfmtStage is stage.logfmt.
type logfmtStage struct {
	source int
	names  map[string]string // of extracted values, by key
	keys   *regexp.Regexp
}

func (o *logfmtStage) run(r *runner, x *entry, at int) int {
	input, ok := x.input(o.source)
	for ok && len(input) > 0 {
		record := input
		if i := bytes.IndexByte(input, '\n'); i >= 0 {
			record, input = input[:i], input[i+1:]
		} else {
			input = nil
		}
		if !o.record(r, x, record) {
			break
		}
	}
	return at + 1
}

// record extracts values from one line. It returns false if the line is not logfmt; it then has extracted
// what precedes the error.
func (o *logfmtStage) record(r *runner, x *entry, b []byte) bool {
	for i := 0; ; {
		for i < len(b) && b[i] <= ' ' {
			i++
		}
		if i == len(b) {
			return true
		}
		start := i
		for i < len(b) && b[i] > ' ' && b[i] != '=' && b[i] != '"' {
			i++
		}
		key := b[start:i]
		if i < len(b) && b[i] == '"' || len(key) == 0 || bytes.ContainsRune(key, '\uFFFD') {
			return false
		}
		var v []byte
		if i < len(b) && b[i] == '=' {
			i++
			var ok bool
			if v, i, ok = o.value(r, x, b, i); !ok {
				return false
			}
		}
		if name, ok := o.names[string(key)]; ok {
			r.set(x, name, value{text, v})
		}
		if o.keys != nil && o.keys.Match(key) {
			r.set(x, string(key), value{text, v})
		}
	}
}

// value reads the value that begins at i.
func (o *logfmtStage) value(r *runner, x *entry, b []byte, i int) (v []byte, end int, ok bool) {
	start := i
	if i == len(b) || b[i] != '"' {
		for i < len(b) && b[i] > ' ' {
			if b[i] == '=' || b[i] == '"' {
				return nil, i, false
			}
			i++
		}
		return b[start:i], i, true
	}
	escaped := false
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			escaped = true
			i++
		}
	}
	if i >= len(b) {
		return nil, i, false
	}
	v = b[start+1 : i]
	if escaped {
		s := jsonScanner{line: b[start : i+1]}
		if s.text(0) != i+1-start {
			return nil, i, false
		}
		v = r.keep(x, jsontext.Unescape(r.buffer[:0], v))
	}
	return v, i + 1, true
}

// regexStage is stage.regex.
type regexStage struct {
	source int
	expr   *regexp.Regexp
	groups []namedGroup
}

type namedGroup struct {
	name  string
	index int
	label bool
}

func (o *regexStage) run(r *runner, x *entry, at int) int {
	input, ok := x.input(o.source)
	if !ok {
		return at + 1
	}
	match := o.expr.FindSubmatchIndex(input)
	if match == nil {
		return at + 1
	}
	for _, g := range o.groups {
		var v []byte
		if start := match[2*g.index]; start >= 0 {
			v = input[start:match[2*g.index+1]]
		}
		r.capture(x, g.name, v, g.label)
	}
	return at + 1
}

// patternStage is stage.pattern.
type patternStage struct {
	source  int
	pattern *pattern
	labels  bool
}

func (o *patternStage) run(r *runner, x *entry, at int) int {
	if input, ok := x.input(o.source); ok {
		r.found = o.pattern.match(input, r.found[:0])
		for i, v := range r.found {
			r.capture(x, o.pattern.names[i], v, o.labels)
		}
	}
	return at + 1
}

// cri is stage.cri.
type cri struct {
	max     int // of partial lines
	size    int
	cut     bool
	flushed *counter
	tooLong *counter
}

func (o *cri) run(r *runner, x *entry, at int) int {
	header, content, partial, ok := parseCRI(x.Line)
	if !ok {
		return at + 1
	}
	stream := header[len(header)-len("stdout"):]
	flag := flagFull
	if partial {
		flag = flagPartial
	}
	when := header[:len(header)-len(" stdout")]
	r.set(x, "flags", value{text, flag})
	r.set(x, "stream", value{text, stream})
	r.set(x, "content", value{text, content})
	r.set(x, "time", value{text, when})
	x.Line = content
	if t, err := time.Parse(time.RFC3339Nano, borrow(when)); err == nil {
		x.setTime(t)
	}
	x.setLabel("stream", stream)
	key := groupKey{at, r.resolve(x).hash}
	g := r.groups[key]
	if g == nil && !partial {
		return at + 1
	}
	if partial && r.openAt(at) >= o.max {
		r.count(o.flushed, r.openAt(at))
		for i := 0; i < len(r.open); {
			if r.open[i].key.at != at {
				i++
				continue
			}
			old := r.open[i]
			delete(r.groups, old.key)
			if r.finish(old, false); r.err != nil {
				return none
			}
		}
		g = nil
	}
	if g == nil {
		g = &group{key: key}
		r.groups[key] = g
	}
	if g.lines > 0 && !g.joined {
		g.text, g.joined = append(g.text[:0], g.first.Line...), true
	}
	r.hold(g, x) // keep the time and metadata of the last one
	r.add(g, x, x.Line, "", g.lines == 0)
	if o.cut && g.joined && len(g.text) > o.size {
		g.text = g.text[:o.size]
		r.count(o.tooLong, 1)
	} else if o.cut && !g.joined && len(g.first.Line) > o.size {
		g.first.Line = g.first.Line[:o.size]
		r.count(o.tooLong, 1)
	}
	if !partial {
		delete(r.groups, key)
		r.finish(g, false)
	}
	return none
}

var flagFull, flagPartial = []byte("F"), []byte("P") // read-only

// openAt returns the number of groups that a stage holds back.
func (r *runner) openAt(at int) (n int) {
	for _, g := range r.open {
		if g.key.at == at {
			n++
		}
	}
	return n
}

// parseCRI parses a line as Alloy does: a text without spaces, stdout or stderr, an optional flag, and the
// content. header ends with the stream's name.
func parseCRI(b []byte) (header, content []byte, partial, ok bool) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 || bytes.ContainsAny(b[:i], "\t\n\v\f\r\u0085\u00A0") {
		return nil, nil, false, false
	}
	rest := b[i+1:]
	if !bytes.HasPrefix(rest, []byte("stdout ")) && !bytes.HasPrefix(rest, []byte("stderr ")) {
		return nil, nil, false, false
	}
	i += 1 + len("stdout")
	header, rest = b[:i], b[i+1:]
	if len(rest) > 0 && (rest[0] == 'P' || rest[0] == 'F') {
		partial = rest[0] == 'P'
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	return header, rest, partial, true
}

// docker is stage.docker.
type docker struct{ keys tree }

const (
	dockerLog = iota
	dockerStream
	dockerTime
	dockerKeys
)

func newDocker() *docker {
	o := &docker{}
	for i, key := range [dockerKeys]string{"log", "stream", "time"} {
		o.keys.want([]string{key}, i)
	}
	return o
}

func (o *docker) run(r *runner, x *entry, at int) int {
	line := x.Line
	r.spans = append(r.spans[:0], span{}, span{}, span{})
	s := jsonScanner{line: line, spans: r.spans, fold: true}
	if !s.document(&o.keys) {
		return at + 1
	}
	var values [dockerKeys]value
	for i, v := range r.spans {
		values[i] = value{kind: text}
		if v.end == 0 {
			continue
		}
		switch line[v.start] {
		case '"':
			values[i] = r.jsonValue(x, line, v)
		case 'n':
		default:
			return at + 1
		}
	}
	if len(values[dockerLog].bytes) == 0 {
		return at + 1
	}
	r.set(x, "output", values[dockerLog])
	r.set(x, "stream", values[dockerStream])
	r.set(x, "timestamp", values[dockerTime])
	x.Line = values[dockerLog].bytes
	x.setLabel("stream", values[dockerStream].bytes)
	if t, err := time.Parse(time.RFC3339Nano, borrow(values[dockerTime].bytes)); err == nil {
		x.setTime(t)
	}
	return at + 1
}
