package multiline

import "bytes"

// golang implements next for Go:
//
//	panic: boom
//
//	goroutine 1 [running]:
//	main.main()
//		/app/main.go:4 +0x25
//	exit status 2
func (p phase) golang(line []byte) (phase, relation) {
	if len(line) == 0 {
		switch p {
		case goHead:
			return goHead, mayJoin
		case goFrame, goGap, goRegs:
			return goGap, mayJoin
		}
		return none, ends
	}
	if line[0] == '\t' {
		switch p {
		case goHead:
			return goHead, joins
		case goFrame, goFunc:
			return goFrame, joins
		}
		return none, ends
	}
	if p == goFunc {
		return none, ends
	}
	switch {
	case isGoroutine(line), hasPrefix(line, "runtime stack:"):
		return goFrame, joins
	case hasPrefix(line, "exit status "):
		return done, joins
	}
	switch p {
	case goHead:
		if hasAny(line, "panic: ", "fatal error: ", "[signal ", "[recovered", "runtime: ", "PC=", "goroutine ") {
			return goHead, joins
		}
	case goFrame:
		switch {
		case isGoFunc(line):
			return goFunc, mayJoin
		case hasPrefix(line, "...") && hasSuffix(line, "elided..."), hasPrefix(line, "[originating from goroutine "):
			return goFrame, joins
		}
	case goGap:
		switch {
		case isRegister(line):
			return goRegs, joins
		case string(line) == "-----":
			return goGap, mayJoin
		}
	case goRegs:
		if isRegister(line) {
			return goRegs, joins
		}
	}
	return none, ends
}

// beginGo is begin for the first lines of a Go crash.
func beginGo(line []byte) phase {
	switch {
	case hasAny(line, "panic: ", "fatal error: ", "runtime: goroutine stack exceeds ", "unexpected fault address ", "SIGQUIT: quit", "SIGABRT: abort"):
		return goHead
	case isGoroutine(line):
		return goFrame
	case hasPrefix(line, "created by ") && isGoFunc(line):
		return goFunc
	}
	return none
}

// isGoroutine reports whether a line is the header of a goroutine's frames.
func isGoroutine(line []byte) bool {
	const head = "goroutine "
	return hasPrefix(line, head) && digits(line[len(head):]) > 0 && hasSuffix(line, "]:")
}

// isGoFunc reports whether a line is the first line of a frame: "main.(*T).Run(0xc000010000)".
func isGoFunc(line []byte) bool {
	if rest, ok := bytes.CutPrefix(line, []byte("created by ")); ok {
		name, _, _ := bytes.Cut(rest, []byte(" in goroutine "))
		return bytes.IndexByte(name, '.') > 0 && bytes.IndexByte(name, ' ') < 0
	}
	if line[len(line)-1] != ')' {
		return false
	}
	dot := false
	for i, c := range line {
		switch {
		case isName(c), c == '/', c == '-', c == '[', c == ']', c == '%', c == '~', c >= 0x80:
		case c == '.':
			dot = true
		case c == '(':
			return dot || string(line[:i]) == "panic"
		default:
			return false
		}
	}
	return false
}

// isGoFile reports whether what follows the tab of a line is the location of a frame.
func isGoFile(body []byte) bool {
	i := bytes.Index(body, []byte(".go:"))
	return i > 0 && digits(body[i+len(".go:"):]) > 0
}

// isRegister reports whether a line is the name of a register and its content.
func isRegister(line []byte) bool {
	i := bytes.IndexByte(line, ' ')
	if i < 1 || i > 8 {
		return false
	}
	for _, c := range line[:i] {
		if !isName(c) {
			return false
		}
	}
	value := bytes.TrimLeft(line[i:], " ")
	return hasPrefix(value, "0x") && bytes.IndexByte(value, ' ') < 0
}
