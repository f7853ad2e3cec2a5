package multiline

import "bytes"

// php implements next for PHP:
//
//	PHP Fatal error:  Uncaught Exception: boom in /app/main.php:3
//	Stack trace:
//	#0 {main}
//
//	Next RuntimeException: worse in /app/main.php:5
//	Stack trace:
//	#0 {main}
//	  thrown in /app/main.php on line 5
func (p phase) php(line []byte) (phase, relation) {
	switch p {
	case phpHead:
		switch {
		case hasAny(line, "Stack trace:", "PHP Stack trace:"):
			return phpFrames, joins
		case len(line) > 0 && isMessage(line):
			return phpHead, mayJoin
		}
	case phpFrames:
		switch {
		case len(line) == 0:
			return phpGap, mayJoin
		case line[0] == '#' && digits(line[1:]) > 0:
			return phpFrames, joins
		case hasPrefix(line, "PHP "):
			if n, blanks := unindent(line[len("PHP "):]); blanks > 0 && digits(n) > 0 { // Xdebug prints frames so
				return phpFrames, joins
			}
		case hasPrefix(line, "  thrown in "), hasPrefix(line, `"}`):
			return done, joins
		}
	case phpGap:
		if hasPrefix(line, "Next ") {
			return phpHead, joins
		}
	}
	return none, ends
}

// beginPHP is begin for the first line of an uncaught exception, including what PHP's log writes before it.
func beginPHP(line []byte) phase {
	switch line[0] {
	case '[':
		if i := bytes.Index(line[:min(len(line), 64)], []byte("] PHP ")); i > 0 {
			line = line[i+len("] "):]
		}
	case 'N':
		line = bytes.TrimPrefix(line, []byte("NOTICE: PHP message: "))
	}
	line = bytes.TrimPrefix(line, []byte("PHP "))
	if hasPrefix(line, "Fatal error: ") && hasPrefix(bytes.TrimLeft(line[len("Fatal error: "):], " "), "Uncaught ") {
		return phpHead
	}
	return none
}
