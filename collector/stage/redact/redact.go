// Package redact replaces secrets in log lines before they leave the host. Keys, tokens, passwords and card
// numbers become <redacted:RULE>; everything else in a line is unchanged. A line of valid JSON remains
// valid JSON, and what has been redacted is not redacted again.
package redact

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Redactor finds secrets. It is safe for concurrent use.
type Redactor struct {
	scanner *scanner
}

// New returns a Redactor with all rules. It takes half a megabyte of memory; one per process is enough.
func New() *Redactor { return &Redactor{newScanner(anchors())} }

// Rules returns the rules. Redact passes their indexes to hit.
func (r *Redactor) Rules() []Rule { return rules[:] }

// Redact appends line to dst with its secrets replaced. If line has no secrets, Redact returns line itself
// and false, and appends nothing. A changed line that is longer than limit bytes is cut. Redact calls hit,
// which may be nil, with the index of the rule for each secret. It does not change line.
// with the index of its rule for each secret; it may be nil. line is not changed.
func (r *Redactor) Redact(dst, line []byte, limit int, hit func(rule int)) (out []byte, changed bool) {
	out, changed, _ = r.redact(dst, line, limit, hit)
	return out, changed
}

// maxRounds is how many times a line is searched at most.
const maxRounds = 8

// redact is Redact, and also reports whether a private key is open at the end of the line. It searches a
// changed line again until it finds nothing more, because a secret may become visible only when the one
// next to it is gone.
func (r *Redactor) redact(dst, line []byte, limit int, hit func(rule int)) (out []byte, changed, open bool) {
	out, changed, open = r.once(dst, line, hit)
	if !changed {
		return out, false, open
	}
	begin := len(dst)
	for range maxRounds - 1 {
		end := len(out)
		both, more, _ := r.once(out, out[begin:], hit)
		if !more {
			break
		}
		out = append(both[:begin], both[end:]...)
	}
	return cut(out, begin, limit), true, open
}

// once appends line to dst with the secrets replaced that one search finds.
func (r *Redactor) once(dst, line []byte, hit func(rule int)) (out []byte, changed, open bool) {
	at, mask := r.scanner.next(line, 0, 0)
	if at >= len(line) {
		return line, false, false
	}
	var few [16]span
	found := r.scanner.spans(line, at, mask, few[:0])
	if len(found) == 0 {
		return line, false, false
	}
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	done, j := 0, newJSONLine(line)
	for len(found) > 0 {
		sp := found[0]
		for found = found[1:]; len(found) > 0 && (found[0].from < sp.to || found[0].from == sp.from); found = found[1:] {
			sp.to = max(sp.to, found[0].to)
			sp.rule = min(sp.rule, found[0].rule)
			sp.open = sp.open || found[0].open
		}
		open = open || sp.open
		sp, number := j.within(whole(line, sp))
		if sp.from >= sp.to {
			continue
		}
		dst = append(dst, line[done:sp.from]...)
		dst = appendMark(dst, sp.rule, number)
		done, changed = sp.to, true
		if hit != nil {
			hit(int(sp.rule))
		}
	}
	if !changed {
		return line, false, open
	}
	return append(dst, line[done:]...), true, open
}

// whole returns a span without parts of escaped characters at its ends.
func whole(line []byte, sp span) span {
	if backslashes(line, sp.from)%2 == 1 && sp.from < sp.to && bytes.IndexByte([]byte(`"\/bfnrtu`), line[sp.from]) >= 0 {
		if line[sp.from] == 'u' && sp.to-sp.from >= 5 {
			sp.from += 4
		}
		sp.from++
	}
	if sp.to < len(line) && sp.to > sp.from && backslashes(line[sp.from:], sp.to-sp.from)%2 == 1 {
		sp.to--
	}
	return sp
}

// appendMark appends the replacement of a secret. For a JSON number the replacement is a string.
func appendMark(dst []byte, r rule, number bool) []byte {
	if number {
		dst = append(dst, '"')
	}
	dst = append(dst, "<redacted:"...)
	dst = append(dst, rules[r].Name...)
	dst = append(dst, '>')
	if number {
		dst = append(dst, '"')
	}
	return dst
}

// cutMark ends a line that was cut, as in package tail.
const cutMark = "…[cut]"

// cut returns dst with the part after begin cut to limit bytes, at a character boundary.
func cut(dst []byte, begin, limit int) []byte {
	if len(dst)-begin <= limit {
		return dst
	}
	mark := cutMark
	if limit < len(mark) {
		mark = ""
	}
	n := begin + max(limit-len(mark), 0)
	for n > begin && !utf8.RuneStart(dst[n]) {
		n--
	}
	return append(dst[:n], mark...)
}

// Lines redacts successive lines, such as those of a file: a private key may span several lines. It is not
// safe for concurrent use.
type Lines struct {
	r      *Redactor
	limit  int
	key    key
	within bool // the line is inside a key
	buffer []byte
}

// Lines returns a Lines. It cuts changed lines that are longer than limit bytes.
func (r *Redactor) Lines(limit int) *Lines { return &Lines{r: r, limit: limit} }

// Next returns the next line with its secrets replaced. The result is valid until the next call. Next does
// not change line.
func (l *Lines) Next(line []byte) []byte {
	if l.within {
		sp, ok := l.key.take(line)
		l.within = l.key.lines > 0
		if ok {
			l.buffer = replaced(l.buffer[:0], line, sp, l.limit)
			return l.buffer
		}
	}
	out, changed, open := l.r.redact(l.buffer[:0], line, l.limit, nil)
	if changed {
		l.buffer = out
	}
	if open {
		l.within, l.key = true, key{}
	}
	return out
}

// replaced appends line to dst with one secret replaced.
func replaced(dst, line []byte, sp span, limit int) []byte {
	begin := len(dst)
	dst = appendMark(append(dst, line[:sp.from]...), sp.rule, false)
	return cut(append(dst, line[sp.to:]...), begin, limit)
}
