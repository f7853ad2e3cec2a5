package level

import (
	"bytes"
	"strings"
)

// escape begins a terminal colour: "\x1b[31m".
const escape = '\x1b'

// maxHeader and maxWords limit a header, in bytes and in words.
const (
	maxHeader = 256
	maxWords  = 12
)

// header reads the words before a line's message, such as the time, the thread and the logger.
type header struct {
	line     []byte
	i        int
	dated    bool // a date or a time has been read
	timed    bool // the last word was one
	coloured bool // the word is preceded by a colour
	dashed   bool // the word is preceded by a dash
}

// ofHeader returns the level in the header of a line:
//
//	2026-11-25T12:34:56.789Z  WARN 1 --- [main] c.e.Application : message
//	2026/11/25 12:34:56 [crit] 12#12: *3 message
//	2026-11-25 12:34:56,789 - app.db - ERROR - message
//	2026-11-25 12:34:56.789 UTC [61] LOG:  message
//	[Wed Nov 25 12:34:56.789 2026] [core:error] [pid 1] message
//	[12:34:56 INF] message
//
// The header ends at the first word that no header contains.
func ofHeader(line []byte) Level {
	h := header{line: line[:min(len(line), maxHeader)]}
	for range maxWords {
		h.separators()
		if h.i == len(h.line) {
			break
		}
		l, ok := h.word()
		if l != Unknown {
			return l
		}
		if !ok {
			break
		}
	}
	if h.dated {
		return h.postgres()
	}
	return Unknown
}

// separators skips what separates words.
func (h *header) separators() {
	h.coloured, h.dashed = false, false
	for h.i < len(h.line) {
		switch c := h.line[h.i]; c {
		case ' ', '\t', '|':
			h.i++
		case '-':
			h.dashed = true
			h.i++
		case escape:
			end := h.i + 1
			for end < len(h.line) && h.line[end] != 'm' && !isUpper(h.line[end]) {
				end++
			}
			if end == len(h.line) {
				h.i = end
				return
			}
			h.i = end + 1
			h.coloured = true
		default:
			return
		}
	}
}

// word reads a word and returns its level, if it names one. Otherwise it reports whether the header may
// continue.
func (h *header) word() (Level, bool) {
	timed := h.timed
	h.timed = false
	switch c := h.line[h.i]; {
	case c == '[' || c == '(' || c == '<' || c == '{':
		return h.bracket(c)
	case '0' <= c && c <= '9':
		return Unknown, h.number()
	case isLetter(c) || c == '_':
		return h.letters(timed)
	}
	return Unknown, false
}

// number reads a date, a time, or a plain number such as a process ID.
func (h *header) number() bool {
	start, plain := h.i, true
	for ; h.i < len(h.line); h.i++ {
		switch c := h.line[h.i]; {
		case '0' <= c && c <= '9':
			continue
		case c == '-' || c == ':' || c == '/' || c == '.' || c == ',' || c == '+' || isLetter(c):
			plain = false
			continue
		}
		break
	}
	word := h.line[start:h.i]
	if isTime(word) || isDate(word) {
		h.dated, h.timed = true, true
		return true
	}
	return plain && start > 0
}

// isDate reports whether a word begins with a date.
func isDate(word []byte) bool {
	for _, form := range []string{"0000-00-00", "0000/00/00", "0000.00.00", "00/00/0000", "00-Aaa-0000", "00/Aaa/0000", "00-00-0000"} {
		if fits(word, form) {
			return true
		}
	}
	return false
}

// isTime reports whether a word contains a time such as 12:34 or 9:05PM, and is not an address.
func isTime(word []byte) bool {
	colon := bytes.IndexByte(word, ':')
	if colon < 1 || !fits(word[colon:], ":00") {
		return false
	}
	if len(word) > colon+3 && '0' <= word[colon+3] && word[colon+3] <= '9' {
		return false
	}
	hours := word[:colon]
	for len(hours) > 0 && '0' <= hours[len(hours)-1] && hours[len(hours)-1] <= '9' {
		hours = hours[:len(hours)-1]
	}
	switch colon - len(hours) {
	case 1, 2:
		return len(hours) == 0 || hours[len(hours)-1] == 'T'
	}
	return false
}

// letters reads a word of letters. timed reports that a date or a time precedes it.
func (h *header) letters(timed bool) (Level, bool) {
	start := h.i
	upper := true
	for h.i < len(h.line) && isLetter(h.line[h.i]) {
		upper = upper && isUpper(h.line[h.i])
		h.i++
	}
	word, rest := h.line[start:h.i], h.line[h.i:]
	if len(word) == 5 && upper && len(rest) > 0 && '1' <= rest[0] && rest[0] <= '5' && string(word) == "DEBUG" {
		rest = rest[1:] // of Postgres
	}
	if l := h.name(word, rest, upper); l != Unknown {
		return l, true
	}
	if !h.dated {
		return Unknown, h.coloured // such as a program's name
	}
	if string(word) == "PHP" {
		return phpLevel(h.line[start:]), false
	}
	if len(word) == 1 && upper && len(rest) > 1 {
		// Telegraf writes "E! message", MongoDB before 4.4 "E NETWORK  [conn1] message".
		if rest[0] == '!' && rest[1] == ' ' || fits(rest, " AA") || bytes.HasPrefix(rest, []byte(" -  ")) {
			return letter(word[0]), true
		}
	}
	if upper && timed && len(word) <= 5 && (len(rest) == 0 || rest[0] == ' ' || rest[0] == ',') {
		h.timed = true
		return Unknown, true // a time zone, or PM
	}
	// A logger's name between dashes, or a location in Go code before a level in brackets.
	for h.i < len(h.line) && h.line[h.i] > ' ' {
		h.i++
	}
	after := h.line[h.i:]
	return Unknown, h.dashed && bytes.HasPrefix(after, []byte(" - ")) ||
		len(after) > 3 && after[1] == '[' && after[3] == ']' && bytes.Contains(h.line[start:h.i], []byte(".go:"))
}

// name returns the level that a word names, unless the word may also be the first one of the message.
func (h *header) name(word, rest []byte, upper bool) Level {
	in := inText
	switch {
	case !ends(rest):
		return Unknown
	case h.coloured, h.dated && upper:
	case h.dated && len(rest) > 0 && rest[0] == ':':
		in |= byLoki // uncertain for any other name: "alert: message"
	default:
		return Unknown
	}
	l := named(word, in)
	if l == Unknown && h.coloured {
		l = dotnetLevel(word)
	}
	return l
}

// ends reports whether a word may end before rest.
func ends(rest []byte) bool {
	if len(rest) == 0 {
		return true
	}
	switch rest[0] {
	case ' ', '\t', ':', '[', ']', '(', '|', ',', escape:
		return true
	}
	return false
}

// bracket reads a word in brackets: a level, the time with or without a level, or something else.
func (h *header) bracket(open byte) (Level, bool) {
	end := bytes.IndexByte(h.line[h.i:], "])>}"[strings.IndexByte("[(<{", open)])
	if end < 0 {
		return Unknown, false
	}
	inner := bytes.TrimSpace(uncoloured(h.line[h.i+1 : h.i+end]))
	h.i += end + 1
	if h.i < len(h.line) && h.line[h.i] == ':' {
		h.i++ // "[Server thread/INFO]: message"
	}
	if len(inner) == 0 {
		return Unknown, h.dated
	}
	if open == '[' && !h.dated && (isUpper(inner[0]) || named(inner, byLoki) != Unknown) {
		if l := named(inner, inText); l != Unknown {
			return l, true
		}
	}
	if l, ok := h.clock(inner); ok || l != Unknown {
		return l, ok
	}
	if !h.dated {
		// NestJS writes its name and a process ID before the time; NATS writes only the process ID.
		return Unknown, string(inner) == "Nest" || isDigits(inner)
	}
	if len(inner) == 1 {
		return letter(inner[0]), true
	}
	if l := named(inner, inText); l != Unknown {
		return l, true
	}
	switch string(inner) {
	case "Note", "System": // of MySQL and MariaDB
		return Info, true
	}
	// Apache writes "[core:error]", Minecraft "[Server thread/INFO]".
	if cut := bytes.LastIndexAny(inner, ":/"); cut > 0 {
		return named(inner[cut+1:], inText), true
	}
	return Unknown, true
}

// clock reads a bracket that contains the time, and maybe a level. ok is false if it contains no time.
func (h *header) clock(inner []byte) (Level, bool) {
	first := inner[0]
	rest := inner
	if len(inner) > 3 && inner[1] == ' ' {
		rest = inner[2:] // Tornado and Jupyter write "[E 2026-11-25 12:34:56.789 app]"
	}
	found := false
	for len(rest) > 0 {
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte(" "))
		word = bytes.TrimSuffix(word, []byte(":"))
		if len(word) == 0 {
			continue
		}
		if !found {
			found = isTime(word) || isDate(word) && bytes.IndexByte(word, ':') > 0
			if !found && !isDate(word) && !isDigits(word) && !isLetter(word[0]) {
				return Unknown, false
			}
			continue
		}
		// "[2026-11-25 12:34:56,789: ERROR/MainProcess]" is Celery's.
		word, _, _ = bytes.Cut(word, []byte("/"))
		if l := named(word, inText); l != Unknown && isUpper(word[0]) && isUpper(word[len(word)-1]) {
			return l, true
		}
	}
	if !found {
		return Unknown, false
	}
	h.dated, h.timed = true, true
	if len(inner) > 3 && inner[1] == ' ' && '0' <= inner[2] && inner[2] <= '9' && isUpper(first) {
		return letter(first), true
	}
	return Unknown, true
}

// uncoloured returns a word in a bracket without the colours around it.
func uncoloured(word []byte) []byte {
	if len(word) == 0 || word[0] != escape {
		return word
	}
	if end := bytes.IndexByte(word, 'm'); end > 0 {
		word = word[end+1:]
	}
	if end := bytes.IndexByte(word, escape); end >= 0 {
		word = word[:end]
	}
	return word
}

// postgres searches for a Postgres level after a header of any form, because Postgres lets users configure
// it.
func (h *header) postgres() Level {
	colon := bytes.Index(h.line, []byte(":  "))
	if colon < 0 {
		return Unknown
	}
	start := colon
	for start > 0 && (isUpper(h.line[start-1]) || '0' <= h.line[start-1] && h.line[start-1] <= '9') {
		start--
	}
	if start == 0 || isLetter(h.line[start-1]) {
		return Unknown
	}
	return ofPostgres(h.line[start:colon])
}
