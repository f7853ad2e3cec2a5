package multiline

import (
	"bytes"
)

// relation is how a line relates to the lines before it.
type relation uint8

const (
	ends    relation = iota // it does not belong to them, and neither does any later line
	joins                   // it belongs to them, and so do the unsure lines before it
	mayJoin                 // it belongs to them only if a later line does
)

// maxUnsure is how many successive lines may be unsure. It limits the length of an error message between
// the error's name and its first frame.
const maxUnsure = 20

// phase describes the last line, and with it what may follow. A line that cannot follow ends the trace.
//
// The first line of a trace need not be certain: it passes alone if no line follows that confirms it. An
// unsure line is never one that may begin a trace, so that no trace is missed when the line turns out not
// to belong to the one before it.
type phase uint8

const (
	none     phase = iota
	declared       // in an entry that Config.FirstLine began
	done           // the last line that the trace can have

	// Java, Node.js and .NET, whose frames look alike: frames.go.
	named     // contains the name of an error
	titled    // begins with the name of an error, whose message may have more lines
	thread    // "Exception in thread …", from Java or Python
	framed    // a frame
	framedGap // a blank line after a frame
	tail      // inside the braces in which Node.js prints an error's properties
	nodeFile  // "/app/x.js:10"
	nodeCode  // the code of that line
	nodeCaret // the caret below it

	pyFrames // python.go
	pyGroup  // in an exception group
	pyDone   // the error
	pyGap    // a blank line after the error
	pyLink   // announces another error

	goHead  // the panic's message: golang.go
	goFrame // a goroutine's header, or the second line of a frame
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

	rustHead   // the first line of a panic whose message is the next line: rust.go
	rustText   // the message
	rustFrames // in a backtrace
	rustCauses // in the causes of an error
	rustGap    // a blank line after them

	exHead   // "… terminating": elixir.go
	exTitle  // "** (Name) …"
	exFrames // what follows it
)

// next decides whether line continues the trace.
func (p phase) next(line []byte) (phase, relation) {
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

// begin returns the phase of a trace that may begin with line, or none. It is called for every line outside
// a trace, and therefore examines the first and the last bytes of a line before it searches the rest.
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
	if line[0] == '[' { // Node.js prints an error without a stack so
		return orTail(line, named)
	}
	return named
}

// beginIndented is begin for a line that begins with a blank. The rest of a trace is joined, too, if its
// beginning was not recognised or came long before.
func beginIndented(line []byte) phase {
	body := bytes.TrimLeft(line, " \t")
	if len(body) < 4 {
		return none
	}
	switch body[0] {
	case 'a', '.', '-', '[', 'C', 'S', 'W':
		if p, rel := frameLine(body, len(line)-len(body)); rel == joins {
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

// beginByStart is begin for traces that the first bytes of a line indicate.
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

// beginByEnd is begin for traces that the last byte of a line indicates.
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

// structured reports whether a line is JSON or logfmt. Such a line is an entry of its own, whatever is
// around it.
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
		// Indented text may be code, or the properties of an error.
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
	return isLogfmt(line) && !hasPrefix(line, "PC=0x") // part of a Go crash
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

// hasAny reports whether line begins with any of starts.
func hasAny(line []byte, starts ...string) bool {
	for _, s := range starts {
		if hasPrefix(line, s) {
			return true
		}
	}
	return false
}

// unindent returns a line without its leading blanks, and their number.
func unindent(line []byte) (body []byte, blanks int) {
	body = bytes.TrimLeft(line, " \t")
	return body, len(line) - len(body)
}

// isBlank reports whether a line consists of white space only.
func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

// isMessage reports whether a line may be part of an error's message. A line that may begin a trace is not.
func isMessage(line []byte) bool { return begin(line) == none }

// digits returns the number of digits that a line begins with.
func digits(line []byte) int {
	n := 0
	for n < len(line) && isDigit(line[n]) {
		n++
	}
	return n
}

// isCaret reports whether a line marks a position in the line of code before it.
func isCaret(line []byte) bool {
	body := bytes.TrimSpace(line)
	return len(body) > 0 && len(bytes.Trim(body, "^~")) == 0
}
