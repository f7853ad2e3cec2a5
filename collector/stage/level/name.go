package level

import "bytes"

// class says in which positions a word names a level.
type class uint8

const (
	byLoki  class = 1 << iota // as the value of a field that Loki knows
	inText                    // at the beginning of a line of text, before the message
	inField                   // as the value of a level field
)

// maxName is the length of the longest name of a level.
const maxName = 13

// named returns the level of a name, if the name is valid in all of the given classes.
func named(name []byte, in class) Level {
	if l, is := classify(name); is&in == in {
		return l
	}
	return Unknown
}

// classify returns the level of a name, in upper or lower case, and the classes in which the name is valid.
func classify(name []byte) (Level, class) {
	if len(name) == 0 || len(name) > maxName {
		return Unknown, 0
	}
	var memory [maxName]byte
	lower := memory[:len(name)]
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	if l, is := lookup(lower); is != 0 {
		return l, is
	}
	// Go's slog writes levels between its own as "INFO+2".
	if base := bytes.IndexAny(lower, "+-"); base > 2 && isDigits(lower[base+1:]) {
		if l, is := lookup(lower[:base]); is != 0 {
			return l, inField
		}
	}
	return Unknown, 0
}

// lookup returns the level of a lower-case name, and the classes in which the name is valid.
func lookup(name []byte) (Level, class) {
	switch string(name) {
	case "trace", "trc":
		return Trace, byLoki | inText | inField
	case "trac", "trce", "vrb", "finer", "finest":
		return Trace, inText | inField
	case "silly", "10":
		return Trace, inField
	case "debug", "dbg":
		return Debug, byLoki | inText | inField
	case "debg", "debu", "dbug", "verbose", "fine", "debug1", "debug2", "debug3", "debug4", "debug5":
		return Debug, inText | inField
	case "20":
		return Debug, inField
	case "info", "inf", "information":
		return Info, byLoki | inText | inField
	case "notice", "informational", "success", "log":
		return Info, inText | inField
	case "note", "ntc", "default", "http", "30":
		return Info, inField
	case "warn", "wrn", "warning":
		return Warn, byLoki | inText | inField
	case "40":
		return Warn, inField
	case "error", "err":
		return Error, byLoki | inText | inField
	case "severe", "eror", "erro":
		return Error, inText | inField
	case "fail", "50":
		return Error, inField
	case "critical":
		return Critical, byLoki | inText | inField
	case "crit", "alert", "dpanic":
		return Critical, inText | inField
	case "fatal":
		return Fatal, byLoki | inText | inField
	case "fata", "ftl", "pani", "panic", "pnc", "emerg", "emergency":
		return Fatal, inText | inField
	case "60":
		return Fatal, inField
	}
	return Unknown, 0
}

// letter returns the level that a capital letter stands for in formats that write single letters.
func letter(c byte) Level {
	switch c {
	case 'T', 'V':
		return Trace
	case 'D':
		return Debug
	case 'I', 'N':
		return Info
	case 'W':
		return Warn
	case 'E':
		return Error
	case 'C':
		return Critical
	case 'F':
		return Fatal
	}
	return Unknown
}

// severity returns the level of a syslog severity, from 0 to 7.
func severity(n int) Level {
	switch n {
	case 0:
		return Fatal
	case 1, 2:
		return Critical
	case 3:
		return Error
	case 4:
		return Warn
	case 5, 6:
		return Info
	case 7:
		return Debug
	}
	return Unknown
}
