package level

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// detect returns the detected_level that Loki 3.7 computes for a line without structured metadata, in a
// stream without a label that names a level, and the actual value of the level field of a logfmt line.
// Later versions of Loki also find words in single quotes and after bars; that alone is no reason to send a
// level.
func detect(line []byte) (loki, field Level) {
	if isJSON(line) {
		var o object
		o.read(line)
		return o.detected(line), Unknown
	}
	return detectText(line)
}

// detectText is detect for a line that Loki does not take for JSON. Loki takes any line with an equals sign
// for logfmt.
func detectText(line []byte) (loki, field Level) {
	if bytes.IndexByte(line, '=') >= 0 {
		l, is := logfmtLevel(line)
		if is&byLoki != 0 {
			return l, l
		}
		field = l
	}
	return words(line), field
}

// isJSON reports whether Loki takes a line for JSON, because its first and last characters are braces. Loki
// examines the end byte by byte, and so takes a part of a letter for a space.
func isJSON(line []byte) bool {
	for i := 0; ; {
		if i == len(line) {
			return false
		}
		r, size := rune(line[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(line[i:])
		}
		if r == '{' {
			break
		}
		if !unicode.IsSpace(r) {
			return false
		}
		i += size
	}
	i := len(line) - 1
	for unicode.IsSpace(rune(line[i])) {
		i--
	}
	return line[i] == '}'
}

// wordMarks says for each byte which words it may belong to. The search examines three bytes at once: the
// one before a word, and the first two of the word. Each word has a bit.
type wordMarks struct {
	before, first, second [256]uint8
	behind                [256]bool
}

const anyWord = 0x7f // all bits

var marks = func() (m wordMarks) {
	for _, c := range []byte(" \t\n[({\"=") {
		m.before[c], m.behind[c] = anyWord, true
	}
	for _, c := range []byte("]):},!") {
		m.behind[c] = true
	}
	for i, start := range []string{"tr", "de", "fa", "cr", "er", "wa", "in"} {
		for _, bit := range []byte{0, 0x20} {
			m.first[start[0]&^0x20|bit] |= 1 << i
			m.second[start[1]&^0x20|bit] |= 1 << i
		}
	}
	// Loki takes an I with a dot for an i.
	m.first["İ"[0]] |= 1 << 6
	m.second["İ"[1]] |= 1 << 6
	return m
}()

// words returns the level of the first separate word that names one.
func words(line []byte) Level {
	if len(line) < 2 {
		return Unknown
	}
	before, before1, first1 := uint8(anyWord), marks.before[line[0]], marks.first[line[0]]
	i := 1
	for ; i+4 <= len(line); i += 4 { // nearly always no word begins in these four, which one branch determines
		four := line[i : i+4 : i+4]
		a, b, c, d := four[0], four[1], four[2], four[3]
		if before&first1&marks.second[a]|before1&marks.first[a]&marks.second[b]|marks.before[a]&marks.first[b]&marks.second[c]|marks.before[b]&marks.first[c]&marks.second[d] != 0 {
			if l := wordIn(line, i-1, i+3); l != Unknown {
				return l
			}
		}
		before, before1, first1 = marks.before[c], marks.before[d], marks.first[d]
	}
	return wordIn(line, i-1, len(line)-1)
}

// wordIn returns the level of the first level word that begins between two indexes of a line.
func wordIn(line []byte, i, end int) Level {
	for ; i < end; i++ {
		if marks.first[line[i]]&marks.second[line[i+1]] == 0 || i > 0 && marks.before[line[i-1]] == 0 {
			continue
		}
		if l := wordAt(line[i:]); l != Unknown {
			return l
		}
	}
	return Unknown
}

// wordAt returns the level that the first word of line names.
func wordAt(line []byte) Level {
	switch line[0] | 0x20 {
	case 't':
		if isWord(line, "trace") {
			return Trace
		}
	case 'd':
		if isWord(line, "debug") {
			return Debug
		}
	case 'f':
		if isWord(line, "fatal") {
			return Fatal
		}
	case 'c':
		if isWord(line, "critical") {
			return Critical
		}
	case 'e':
		if isWord(line, "error") || isWord(line, "err") {
			return Error
		}
	case 'w':
		if isWord(line, "warn") || isWord(line, "warning") {
			return Warn
		}
	default:
		if isWord(line, "info") {
			return Info
		}
	}
	return Unknown
}

// isWord reports whether a line begins with a separate word. Case does not matter. An I with a dot counts
// as an i, because Loki lower-cases it to one.
func isWord(line []byte, word string) bool {
	i := 0
	for w := range len(word) {
		switch {
		case i >= len(line):
			return false
		case line[i]|0x20 == word[w]:
			i++
		case word[w] == 'i' && bytes.HasPrefix(line[i:], []byte("İ")):
			i += len("İ")
		default:
			return false
		}
	}
	return i == len(line) || marks.behind[line[i]]
}
