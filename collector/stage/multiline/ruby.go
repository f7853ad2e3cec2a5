package multiline

import "bytes"

// ruby implements next for Ruby:
//
//	main.rb:2:in 'Object#run': undefined local variable or method 'x' for main (NameError)
//
//	  x
//	  ^
//		from main.rb:5:in '<main>'
func (p phase) ruby(line []byte) (phase, relation) {
	if p == rubyBare {
		if isRubyFrame(line) {
			return rubyBare, joins
		}
		return none, ends
	}
	if hasPrefix(line, "\tfrom ") || hasPrefix(line, "\t ...") {
		return rubyFrom, joins
	}
	switch p {
	case rubyHead, rubyCode:
		switch {
		case hasPrefix(line, "Did you mean?"):
			return rubyHead, joins
		case p == rubyHead && isRubyFrame(line):
			return rubyBare, joins
		case isBlank(line):
			return rubyCode, mayJoin
		case p == rubyCode && isCaret(line):
			return rubyHead, joins
		case p == rubyCode && isCode(line):
			return rubyCode, mayJoin
		case p == rubyHead && isMessage(line):
			return rubyHead, mayJoin
		}
	case rubyFrom:
		if isRubyHead(line) { // the error's cause
			return rubyHead, joins
		}
	}
	return none, ends
}

// isRubyHead reports whether a line consists of a location, an error's message and its class.
func isRubyHead(line []byte) bool {
	rest := afterRubyPlace(line)
	return len(rest) > 0 && line[len(line)-1] == ')' && bytes.Contains(rest, []byte("': ")) && bytes.Contains(rest, []byte(" ("))
}

// isRubyFrame reports whether a line is a location, and nothing else.
func isRubyFrame(line []byte) bool {
	rest := afterRubyPlace(line)
	return len(rest) > 0 && bytes.IndexByte(rest, '\'') == len(rest)-1
}

// afterRubyPlace returns what follows "file.rb:12:in '" in a line, or nil if the line does not begin like
// that.
func afterRubyPlace(line []byte) []byte {
	i := bytes.Index(line, []byte(":in "))
	if i < 1 || !isDigit(line[i-1]) {
		return nil
	}
	rest := line[i+len(":in "):]
	if len(rest) < 2 || rest[0] != '\'' && rest[0] != '`' {
		return nil
	}
	return rest[1:]
}
