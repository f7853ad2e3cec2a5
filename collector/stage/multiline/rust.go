package multiline

import "bytes"

// rust implements next for Rust:
//
//	thread 'main' panicked at src/main.rs:2:5:
//	boom
//	stack backtrace:
//	   0: rust_begin_unwind
//	             at /rustc/9fc6b431/library/std/src/panicking.rs:697:5
//	note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
//
// It also recognises the causes of an error that main returns, as the crate anyhow prints them.
func (p phase) rust(line []byte) (phase, relation) {
	body, blanks := unindent(line)
	switch p {
	case rustHead:
		if len(body) > 0 {
			return rustText, joins
		}
	case rustText:
		switch {
		case hasPrefix(line, "note: "), hasPrefix(line, "fatal runtime error: "):
			return done, joins
		case hasPrefix(line, "stack backtrace:"):
			return rustFrames, joins
		case hasAny(line, "  left: ", " right: "):
			return rustText, joins
		case len(body) > 0 && isMessage(line):
			return rustText, mayJoin
		}
	case rustFrames:
		switch {
		case blanks > 0 && (hasPrefix(body, "at ") || isRustFrame(body)):
			return rustFrames, joins
		case hasPrefix(line, "note: "):
			return done, joins
		}
	case rustCauses:
		switch {
		case len(body) == 0:
			return rustGap, mayJoin
		case blanks > 0:
			return rustCauses, joins
		}
	case rustGap:
		switch {
		case hasPrefix(line, "Stack backtrace:"):
			return rustFrames, joins
		case string(line) == "Location:":
			return rustCauses, joins
		}
	}
	return none, ends
}

// beginRust is begin for the first line of a panic.
func beginRust(line []byte) phase {
	switch {
	case !hasPrefix(line, "thread '"):
		return none
	case bytes.Contains(line, []byte(" panicked at ")):
		if line[len(line)-1] == ':' {
			return rustHead
		}
		return rustText
	case hasSuffix(line, "has overflowed its stack"):
		return rustText
	}
	return none
}

// isRustFrame reports whether what follows the blanks of a line is the number of a frame.
func isRustFrame(body []byte) bool {
	n := digits(body)
	return n > 0 && n < len(body) && body[n] == ':'
}
