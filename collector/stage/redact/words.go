package redact

import "bytes"

// secret reports whether a value is a secret, and not a placeholder, a word of a message or a piece of
// code.
func (v value) secret(line []byte, n name, f form) bool {
	text := line[v.from:v.to]
	if v.quoted {
		text = bytes.TrimSpace(text)
	}
	if len(text) == 0 || n.strength == weak && !random(text) || placeholder(text) {
		return false
	}
	if number(text) {
		return n.strength == sure && len(text) >= 4 && f != colon || n.strength == sure && f == colon && v.quoted && len(text) >= 4
	}
	if v.quoted {
		if message(text, n.strength != sure) {
			return false
		}
	} else {
		if code(text, f) {
			return false
		}
		if isMessageWord(bytes.TrimRight(text, ".,:;!")) {
			return false
		}
	}
	switch n.strength {
	case sure:
		if f == colon && !v.quoted {
			if letters(text) {
				return v.whole && (n.begin == 0 || blank(line[:n.begin]))
			}
			return len(text) >= 4
		}
		return true
	case strong:
		if f == colon && !v.quoted && letters(text) {
			return false
		}
		return len(text) >= 6
	}
	if f == colon && !v.quoted {
		return len(text) >= 16 && !namelike(text)
	}
	return len(text) >= 8 && (n.rule == password || !namelike(text))
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '-' {
			return false
		}
	}
	return true
}

// placeholder reports whether a value refers to another value or has already been removed.
func placeholder(text []byte) bool {
	first, last := text[0], text[len(text)-1]
	switch {
	case first == '<' && (last == '>' || bytes.HasPrefix(text, []byte("<redacted:")) || cutOff(text)):
		return true
	case first == '(' && last == ')':
		return true
	case first == '[' || first == '{': // a list or an object
		return true
	case first == '$' && len(text) > 1 && (text[1] == '{' || text[1] == '(' || isLetter(text[1]) && identifier(text[1:]) || decimal[text[1]] && len(text) < 4):
		return true
	case first == '%' && len(text) > 1 && (len(text) <= 3 && isLetter(text[1]) || text[1] == '(' || text[1] == '{' || text[1] == '[' || last == '%' && identifier(text[1:len(text)-1])):
		return true
	case (first == ':' || first == '@') && identifier(text[1:]) && len(text) > 1 && !random(text):
		return true
	case len(text) == 1 && (first == '?' || first == '%' || first == '$'):
		return true
	case bytes.HasPrefix(text, []byte("#{")) || bytes.HasPrefix(text, []byte("\\u003c")) || bytes.HasPrefix(text, []byte("\\u003C")) || bytes.HasPrefix(text, []byte("&lt;")):
		return true
	}
	masked, same := true, 0
	for _, c := range text {
		switch c {
		case '*', '.', '-', '#', '_', ' ', '=', '+', ',':
		case 0xe2, 0x80, 0xa2, 0xa6, 0x97, 0x8f: // bullets and the ellipsis
		default:
			masked = false
		}
		if c|0x20 == 'x' || c == '*' {
			same++
		}
	}
	if masked || same == len(text) && len(text) >= 3 {
		return true
	}
	for _, word := range [...]string{"redacted", "filtered", "masked", "hidden", "placeholder", "your_", "your-", "yourpass", "****"} {
		if containsFold(text, word) {
			return true
		}
	}
	return false
}

// cutOff reports whether a text is the beginning of a replacement, followed by the mark of a cut line.
func cutOff(text []byte) bool {
	head, ok := bytes.CutSuffix(text, []byte(cutMark))
	return ok && bytes.HasPrefix([]byte("<redacted:"), head)
}

func containsFold(b []byte, s string) bool {
	for i := 0; i+len(s) <= len(b); i++ {
		if b[i]|0x20 == s[0]|0x20 && hasPrefixFold(b[i:], s) {
			return true
		}
	}
	return false
}

// identifier reports whether a text is an identifier of a program.
func identifier(text []byte) bool {
	for _, c := range text {
		if !wordy[c] && c != '.' {
			return false
		}
	}
	return true
}

func letters(text []byte) bool {
	for _, c := range text {
		if !isLetter(c) && c != '.' && c != ',' && c != '\'' && c != '!' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func number(text []byte) bool {
	for i, c := range text {
		if !decimal[c] && c != '.' && (c != '-' || i > 0) {
			return false
		}
	}
	return true
}

// namelike reports whether a text consists of words and short numbers, like the names of things:
// my-app-token-2, SELECT, IdentifierName, Users/list.
func namelike(text []byte) bool {
	changes, digits := 0, 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if decimal[c] {
			if digits++; digits > 4 {
				return false
			}
			if i > 0 && isLetter(text[i-1]) {
				changes++
			}
			continue
		}
		digits = 0
		if isLetter(c) && i > 0 && decimal[text[i-1]] {
			changes++
		}
		if c&0x20 == 0 && isLetter(c) && i > 0 && isLetter(text[i-1]) && text[i-1]&0x20 != 0 {
			changes++ // camelCase
		}
	}
	return changes*5 <= len(text) && changes <= 3
}

// code reports whether a bare value is a piece of code that computes the value.
func code(text []byte, f form) bool {
	for i, c := range text {
		if (c == '(' || c == '[' && f == colon) && identifier(text[:i]) {
			return true
		}
	}
	for _, p := range [...]string{"self.", "this.", "process.env", "os.", "env.", "config.", "req.", "request.", "user.", "cfg.", "opts.", "options.", "args.", "params.", "settings.", "secrets.", "vars.", "var.", "local.", "data.", "ENV[", "getenv"} {
		if bytes.HasPrefix(text, []byte(p)) {
			return true
		}
	}
	return false
}

// message reports whether a quoted text is a word or a sentence of a message rather than a secret.
func message(text []byte, any bool) bool {
	i := bytes.IndexByte(text, ' ')
	if i < 0 {
		return isMessageWord(bytes.TrimRight(text, ".,:;!?"))
	}
	if isMessageWord(bytes.Trim(text[:i], ".,:;!?'")) {
		return true
	}
	if any { // random text contains no blanks
		return true
	}
	for word := range bytes.FieldsSeq(text) {
		if isVerb(word) {
			return true
		}
	}
	return false
}

// isVerb reports whether a word makes a text a sentence.
func isVerb(word []byte) bool {
	switch string(bytes.ToLower(word)) {
	case "is", "are", "was", "must", "should", "cannot", "can't", "has", "does", "doesn't", "did", "isn't", "may", "be", "not", "required", "invalid", "incorrect":
		return true
	}
	return false
}

// isMessageWord reports whether a word follows names in messages, types and settings.
func isMessageWord(word []byte) bool {
	if len(word) == 0 {
		return true
	}
	if len(word) > 24 {
		return false
	}
	var lower [24]byte
	for i, c := range word {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(word)]) {
	case "null", "nil", "none", "true", "false", "undefined", "yes", "no", "on", "off", "empty", "unset", "set", "default", "n/a", "na", "nan", "unknown",
		"required", "optional", "expired", "invalid", "valid", "missing", "incorrect", "correct", "wrong", "bad", "ok", "okay", "failed", "failure", "success", "successful", "mismatch", "mismatched",
		"unauthorized", "forbidden", "denied", "rejected", "accepted", "allowed", "refused", "revoked", "disabled", "enabled", "changed", "updated", "created", "deleted", "removed", "reset", "sent", "saved", "found", "error", "blank",
		"unexpected", "malformed", "present", "absent", "provided", "generated", "used", "exists", "matches", "match", "verified", "verification", "authentication", "authorization", "refreshed", "refreshing", "rotated", "rotating", "loaded", "loading", "not", "is", "must", "should", "cannot", "can't", "can", "could", "has", "does", "doesn't", "did", "was", "will", "may", "the", "a", "an", "for", "from", "of", "in", "to", "and", "or", "with", "this", "that", "too", "please", "your", "you", "we", "use", "using", "enter", "field", "value", "values", "only", "at", "least",
		"string", "str", "text", "bool", "boolean", "int", "integer", "number", "object", "array", "varchar", "bytes", "byte", "[]byte", "char", "any", "optional[str]", "string!", "type", "secret", "token", "bearer", "basic", "identifier", "eof", "password", "plain", "hash", "bcrypt", "md5", "sha256", "scram-sha-256", "trust", "peer", "hidden", "removed]", "encrypted", "unchanged", "short", "long", "weak", "strong", "again", "check", "checked", "policy", "login", "change", "file", "env", "vault", "input", "new", "old", "same", "different", "already", "never", "always", "today", "soon", "user", "admin access", "unsupported", "unavailable", "timeout", "pending", "active", "inactive", "locked", "length", "size", "got", "want", "expected":
		return true
	}
	return false
}
