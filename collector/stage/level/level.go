// Package level tells the level of log lines: what Loki itself would detect, and what it really is where
// Loki's answer is wrong or unknown.
//
// Loki 3 gives each entry the structured metadata detected_level, which it computes from the line unless
// the entry brings its own. Nothing need be sent where its answer is right. Of says when it is not. Nothing
// in this package allocates for a line or keeps it, and all of it is safe for concurrent use.
package level

// FieldName is the structured metadata that Loki keeps the level in.
const FieldName = "detected_level"

// Level is how grave a line is. A graver level is larger.
type Level uint8

// The levels that Loki knows.
const (
	Unknown Level = iota
	Trace
	Debug
	Info
	Warn
	Error
	Critical
	Fatal
)

// Levels is the number of levels: each of them is smaller.
const Levels = int(Fatal) + 1

// String returns the level's name as Loki has it.
func (l Level) String() string {
	switch l {
	case Trace:
		return "trace"
	case Debug:
		return "debug"
	case Info:
		return "info"
	case Warn:
		return "warn"
	case Error:
		return "error"
	case Critical:
		return "critical"
	case Fatal:
		return "fatal"
	}
	return "unknown"
}

// Of returns the level of a line: what Better says, and else what Loki detects. It reports whether the level
// must be sent, because Loki would find another one.
func Of(line []byte) (l Level, send bool) {
	if begins(line) {
		o := object{full: true}
		o.read(line)
		own, closed := o.level(), isJSON(line)
		var loki Level
		if closed {
			loki = o.detected(line)
		} else {
			loki, _ = detectText(line)
		}
		if own == Unknown {
			own = loki
		}
		return own, own != loki
	}
	own := ofText(line)
	loki, field := detect(line)
	if own == Unknown {
		own = field
	}
	if own == Unknown {
		own = loki
	}
	return own, own != loki
}

// Better returns the level of a line in a format that is known to tell it, whether or not Loki finds the
// same. It is false for all other lines: what Loki detects is as good as any guess then.
func Better(line []byte) (Level, bool) {
	var own Level
	if begins(line) {
		o := object{full: true}
		o.read(line)
		own = o.level()
	} else if own = ofText(line); own == Unknown {
		_, own = detect(line)
	}
	return own, own != Unknown
}
