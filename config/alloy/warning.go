package alloy

import "github.com/grafana/alloy/syntax/token"

// NewWarning returns a warning about a part of a file. source is the file's text, and hint says what to write
// instead.
func NewWarning(start, end token.Position, source []byte, message, hint string) Diagnostic {
	return Diagnostic{
		Severity: Warning, File: start.Filename,
		Line: start.Line, Col: start.Column, EndLine: end.Line, EndCol: end.Column,
		Message: message, Hint: hint, source: source,
	}
}

// Sort orders diagnostics by their files and places, and leaves out repetitions.
func (ds Diagnostics) Sort() Diagnostics { return ds.sorted() }
