package alloy

import (
	"bytes"

	"github.com/grafana/alloy/syntax/printer"
)

// Format returns the text of an Alloy file as Alloy's own formatter prints it. Errors are Diagnostics that call
// the file name.
func Format(name string, text []byte) ([]byte, error) {
	f, wrong := parseSource(name, bytes.TrimPrefix(text, byteOrderMark))
	if wrong != nil {
		return nil, wrong
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, f); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
