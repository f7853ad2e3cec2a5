package multiline

// python implements next for Python:
//
//	Traceback (most recent call last):
//	  File "/app/main.py", line 3, in <module>
//	    main()
//	ValueError: boom
//
//	During handling of the above exception, another exception occurred:
//
//	Traceback (most recent call last):
func (p phase) python(line []byte) (phase, relation) {
	body, blanks := unindent(line)
	switch p {
	case pyFrames:
		switch {
		case blanks > 0:
			return pyFrames, joins
		case isPythonError(line):
			return pyDone, joins
		case isRubyHead(line): // a trace of Ruby before 3.0 begins like Python's
			return rubyFrom, joins
		}
	case pyGroup:
		switch {
		case hasPrefix(body, "+ Exception Group Traceback"): // of another exception
		case blanks > 0 && len(body) > 0 && (body[0] == '|' || body[0] == '+'):
			return pyGroup, joins
		case len(body) == 0:
			return pyGap, mayJoin
		}
	case pyDone:
		switch {
		case len(body) == 0:
			return pyGap, mayJoin
		case line[0] == '\t', hasAny(line, "[SQL: ", "[parameters: ", "(Background on this error at: "):
			return pyDone, joins
		case isMessage(line): // of an error that caused another one
			return pyDone, mayJoin
		}
	case pyGap:
		switch {
		case len(body) == 0:
			return pyGap, mayJoin
		case hasAny(line, "The above exception was the direct cause", "During handling of the above exception"):
			return pyLink, joins
		case hasPrefix(line, "(Background on this error at: "):
			return pyDone, joins
		}
	case pyLink:
		switch {
		case len(body) == 0:
			return pyLink, mayJoin
		case hasPrefix(body, "+ Exception Group Traceback"):
			return pyGroup, joins
		case isTraceback(line):
			return pyFrames, joins
		}
	}
	return none, ends
}

// isTraceback reports whether a line is the first line of a Python trace.
func isTraceback(line []byte) bool { return hasSuffix(line, "Traceback (most recent call last):") }

// beginThread is begin for what Python and Java print before the trace of an error in a thread.
func beginThread(line []byte) phase {
	if hasAny(line, "Exception in thread ", "Exception in callback ", "Exception ignored in", "Task exception was never retrieved", "Future exception was never retrieved") {
		return thread
	}
	return none
}

// isPythonError reports whether a line is the name of a class, alone or before a message.
func isPythonError(line []byte) bool {
	n := 0
	for n < len(line) && (isName(line[n]) || line[n] == '.' || line[n] >= 0x80) {
		n++
	}
	return n > 0 && !isDigit(line[0]) && (n == len(line) || line[n] == ':' && (n+1 == len(line) || line[n+1] == ' '))
}
