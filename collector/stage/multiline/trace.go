package multiline

import (
	"bytes"
)

// verdict tells whether a line belongs to the lines before it.
type verdict uint8

const (
	ends    verdict = iota // it does not, and no later line does
	joins                  // it does, and so do the unsure lines before it
	mayJoin                // it does if a later line does
)

// maxUnsure is how many lines one after the other may be unsure. It is the longest message of an error
// that is found between its name and its first frame.
const maxUnsure = 20

// phase is what the last line was, and with it what may follow. A line that never begins a trace, and that
// does not go on with one either, is the end of it.
//
// The first line of a trace need not be one of a trace: it passes alone if nothing follows that shows it
// to be one. An unsure line is never one that a trace may begin with, so that nothing is missed when it
// turns out not to belong to the trace before it.
type phase uint8

const (
	none     phase = iota
	declared       // in an entry of Config.FirstLine
	done           // the last line that the trace may have

	// Java, Node.js and .NET, whose frames look alike: frames.go.
	named     // names an error somewhere
	titled    // begins with the name of an error, so that it may have a message of more lines
	thread    // "Exception in thread …", of Java or of Python
	framed    // a frame
	framedGap // a blank line after a frame
	tail      // in the braces in which Node.js prints an error's properties
	nodeFile  // "/app/x.js:10"
	nodeCode  // the code of that line
	nodeCaret // what points at the place in it

	pyFrames // python.go
	pyGroup  // in an exception group
	pyDone   // the error
	pyGap    // a blank line after it
	pyLink   // what says that another error follows

	goHead  // the panic's message: golang.go
	goFrame // a goroutine's head, or the second line of a frame
	goFunc  // the first line of a frame
	goGap   // a blank line between goroutines
	goRegs  // a line of a register dump

	rubyHead // the error: ruby.go
	rubyCode // a blank line, or code, after it
	rubyFrom // "from …"
	rubyBare // a frame without "from"

	phpHead // php.go
	phpFrames
	phpGap // a blank line after the frames

	rustHead   // the head of a panic whose message is the next line: rust.go
	rustText   // the message
	rustFrames // in a backtrace
	rustCauses // in the causes of an error
	rustGap    // a blank line after them

	exHead   // "… terminating": elixir.go
	exTitle  // "** (Name) …"
	exFrames // what follows it
)

// next tells whether line goes on with the trace.
func (p phase) next(line []byte) (phase, verdict) {
	switch {
	case p < pyFrames:
		return p.frames(line)
	case p < goHead:
		return p.python(line)
	case p < rubyHead:
		return p.golang(line)
	case p < phpHead:
		return p.ruby(line)
	case p < rustHead:
		return p.php(line)
	case p < exHead:
		return p.rust(line)
	}
	return p.elixir(line)
}

// begin returns the phase of a trace that may begin with line; none if none may. It is called for every
// line that is in no trace, and therefore looks at the first and the last bytes of a line before it
// searches it for anything.
func begin(line []byte) phase {
	if len(line) < 4 {
		return none
	}
	switch line[0] {
	case '{':
		return none
	case ' ', '\t':
		return beginIndented(line)
	case '[':
		if structured(line) {
			return none
		}
	}
	if p := beginByStart(line); p != none {
		return p
	}
	if p := beginByEnd(line); p != none {
		return p
	}
	if isTitle(line) {
		return orTail(line, titled)
	}
	if !namesError(line) || isLogfmt(line) {
		return none
	}
	if line[0] == '[' { // as Node.js prints an error without a stack
		return orTail(line, named)
	}
	return named
}

// beginIndented is begin for a line that begins with a blank: the rest of a trace whose beginning was not
// known, or came long before, is one entry too.
func beginIndented(line []byte) phase {
	body := bytes.TrimLeft(line, " \t")
	if len(body) < 4 {
		return none
	}
	switch body[0] {
	case 'a', '.', '-', '[', 'C', 'S', 'W':
		if p, v := frameLine(body, len(line)-len(body)); v == joins {
			return p
		}
	case 'F':
		if hasPrefix(body, `File "`) {
			return pyFrames
		}
	case '+':
		if hasPrefix(body, "+ Exception Group Traceback") {
			return pyGroup
		}
	case 'f':
		if line[0] == '\t' && hasPrefix(body, "from ") && isRubyFrame(body[len("from "):]) {
			return rubyFrom
		}
	case '/':
		if line[0] == '\t' && isGoFile(body) {
			return goFrame
		}
	case 'T':
		if isTraceback(body) {
			return pyFrames
		}
	}
	if isTitle(body) {
		return titled
	}
	return none
}

// beginByStart is begin for what the first bytes of a line tell.
func beginByStart(line []byte) phase {
	switch line[0] {
	case 'p', 'f', 'g', 'r', 'u', 'S', 'c':
		return beginGo(line)
	case 't':
		return beginRust(line)
	case 'T', 'E':
		return beginThread(line)
	case 'P', 'F', '[', 'N':
		return beginPHP(line)
	case '*':
		if hasPrefix(line, "** (") {
			return exTitle
		}
	case '0', '1', '2':
		switch {
		case len(line) > 20 && line[4] == '/' && hasAny(line[20:], "panic: ", "http: panic serving "):
			return goHead
		case len(line) > 13 && line[2] == ':' && hasPrefix(line[12:], " [error] ** ("):
			return exTitle
		}
	case '-':
		if hasPrefix(line, "--- End of ") {
			return framed
		}
	case '#':
		if hasPrefix(line, "#0 ") {
			return phpFrames
		}
	}
	return none
}

// beginByEnd is begin for what the last byte of a line tells.
func beginByEnd(line []byte) phase {
	switch last := line[len(line)-1]; last {
	case ':':
		if isTraceback(line) {
			return pyFrames
		}
	case ')':
		if isRubyHead(line) {
			return rubyHead
		}
		if isGoFunc(line) {
			return goFunc
		}
	case '\'':
		if isRubyFrame(line) {
			return rubyBare
		}
	case 'g':
		if hasSuffix(line, " terminating") {
			return exHead
		}
	case 'n':
		if hasSuffix(line, " raised an exception") {
			return exHead
		}
	default:
		if last >= '0' && last <= '9' && isNodeFile(line) {
			return nodeFile
		}
	}
	return none
}

// structured reports whether a line is JSON or logfmt. Such a line is an entry, whatever is around it.
func structured(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	body := bytes.Trim(line, " \t\r")
	if len(body) < 2 {
		return false
	}
	last := body[len(body)-1]
	switch body[0] {
	case '{':
		if len(body) == len(line) {
			return last == '}'
		}
		// What is indented may be code, or the properties of an error.
		return last == '}' && (body[1] == '"' || body[1] == '}')
	case '[':
		if last != ']' {
			return false
		}
		next := bytes.TrimLeft(body[1:], " ")[0]
		if len(body) == len(line) {
			return next == '{' || next == '[' || next == '"' || next == ']' || next == '-' || next >= '0' && next <= '9'
		}
		return next == '{' || next == '"' || next == ']'
	}
	return isLogfmt(line) && !hasPrefix(line, "PC=0x") // which is of a crash of Go
}

// isLogfmt reports whether a line begins with a key and a value.
func isLogfmt(line []byte) bool {
	for i, c := range line {
		switch {
		case isName(c), c == '.', c == '-', c == '/', c == '@':
		case c == '=':
			return i > 0 && (i+1 == len(line) || line[i+1] != '=' && line[i+1] != ' ' && line[i+1] != '>')
		default:
			return false
		}
	}
	return false
}

// isName reports whether c is part of the name of a variable or a class.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func hasPrefix(line []byte, s string) bool {
	return len(line) >= len(s) && string(line[:len(s)]) == s
}

func hasSuffix(line []byte, s string) bool {
	return len(line) >= len(s) && string(line[len(line)-len(s):]) == s
}

// hasAny reports whether line begins with one of those.
func hasAny(line []byte, starts ...string) bool {
	for _, s := range starts {
		if hasPrefix(line, s) {
			return true
		}
	}
	return false
}

// unindent returns a line without the blanks that it begins with, and how many they are.
func unindent(line []byte) (body []byte, blanks int) {
	body = bytes.TrimLeft(line, " \t")
	return body, len(line) - len(body)
}

// isBlank reports whether there is nothing to see in a line.
func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

// isMessage reports whether a line may be one of an error's message. One that may begin a trace itself is
// none.
func isMessage(line []byte) bool { return begin(line) == none }

// digits returns how many digits a line begins with.
func digits(line []byte) int {
	n := 0
	for n < len(line) && isDigit(line[n]) {
		n++
	}
	return n
}

// isCaret reports whether a line is what points at a place in the line of code before it.
func isCaret(line []byte) bool {
	body := bytes.TrimSpace(line)
	return len(body) > 0 && len(bytes.Trim(body, "^~")) == 0
}
