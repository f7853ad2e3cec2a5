package level

import "bytes"

// ofText returns the level of a text line in a known format that contains the level. The words of the
// message do not matter: a line of nginx is an error if its header says so.
func ofText(line []byte) Level {
	if len(line) < 5 {
		return Unknown
	}
	l := Unknown
	switch c := line[0]; {
	case c == '<':
		return ofPriority(line)
	case '0' <= c && c <= '9':
		if l = ofRedis(line); l == Unknown {
			l = ofHeader(line)
		}
	case 'A' <= c && c <= 'Z':
		if l = ofKlog(line); l == Unknown {
			l = ofFirstWord(line)
		}
	case c == '[' || c == escape:
		l = ofHeader(line)
	case line[4] == ':':
		l = ofDotnet(line)
	}
	if l == Unknown {
		l = ofAccess(line)
	}
	if l == Unknown {
		l = ofUncaught(line)
	}
	return l
}

// ofUncaught recognises the first line that a runtime prints for an uncaught error.
func ofUncaught(line []byte) Level {
	begin := ""
	switch line[0] {
	case 'T':
		begin = "Traceback (most recent call last):" // Python
	case 'E':
		begin = `Exception in thread "` // Java
	case 'U':
		begin = "Unhandled exception. " // .NET
	case 'p':
		begin = "panic: " // Go
	case 't':
		begin = "thread '" // Rust
	default:
		return Unknown
	}
	if !bytes.HasPrefix(line, []byte(begin)) {
		return Unknown
	}
	if line[0] == 't' && !bytes.Contains(line[:min(len(line), maxHeader)], []byte(" panicked at ")) {
		return Unknown
	}
	return Error
}

// ofPriority reads the number that syslog and systemd write first: <3>.
func ofPriority(line []byte) Level {
	end := bytes.IndexByte(line[:min(len(line), 5)], '>')
	if end < 2 {
		return Unknown
	}
	if n, ok := smallNumber(line[1:end]); ok && n < 192 {
		return severity(n % 8)
	}
	return Unknown
}

// ofKlog reads a line of klog or glog: "E1125 12:34:56.789012 …", or with a year, "E20261125 12:…".
func ofKlog(line []byte) Level {
	switch line[0] {
	case 'I', 'W', 'E', 'F':
	default:
		return Unknown
	}
	if fits(line[1:], "0000 00:00:00") || fits(line[1:], "00000000 00:00:00") {
		return letter(line[0])
	}
	return Unknown
}

// ofRedis reads a line of Redis or Valkey: "1:M 25 Nov 2026 12:34:56.789 # message".
func ofRedis(line []byte) Level {
	colon := bytes.IndexByte(line[:min(len(line), 9)], ':')
	if colon < 1 || colon+2 >= len(line) || !isDigits(line[:colon]) || line[colon+2] != ' ' {
		return Unknown
	}
	switch line[colon+1] {
	case 'M', 'S', 'C', 'X':
	default:
		return Unknown
	}
	rest := line[colon+3:]
	for _, form := range []string{"00 Aaa 0000 00:00:00.000 ", "00 Aaa 00:00:00.000 "} {
		if !fits(rest, form) || len(rest) < len(form)+2 || rest[len(form)+1] != ' ' {
			continue
		}
		switch rest[len(form)] {
		case '.', '-':
			return Debug
		case '*':
			return Info
		case '#':
			return max(Warn, words(rest[len(form):])) // Redis marks errors as warnings, too
		}
	}
	return Unknown
}

// ofFirstWord reads a line that begins with a level in capitals: "SEVERE: message", "ERROR:root:message",
// "CRIT [11-25|12:34:56.789] message", "ERRO[0012] message", or Ruby's "E, [2026-11-25T12:34:56.789012 #1]
// ERROR -- : message".
func ofFirstWord(line []byte) Level {
	if line[1] == ',' && line[2] == ' ' && line[3] == '[' {
		switch line[0] {
		case 'D', 'I', 'W', 'E', 'F':
			return letter(line[0])
		}
		return Unknown
	}
	end := 0
	for end < len(line) && isUpper(line[end]) {
		end++
	}
	if end < 3 || end+1 >= len(line) {
		return Unknown
	}
	l := named(line[:end], inText)
	if l == Unknown {
		if bytes.HasPrefix(line[end:], []byte(":  ")) {
			return ofPostgres(line[:end])
		}
		return phpLevel(line)
	}
	rest := line[end:]
	switch {
	case rest[0] == ':' && string(line[:end]) != "ALERT" && !bytes.HasPrefix(rest, []byte(": PHP message: ")):
		return l // a line that relays a PHP message has a level of its own
	case rest[0] == ' ' || rest[0] == '[':
		if rest = bytes.TrimLeft(rest, " "); fits(rest, "[00-00|00:00") || fits(rest, "[0000]") {
			return l
		}
	}
	return Unknown
}

// phpLevel reads what PHP writes if it has no log of its own: "PHP Warning:  message". Loki itself detects
// that a fatal error is fatal.
func phpLevel(line []byte) Level {
	rest, ok := bytes.CutPrefix(line, []byte("PHP "))
	if !ok {
		return Unknown
	}
	for _, kind := range []struct {
		name  string
		level Level
	}{{"Notice:", Info}, {"Deprecated:", Warn}, {"Warning:", Warn}, {"Parse error:", Error}} {
		if bytes.HasPrefix(rest, []byte(kind.name)) {
			return kind.level
		}
	}
	return Unknown
}

// ofPostgres returns the level of a word that Postgres writes before a colon and two spaces. Lines that
// belong to the message before them are not events of their own.
func ofPostgres(word []byte) Level {
	switch string(word) {
	case "LOG", "INFO", "NOTICE", "DETAIL", "HINT", "STATEMENT", "CONTEXT", "QUERY", "LOCATION":
		return Info
	case "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5":
		return Debug
	case "WARNING":
		return Warn
	case "ERROR":
		return Error
	case "FATAL", "PANIC":
		return Fatal
	}
	return Unknown
}

// ofDotnet reads the first line of an event from .NET's console logger: "fail: Category[0]".
func ofDotnet(line []byte) Level {
	rest := bytes.TrimRight(line, " \r")
	if len(rest) < 10 || rest[5] != ' ' || rest[len(rest)-1] != ']' {
		return Unknown
	}
	open := bytes.LastIndexByte(rest, '[')
	if open < 7 || !isDigits(bytes.TrimPrefix(rest[open+1:len(rest)-1], []byte("-"))) {
		return Unknown
	}
	return dotnetLevel(rest[:4])
}

func dotnetLevel(word []byte) Level {
	switch string(word) {
	case "trce":
		return Trace
	case "dbug":
		return Debug
	case "info":
		return Info
	case "warn":
		return Warn
	case "fail":
		return Error
	case "crit":
		return Critical
	}
	return Unknown
}

// ofAccess reads a line of an access log in the common or combined format, or in HAProxy's:
//
//	192.0.2.7 - - [25/Nov/2026:12:34:56 +0000] "GET / HTTP/1.1" 502 157
//	192.0.2.7:51034 [25/Nov/2026:12:34:56.789] web api/api1 0/0/1/12/13 502 157 …
//
// A status of 500 and above is an error, one of 400 and above a warning.
func ofAccess(line []byte) Level {
	open := bytes.IndexByte(line, '[')
	if open < 2 || line[open-1] != ' ' || !fits(line[open+1:], "00/Aaa/0000:00:00:00") {
		return Unknown
	}
	rest := line[open+1:]
	end := bytes.IndexByte(rest, ']')
	if end < 0 || end+2 >= len(rest) || rest[end+1] != ' ' {
		return Unknown
	}
	rest = rest[end+2:]
	if rest[0] == '"' {
		if end = stringEnd(rest, 1); end < 0 || end+1 == len(rest) || rest[end+1] != ' ' {
			return Unknown
		}
		return ofStatus(rest[end+2:])
	}
	for range 2 { // skip the frontend, and the backend and its server
		_, after, ok := bytes.Cut(rest, []byte(" "))
		if !ok {
			return Unknown
		}
		rest = after
	}
	timers, after, _ := bytes.Cut(rest, []byte(" "))
	if bytes.Count(timers, []byte("/")) != 4 {
		return Unknown
	}
	return ofStatus(after)
}

// ofStatus returns the level of the HTTP status at the beginning of line.
func ofStatus(line []byte) Level {
	if !fits(line, "000") || len(line) > 3 && line[3] != ' ' {
		return Unknown
	}
	switch c := line[0]; {
	case c == '5':
		return Error
	case c == '4':
		return Warn
	case '1' <= c && c <= '3':
		return Info
	}
	return Unknown
}

// fits reports whether a line begins with a form. In a form, 0 stands for any digit, A for a capital
// letter, a for a small letter, and any other character for itself.
func fits(line []byte, form string) bool {
	if len(line) < len(form) {
		return false
	}
	for i := range len(form) {
		c, ok := line[i], false
		switch form[i] {
		case '0':
			ok = '0' <= c && c <= '9'
		case 'A':
			ok = isUpper(c)
		case 'a':
			ok = 'a' <= c && c <= 'z'
		default:
			ok = c == form[i]
		}
		if !ok {
			return false
		}
	}
	return true
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigits(s []byte) bool {
	for _, c := range s {
		if c < '0' || '9' < c {
			return false
		}
	}
	return len(s) > 0
}
