package alloy

import "github.com/grafana/alloy/syntax/token"

// NewWarning returns a warning about a part of a file. source is the file's text, and hint says what to write
// instead.
func NewWarning(start, end token.Position, source []byte, message, hint string) Diagnostic {
	return newDiagnostic(Warning, span{start, end}, source, hint, message)
}

// Sort orders diagnostics by their files and places, and removes duplicates.
func (ds Diagnostics) Sort() Diagnostics { return ds.sorted() }
