package multiline

import "bytes"

// frames implements next for Java, Node.js and .NET:
//
//	java.lang.IllegalStateException: boom
//		at com.example.App.main(App.java:7)
//	Caused by: java.io.IOException: no
//		... 1 more
//
// A line that names an error somewhere else than at its beginning, such as at the end of what a logger
// writes, begins a trace if a frame follows immediately. If a line begins with the error's name, more lines
// of the error's message may precede the first frame.
func (p phase) frames(line []byte) (phase, relation) {
	body, blanks := unindent(line)
	switch p {
	case nodeFile, nodeCode, nodeCaret:
		return p.nodeHead(line)
	case tail:
		switch {
		case blanks > 0 && len(body) > 0:
			return tail, joins
		case hasPrefix(line, "}"):
			return framed, joins
		}
		return none, ends
	case thread:
		if isTraceback(line) {
			return pyFrames, joins
		}
		if hasAny(line, "future: ", "handle: ") { // from Python's asyncio
			return thread, joins
		}
		p = titled
	case named, titled, framed, framedGap:
	default: // declared is never asked, and nothing follows done
		return none, ends
	}
	if q, v := frameLine(body, blanks); v == joins {
		if p == framedGap && q == framed && isFrame(body) {
			return none, ends
		}
		return q, joins
	}
	switch {
	case p == named || p == titled:
		if q, v := otherFrame(line); v == joins {
			return q, joins
		}
		if p == named {
			return none, ends
		}
		if hasPrefix(line, "Node.js v") {
			return done, joins
		}
		if isMessage(line) {
			return titled, mayJoin
		}
	case p == framed && len(body) == 0:
		return framedGap, mayJoin
	case p == framedGap && hasPrefix(line, "Node.js v"):
		return done, joins
	}
	return none, ends
}

// frameLine decides whether a line is a frame, or another line that only a trace has.
func frameLine(body []byte, blanks int) (phase, relation) {
	switch {
	case blanks > 0 && isFrame(body):
		return orTail(body, framed), joins
	case hasPrefix(body, "... ") && digits(body[4:]) > 0:
		return framed, joins
	case hasAny(body, "Caused by: ", "Suppressed: ", "Wrapped by: "):
		return titled, joins
	case hasPrefix(body, "---> "):
		return titled, joins
	case hasPrefix(body, "--- End of "):
		return framed, joins
	case blanks > 0 && hasPrefix(body, "[CIRCULAR REFERENCE"):
		return framed, joins
	case blanks == 0 && (hasPrefix(body, "(Use `node ") || hasPrefix(body, "Emitted 'error' event ")):
		return framed, joins
	}
	return none, ends
}

// otherFrame decides whether a line begins the frames of a runtime that names errors as others do.
func otherFrame(line []byte) (phase, relation) {
	switch {
	case hasPrefix(line, "Stack trace:"), hasPrefix(line, "[stacktrace]"):
		return phpFrames, joins
	case isRubyFrame(line):
		return rubyBare, joins
	case string(line) == "Caused by:":
		return rustCauses, joins
	}
	return none, ends
}

// nodeHead recognises what Node.js prints before a fatal error:
//
//	/app/main.js:10
//	  throw new Error("boom");
//	  ^
//
//	Error: boom
//	    at main (/app/main.js:10:9)
func (p phase) nodeHead(line []byte) (phase, relation) {
	blank := isBlank(line)
	switch {
	case p == nodeFile && !blank && isCode(line):
		return nodeCode, mayJoin
	case p == nodeCode && isCaret(line):
		return nodeCaret, joins
	case p == nodeCaret && blank:
		return nodeCaret, mayJoin
	case p == nodeCaret:
		return orTail(line, titled), joins
	}
	return none, ends
}

// isCode reports whether a line may be a line of code that an error shows.
func isCode(line []byte) bool {
	return !isTitle(line) && !isTraceback(line) && !isRubyHead(line)
}

// orTail returns tail if the line ends with the brace that opens an error's properties, and p otherwise.
func orTail(line []byte, p phase) phase {
	if line[len(line)-1] == '{' {
		return tail
	}
	return p
}

// isFrame reports whether what follows the blanks of a line is a frame: "at " and something other than
// prose.
func isFrame(body []byte) bool {
	return hasPrefix(body, "at ") && bytes.ContainsAny(body[3:], "(:<")
}

// isNodeFile reports whether a line is the name of a JavaScript file and a line number. The caller has
// checked that the last byte is a digit.
func isNodeFile(line []byte) bool {
	i := len(line)
	for i > 0 && isDigit(line[i-1]) {
		i--
	}
	if i < 2 || line[i-1] != ':' {
		return false
	}
	name := line[:i-1]
	switch name[0] {
	case '/', 'f', 'n', 'C':
		return hasAny(line, "/", "file://", "node:", `C:\`) &&
			(hasPrefix(line, "node:") || hasSuffix(name, "js") || hasSuffix(name, ".ts") || hasSuffix(name, ".jsx") || hasSuffix(name, ".tsx"))
	case 'u', '[', 'e', '<':
		return string(name) == "undefined" || string(name) == "[eval]" || hasPrefix(name, "evalmachine.<anonymous>") || hasPrefix(name, "<anonymous_script>")
	}
	return false
}

// isTitle reports whether a line begins with the name of an error and has at most a message after it.
func isTitle(line []byte) bool {
	switch {
	case len(line) == 0:
		return false
	case line[0] == 'U':
		for _, s := range []string{"Unhandled exception. ", "Unhandled Exception: ", "Uncaught "} {
			if hasPrefix(line, s) {
				line = line[len(s):]
				break
			}
		}
	case line[0] == 'C' && hasPrefix(line, "Caused by: "), line[0] == 'S' && hasPrefix(line, "Suppressed: "):
		return true
	}
	n, dots, last := 0, 0, 0
	for n < len(line) {
		c := line[n]
		if c == '.' || c == '$' {
			dots, last = dots+1, n+1
		} else if !isName(c) && c != '`' && c != '+' {
			break
		}
		n++
	}
	name, rest := line[:n], line[n:]
	switch {
	case len(rest) == 0, len(rest) == 1 && rest[0] == ':':
		// A name without a message must be unmistakable.
		return dots > 0 && endsAsError(name)
	case hasPrefix(rest, ": "), hasPrefix(rest, " ["):
		if endsAsError(name) || string(name) == "Trace" {
			return true
		}
		return dots > 1 && last < n && name[last] >= 'A' && name[last] <= 'Z' && !isDigit(name[0])
	}
	return false
}

// endsAsError reports whether a name ends like that of an error.
func endsAsError(name []byte) bool {
	return hasSuffix(name, "Error") || hasSuffix(name, "Exception") || hasSuffix(name, "Throwable")
}

// searched is the length of the beginning of a line that is searched for the name of an error.
const searched = 2 << 10

// namesError reports whether a line names an error somewhere.
func namesError(line []byte) bool {
	line = line[:min(len(line), searched)]
	for {
		i := bytes.IndexByte(line, 'E')
		if i < 0 || len(line)-i < len("Error") {
			return false
		}
		line = line[i+1:]
		switch line[0] {
		case 'r':
			if hasPrefix(line, "rror") {
				return true
			}
		case 'x':
			if hasPrefix(line, "xception") {
				return true
			}
		}
	}
}
