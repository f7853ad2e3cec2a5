package alloy

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/token"
)

// Severity says whether a file with a Diagnostic can run.
type Severity int

const (
	// Warning means that the file runs, but perhaps not as its author expects.
	Warning Severity = iota
	// Error means that the file does not run.
	Error
)

func (s Severity) String() string {
	if s == Warning {
		return "Warning"
	}
	return "Error"
}

// Diagnostic is one error or warning about a file, with its place.
type Diagnostic struct {
	Severity Severity
	File     string
	Line     int // starts at 1; 0 if it is about the file as a whole
	Col      int // in bytes, starts at 1
	EndLine  int
	EndCol   int // of the last byte
	Message  string
	Hint     string // what to write instead; may be empty

	source []byte // of the file
}

// newDiagnostic returns a diagnostic about a part of a file. source is the file's text.
func newDiagnostic(severity Severity, at span, source []byte, hint, message string) Diagnostic {
	d := Diagnostic{
		Severity: severity,
		File:     at.start.Filename,
		Line:     at.start.Line,
		Col:      at.start.Column,
		EndLine:  at.end.Line,
		EndCol:   at.end.Column,
		Message:  message,
		Hint:     hint,
		source:   source,
	}
	if !at.end.Valid() {
		d.EndLine, d.EndCol = d.Line, d.Col
	}
	return d
}

// Error returns the place and the message.
func (d Diagnostic) Error() string {
	text := d.Message
	if d.Hint != "" {
		text += "; " + d.Hint
	}
	if d.Line == 0 {
		return d.File + ": " + text
	}
	return fmt.Sprintf("%s:%d:%d: %s", d.File, d.Line, d.Col, text)
}

// Diagnostics are all errors and warnings about a file, in the order of its lines.
type Diagnostics []Diagnostic

// Error returns one line for each diagnostic.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted orders diagnostics by file and place, and removes duplicates.
func (ds Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.Severity == b.Severity && a.File == b.File && a.Line == b.Line && a.Col == b.Col && a.Message == b.Message
	})
}

// tabWidth is the printed width of a tab.
const tabWidth = 4

// Fprint writes diagnostics for people: the message and its place, the line of the file with the place
// underlined, and what to write instead.
func Fprint(w io.Writer, ds Diagnostics) error {
	b := bufio.NewWriter(w)
	for i, d := range ds {
		if i > 0 {
			_, _ = b.WriteString("\n")
		}
		if d.Line == 0 {
			_, _ = fmt.Fprintf(b, "%v: %s: %s\n", d.Severity, d.File, d.Message)
		} else {
			_, _ = fmt.Fprintf(b, "%v: %s:%d:%d: %s\n", d.Severity, d.File, d.Line, d.Col, d.Message)
			d.underline(b)
		}
		if d.Hint != "" {
			_, _ = fmt.Fprintf(b, "  %s\n", d.Hint)
		}
	}
	return b.Flush()
}

// longestLine is the length in bytes up to which a line is shown.
const longestLine = 1000

// underline writes the first line of the place of d, and carets below the place.
func (d Diagnostic) underline(w io.Writer) {
	line, ok := lineOf(d.source, d.Line)
	if !ok || !utf8.ValidString(line) {
		return
	}
	line = withoutSecrets(line)
	from := min(max(d.Col, 1)-1, len(line))
	to := len(line)
	if d.EndLine == d.Line {
		to = min(max(d.EndCol, d.Col), len(line))
	}
	number := fmt.Sprint(d.Line)
	carets := max(utf8.RuneCountInString(strings.TrimRight(line[from:max(from, to)], " \t")), 1)
	if len(line) > longestLine {
		return // the place has been named, and nobody reads such a line
	}
	_, _ = fmt.Fprintf(w, "\n%s | %s\n", number, untab(line))
	_, _ = fmt.Fprintf(w, "%*s | %s%s\n", len(number), "", blanks(line[:from]), strings.Repeat("^", carets))
}

// mayBeSecret matches a name whose value may be a secret, in any spelling.
var mayBeSecret = regexp.MustCompile(`(?i)pass|token|secret|credential|bearer|authorization|api_?key|key_pem|header`)

// secretURL matches a URL with user information or with a query.
var secretURL = regexp.MustCompile(`://[^/?#]*@|\?[^=]*=`)

// withoutSecrets returns a line of a file with each string that may be a secret replaced by as many asterisks.
// A string that does not end in the line is hidden to the line's end.
func withoutSecrets(line string) string {
	named := mayBeSecret.MatchString(line)
	return quotedText.ReplaceAllStringFunc(line, func(text string) string {
		inner, quote := text[1:], text[:1]
		end := ""
		if strings.HasSuffix(inner, quote) {
			inner, end = inner[:len(inner)-1], quote
		}
		if !named && !secretURL.MatchString(inner) {
			return text
		}
		return quote + strings.Repeat("*", len(inner)) + end
	})
}

// quotedText matches a string, or the rest of the line if the string does not end in it.
var quotedText = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*(?:\"|$)|`[^`]*(?:`|$)")

func lineOf(source []byte, number int) (string, bool) {
	rest := string(source)
	for range number - 1 {
		_, after, found := strings.Cut(rest, "\n")
		if !found {
			return "", false
		}
		rest = after
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimRight(line, "\r"), source != nil
}

// untab replaces the characters that would move or colour the rest of a line on a terminal.
func untab(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ReplaceAll(line, "\t", strings.Repeat(" ", tabWidth)))
}

// blanks returns as many spaces as the text is wide.
func blanks(text string) string {
	tabs := strings.Count(text, "\t")
	return strings.Repeat(" ", utf8.RuneCountInString(text)+tabs*(tabWidth-1))
}

// span is a place in a file.
type span struct{ start, end token.Position }

// spanOf returns the place of a syntax node. The place of a block is its name and label.
func spanOf(n ast.Node) span {
	switch n := n.(type) {
	case *ast.BlockStmt:
		return headOf(n)
	default:
		return span{position(ast.StartPos(n)), position(ast.EndPos(n))}
	}
}

// headOf returns the place of a block's name and label.
func headOf(b *ast.BlockStmt) span {
	end := b.NamePos.Add(len(b.GetBlockName()) - 1)
	if b.Label != "" && b.LabelPos.Valid() {
		end = b.LabelPos.Add(len(b.Label) + 1)
	}
	return span{position(b.NamePos), position(end)}
}

func position(p token.Pos) token.Position {
	if !p.Valid() || p.File() == nil {
		return token.Position{}
	}
	return p.Position()
}
