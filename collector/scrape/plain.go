package scrape

import (
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// Nearly all lines of nearly all pages are name{label="value",…} number, without a space too
// many. The functions here read such lines for the first time as known does later: by hand.
// They take less than the parser does, and what they take is read as the parser would.

// plain learns the line at pos, which is not the remembered one, and what stands before it.
// Where ok is false it is the parser's to read, and nothing has changed.
func (r *reading) plain() (ok bool, err error) {
	at, kind, flags := r.pos, r.kind, lineFlags(0)
	var typed meta
	for at < len(r.body) && r.body[at] == '#' {
		m, size := readMeta(r.body[at:], r.format)
		if size == 0 {
			return false, nil
		}
		flags |= hasGap
		if m.entry == textparse.EntryType {
			flags |= setsType
			typed, kind = m, kindFlags(m.kind)
		}
		at += size
	}
	end, ok := r.readSeries(at, kind)
	if !ok {
		return false, nil
	}
	var one point
	next, ok := r.readSample(end, &one)
	if !ok {
		return false, nil
	}
	if flags&hasGap != 0 {
		r.gaps = append(r.gaps, r.pos)
	}
	if flags&setsType != 0 {
		r.setType(typed)
	}
	r.scraped++
	text := r.body[r.pos:end]
	r.pos = next
	return true, r.learnPlain(text, r.body[at:end], flags|kind, &one)
}

// learnPlain remembers the line whose labels are in pairs.
func (r *reading) learnPlain(text, raw []byte, flags lineFlags, one *point) error {
	c := r.cache
	var onPage, l labels.Labels
	keep, joined := true, len(c.cfg.MetricRelabel) == 0 && r.joinTarget(&l)
	if !joined || r.keyed {
		r.setOnPage(&onPage)
	}
	if !joined {
		var err error
		if l, keep, err = c.relabel(onPage); err != nil {
			return &failure{resultBadContent, err}
		}
	}
	return r.remember(text, raw, flags, onPage, l, keep, one)
}

// setOnPage sets l to pairs.
func (r *reading) setOnPage(l *labels.Labels) {
	r.onPage.Reset()
	for _, p := range r.pairs {
		r.onPage.Add(p.Name, p.Value)
	}
	r.onPage.Overwrite(l)
}

// joinTarget sets l to pairs and the target's labels; false: one name is in both.
func (r *reading) joinTarget(l *labels.Labels) bool {
	r.joined.Reset()
	target := r.cache.targetPairs
	for _, p := range r.pairs {
		for len(target) > 0 && target[0].Name < p.Name {
			r.joined.Add(target[0].Name, target[0].Value)
			target = target[1:]
		}
		if len(target) > 0 && target[0].Name == p.Name {
			return false
		}
		if p.Value != "" {
			r.joined.Add(p.Name, p.Value)
		}
	}
	for _, t := range target {
		r.joined.Add(t.Name, t.Value)
	}
	r.joined.Overwrite(l)
	return true
}

// readSeries reads name and labels at an offset into pairs, as the parser does behind a TYPE
// line of that kind, and returns where they end. It takes no series that is too long.
func (r *reading) readSeries(at int, kind lineFlags) (end int, ok bool) {
	name := nameSize(r.body[at:])
	if name == 0 {
		return 0, false
	}
	end = at + name
	r.escaped = r.escaped[:0]
	r.pairs = append(r.pairs[:0], labels.Label{Name: model.MetricNameLabel, Value: view(r.body[at:end])})
	if end < len(r.body) && r.body[end] == '{' {
		if end, ok = r.readPairs(end+1, 0, true); !ok {
			return 0, false
		}
	}
	if kind != 0 {
		r.normalizePairs(kind)
	}
	return end, end-at <= maxSeriesText
}

// readPairs reads labels behind their brace and puts them among pairs[first:], which stay in
// order of their names. It returns where they end, behind the other brace. Labels that have a
// name twice are not read.
func (r *reading) readPairs(at, first int, escapes bool) (end int, ok bool) {
	b := r.body
	for at < len(b) && b[at] != '}' {
		name := at
		for at < len(b) && isNameByte(b[at]) && b[at] != ':' {
			at++
		}
		if at == name || isDigit(b[name]) || at+1 >= len(b) || b[at] != '=' || b[at+1] != '"' {
			return 0, false
		}
		label := labels.Label{Name: view(b[name:at])}
		at += 2
		value, high := at, byte(0)
		for at < len(b) && b[at] != '"' && b[at] != '\\' && b[at] != '\n' {
			high |= b[at]
			at++
		}
		if at == len(b) || b[at] == '\n' || b[at] == '\\' && !escapes {
			return 0, false
		}
		label.Value = view(b[value:at])
		if b[at] == '\\' {
			if label.Value, at, ok = r.unescape(value); !ok {
				return 0, false
			}
			high = 0x80
		}
		if high >= 0x80 && !utf8.ValidString(label.Value) {
			return 0, false
		}
		if !r.insert(label, first) {
			return 0, false
		}
		if at++; at < len(b) && b[at] == ',' {
			at++
		} else if at < len(b) && b[at] != '}' {
			return 0, false
		}
	}
	return at + 1, at < len(b)
}

// insert puts a label among pairs[first:]; false: there is one of that name.
func (r *reading) insert(l labels.Label, first int) bool {
	i := len(r.pairs)
	for i > first && l.Name < r.pairs[i-1].Name {
		i--
	}
	if i > first && l.Name == r.pairs[i-1].Name {
		return false
	}
	r.pairs = append(r.pairs, l)
	if i < len(r.pairs)-1 {
		copy(r.pairs[i+1:], r.pairs[i:])
		r.pairs[i] = l
	}
	return true
}

// unescape reads a label value that has escapes, and returns where its quote is.
func (r *reading) unescape(at int) (value string, end int, ok bool) {
	b, from := r.body, len(r.escaped)
	for ; at < len(b) && b[at] != '\n'; at++ {
		c := b[at]
		switch c {
		case '"':
			return view(r.escaped[from:]), at, true
		case '\\':
			if at++; at == len(b) {
				return "", 0, false
			}
			switch c = b[at]; c {
			case '\\', '"':
			case 'n':
				c = '\n'
			default:
				return "", 0, false
			}
		}
		r.escaped = append(r.escaped, c) // what moves to larger memory leaves the old to the values that are there
	}
	return "", 0, false
}

// normalizePairs writes the bounds of histograms and summaries as OpenMetrics does.
func (r *reading) normalizePairs(kind lineFlags) {
	name := boundOf(kind)
	for i := range r.pairs {
		if p := &r.pairs[i]; p.Name == name {
			if v, err := strconv.ParseFloat(p.Value, 64); err == nil {
				p.Value = labels.FormatOpenMetricsFloat(v)
			}
		}
	}
}

// boundOf returns the name of the label that is a number in series of that kind.
func boundOf(kind lineFlags) string {
	if kind == inSummary {
		return model.QuantileLabel
	}
	return model.BucketLabel
}

// readSample reads what follows a series to the end of its line, and returns where that is.
func (r *reading) readSample(at int, one *point) (end int, ok bool) {
	if at >= len(r.body) || r.body[at] != ' ' {
		return 0, false
	}
	v, size, ok := readFloat(r.body[at+1:])
	if !ok {
		return 0, false
	}
	one.value = v
	if at += 1 + size; r.body[at] == ' ' {
		if at, ok = r.readRest(at, one); !ok {
			return 0, false
		}
	}
	return at + 1, true
}

// readRest reads a time, or an exemplar, or both, that stand behind a value, and returns
// where the line ends.
func (r *reading) readRest(at int, one *point) (end int, ok bool) {
	b := r.body
	if at+1 < len(b) && b[at+1] != '#' {
		t, size, ok := r.readTime(b[at+1:])
		if !ok {
			return 0, false
		}
		if r.cache.cfg.HonorTimestamps {
			one.time, one.timed = t, true
		}
		if at += 1 + size; b[at] == '\n' {
			return at, true
		}
	}
	return r.readExemplar(at)
}

// nameSize returns how long the metric name is that b begins with.
func nameSize(b []byte) int {
	n := 0
	for n < len(b) && isNameByte(b[n]) {
		n++
	}
	if n > 0 && isDigit(b[0]) {
		return 0
	}
	return n
}

func isNameByte(c byte) bool { return c|0x20-'a' < 26 || c == '_' || isDigit(c) || c == ':' }
func isDigit(c byte) bool    { return c-'0' < 10 }

// view returns b as a string that is valid until b's memory changes. So the labels of a line
// need no copy; they are encoded before the page's memory is used again.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
