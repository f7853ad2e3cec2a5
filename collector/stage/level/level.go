// Package level determines the level of log lines: the level that Loki would detect, and the actual level
// where Loki's is wrong or unknown.
//
// Loki 3 gives each entry the structured metadata detected_level, which it computes from the line unless
// the entry brings its own. Where Loki's result is right, nothing need be sent; Of reports when it is not.
// Nothing in this package allocates for a line or keeps it, and everything is safe for concurrent use.
package level

// FieldName is the structured metadata in which Loki keeps the level.
const FieldName = "detected_level"

// Level is the severity of a line. A more severe level is larger.
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

// String returns Loki's name of the level.
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

// Of returns the level of a line: the one that it contains if it is in a known format with a level, or
// otherwise the one that Loki detects. send reports whether the level must be sent because Loki would find
// another one.
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
