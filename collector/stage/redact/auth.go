package redact

import "fmt"

// findAuthorization finds the credentials of an Authorization header, with or without a scheme before them.
// The schemes Basic and Bearer have anchors of their own.
func findAuthorization(line []byte, at int, a *anchor) (span, bool) {
	i, form := separator(line, name{end: at + len(a.text)})
	if form == noForm {
		return span{}, false
	}
	size, _ := quote(line, i)
	i += size
	end, _ := run(line, i, alnumDash)
	next := skipBlanks(line, end)
	if next == end { // no scheme
		sp, ok := credentials(line, i, 16)
		return sp, ok && !namelike(line[sp.from:sp.to])
	}
	if scheme := line[i:end]; equalFold(scheme, "basic") || equalFold(scheme, "bearer") {
		return span{}, false
	}
	return credentials(line, next, 12)
}

// Field is Redact for the value of a named field, as in structured metadata.
func (r *Redactor) Field(dst []byte, name string, value []byte, limit int, hit func(rule int)) (out []byte, changed bool) {
	if out, changed = r.Redact(dst, value, limit, hit); changed || len(value) == 0 {
		return out, changed
	}
	rule, ok := r.secretField(name, value)
	if !ok {
		return value, false
	}
	dst, begin := appendMark(dst, rule, false), len(dst)
	if hit != nil {
		hit(int(rule))
	}
	return cut(dst, begin, limit), true
}

// secretField reports whether the field's name makes the value a secret.
func (r *Redactor) secretField(name string, value []byte) (rule, bool) {
	var buffer [64]byte // stays on the stack, because this runs for each field
	text := append(append(buffer[:0], name...), '=')
	if at, _ := r.scanner.next(text, 0, 0); at >= len(text) {
		return 0, false
	}
	return r.secretPair(name, value)
}

// secretPair reports whether the whole value in name="value" is a secret.
func (r *Redactor) secretPair(name string, value []byte) (rule, bool) {
	text := fmt.Appendf(nil, `%s="%s"`, name, value)
	at, mask := r.scanner.next(text, 0, 0)
	for _, sp := range r.scanner.spans(text, at, mask, nil) {
		if sp.from == len(name)+2 && sp.to == len(text)-1 {
			return sp.rule, true
		}
	}
	return 0, false
}
