package redact

import "bytes"

const (
	pemEnd  = "-----END"
	pemDash = "-----"

	maxPEMLabel = 64  // bytes after BEGIN
	maxSpoken   = 256 // bytes between a BEGIN and an END without a key between them
	maxKeyLines = 200 // of a key without an end; a key of 16,384 bits has 199
)

var (
	// pemBody holds the bytes of a key and of its headers, with escaped newlines.
	pemBody = union(base64Set, union(setOf(" \t\r\n\\:,.()@_%|"), setOf("-")))
	pemSkip = setOf(" \t\r\n\\|")
)

// findPrivateKey finds a private key from BEGIN to END. If the key continues in the next line (open), the
// span ends with the line; if the key is cut off, it ends there. at is the beginning of BEGIN.
func findPrivateKey(line []byte, at int, a *anchor) (span, bool) {
	label := at + len(a.text)
	n := bytes.Index(line[label:min(len(line), label+maxPEMLabel)], []byte(pemDash))
	if n < 0 || !bytes.Contains(line[label:label+n], []byte("PRIVATE KEY")) {
		return span{}, false
	}
	body := label + n + len(pemDash)
	first := body
	for first < len(line) {
		if hasPrefixFold(line[first:], "%0a") || hasPrefixFold(line[first:], "%0d") {
			first += 3
		} else if pemSkip[line[first]] || escapeLetter[line[first]] && line[first-1] == '\\' {
			first++
		} else {
			break
		}
	}
	if first == len(line) { // the key follows in the next lines
		return span{from: at, to: at, rule: privateKey, open: true}, true
	}
	_, chars := run(line, first, base64Set)
	if chars >= 16 || isKeyHeader(line[first:]) {
		end, ended := keyEnds(line, body)
		return span{from: at, to: end, rule: privateKey, open: !ended && end == len(line)}, true
	}
	if line[first] == '"' { // a list of strings
		end, ended := keyEnds(line, body)
		return span{from: at, to: end, rule: privateKey}, ended
	}
	end, ended := keyEnds(line[:min(len(line), body+maxSpoken)], body)
	return span{from: at, to: end, rule: privateKey}, ended // without an end, the line only mentions a key
}

// keyEnds returns the end of a key whose lines begin at line[i:], and whether the key has an END. The lines
// may be separate strings in one list.
func keyEnds(line []byte, i int) (end int, ended bool) {
	quotes := 0
	for ; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			if quotes++; quotes == 1 {
				end = i
			}
		case !pemBody[c]:
			if quotes > 0 {
				return end, false
			}
			return i, false
		case c == '-' && quotes%2 == 0 && bytes.HasPrefix(line[i:], []byte(pemEnd)):
			rest := line[i+len(pemEnd):]
			if n := bytes.Index(rest[:min(len(rest), maxPEMLabel)], []byte(pemDash)); n >= 0 {
				return i + len(pemEnd) + n + len(pemDash), true
			}
		}
	}
	if quotes > 0 {
		return end, false
	}
	return i, false
}

func isKeyHeader(line []byte) bool {
	for _, h := range [...]string{"Proc-Type:", "DEK-Info:", "Version:", "Comment:", "Charset:", "Hash:", "MessageID:"} {
		if bytes.HasPrefix(line, []byte(h)) {
			return true
		}
	}
	return false
}

// key is the state of a private key of which each line is a separate entry. The zero key means none.
type key struct {
	lines uint8 // since BEGIN
	last  bool  // a line was shorter than the key's other lines: only the end or a checksum may follow
}

// take returns the part of the key's next line to replace; ok is false if the line contains no secret. A
// line that does not belong to the key ends it.
func (k *key) take(line []byte) (sp span, ok bool) {
	text := bytes.TrimSpace(line)
	begin := 0
	if len(text) > 0 {
		begin = bytes.IndexByte(line, text[0])
	}
	k.lines++
	switch {
	case k.lines > maxKeyLines || bytes.HasPrefix(text, []byte(pemEnd)):
		*k = key{}
		return span{}, false
	case len(text) == 0 || isKeyHeader(text):
		return span{}, false
	}
	end, n := run(text, 0, base64Set)
	if end != len(text) || k.last && text[0] != '=' || k.lines == 1 && n < 16 {
		*k = key{}
		return span{}, false
	}
	k.last = n < 48
	return span{from: begin, to: begin + end, rule: privateKey}, true
}
