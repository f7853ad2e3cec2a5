package drop

import "bytes"

// isTrouble reports whether some word of text indicates a problem, or the end of one: "WARN", "slow
// request", "upstream failed", "timed out", "is healthy again".
func isTrouble(text []byte) bool {
	for len(text) > 0 {
		if !isLetter(text[0]) {
			text = text[1:]
			continue
		}
		n := 1
		for n < len(text) && isLetter(text[n]) {
			n++
		}
		if isTroubleWord(text[:n]) {
			return true
		}
		text = text[n:]
	}
	return false
}

// isTroubleWord reports whether a word, in any case, begins like one that indicates a problem.
func isTroubleWord(word []byte) bool {
	var lower [12]byte
	n := copy(lower[:], word)
	for i := range lower[:n] {
		lower[i] |= 0x20
	}
	w := lower[:n]
	switch string(w) {
	case "err", "down", "not", "no", "never", "cannot", "but", "again", "back", "became", "still", "lost", "oom", "dead", "long", "longer", "late":
		return true
	}
	for _, p := range [...]string{
		"warn", "error", "fail", "slow", "timeout", "timed", "refus", "except", "panic", "fatal", "crit", "severe",
		"unhealth", "unavail", "unreach", "retr", "recover", "alert", "emerg", "degrad", "broken", "reject", "denied",
		"abort", "unexpect", "invalid", "exceed", "deadline", "threshold", "wrong", "trouble", "problem", "leak", "restart",
		"stall", "stuck", "hang", "hung", "block", "delay",
	} {
		if bytes.HasPrefix(w, []byte(p)) {
			return true
		}
	}
	return false
}

// prose returns the number of words of prose in text outside quotation marks. There are few around the
// request in an access log, because numbers, times, addresses, logger names and levels do not count. A word
// that indicates a problem counts as very many.
func prose(text []byte) int {
	n := 0
	for {
		text = bytes.TrimLeft(text, " \t")
		if len(text) == 0 {
			return n
		}
		if text[0] == '"' {
			_, text = cutQuoted(text)
			continue
		}
		end := bytes.IndexAny(text, " \t\"")
		if end < 0 {
			end = len(text)
		}
		word := text[:end]
		text = text[end:]
		if isTrouble(word) {
			return veryMany
		}
		if !isPlainWord(word) {
			n++
		}
	}
}

const veryMany = 1 << 20

// cutQuoted returns the text between the quotation marks that text begins with, still escaped, and what
// follows them. Without a closing mark it returns the rest of text.
func cutQuoted(text []byte) (quoted, rest []byte) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[1:i], text[i+1:]
		}
	}
	return text[1:], nil
}

// isPlainWord reports whether a word is not prose.
func isPlainWord(word []byte) bool {
	word = bytes.Trim(word, "[](){}<>|,;:\"'-=")
	letters := 0
	for _, c := range word {
		switch {
		case isLetter(c):
			letters++
		case isDigit(c):
			// klog's error lines begin with the level and the day: E1126.
			return !(len(word) == 5 && digits(word[1:]) == 4 && (word[0] == 'E' || word[0] == 'W' || word[0] == 'F'))
		case c == '.', c == ':', c == '/', c == '_', c == '@', c == '%':
			return true // a logger or a host
		}
	}
	if letters == 0 {
		return true
	}
	switch string(word) {
	case "INFO", "Info", "info", "INF", "inf", "DEBUG", "Debug", "debug", "DBG", "dbg", "TRACE", "trace", "NOTICE", "notice", "LOG", "I", "D",
		"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
		"UTC", "GMT", "Z", "AM", "PM", "CET", "CEST",
		"HTTP", "http", "https", "access", "localhost", "GIN", "uvicorn", "gunicorn", "nginx", "apache", "httpd", "haproxy", "traefik", "envoy", "caddy", "werkzeug",
		"ms", "s", "us", "µs", "ns", "m", "b", "B", "bytes", "kb", "KB", "kB", "in", "OK", "stdout", "F", "main", "server", "web", "request", "Request", "finished":
		return true
	}
	return false
}

// cutWord returns the first word of text, up to a space, and what follows it.
func cutWord(text []byte) (word, rest []byte) {
	text = bytes.TrimLeft(text, " \t")
	i := bytes.IndexAny(text, " \t")
	if i < 0 {
		return text, nil
	}
	return text[:i], text[i+1:]
}
