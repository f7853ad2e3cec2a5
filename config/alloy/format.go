package alloy

import (
	"bytes"
	"fmt"

	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/printer"
)

// Format returns the text of an Alloy file as Alloy's own formatter prints it. name is what errors call the
// file; they are those of the parser, with their places.
func Format(name string, text []byte) ([]byte, error) {
	switch {
	case len(text) > maxSource:
		return nil, fmt.Errorf("the file has %d bytes; %d are the most", len(text), maxSource)
	case depth(text) > maxDepth:
		return nil, fmt.Errorf("brackets are nested more than %d deep", maxDepth)
	}
	f, err := parser.ParseFile(name, text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, f); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
