package alloy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/token"
)

// The limits of a file, which keep the parser from running out of stack, and of the errors that are reported.
const (
	maxSource       = 1 << 20
	maxDepth        = 200 // of nested brackets
	maxSyntaxErrors = 20  // at most one for each line
	maxHintLine     = 1000
)

// read parses a file, or all *.alloy files of a directory.
func (l *loader) read(path string) []*ast.File {
	at := span{start: token.Position{Filename: path}}
	names, err := sourceNames(path)
	if err != nil {
		l.fail(at, hintForReading(err), "the configuration cannot be read: %v", pathError(err))
		return nil
	}
	if len(names) == 0 {
		hint := ""
		if filepath.Ext(path) == ".alloy" {
			hint = "if it should be a file: Docker creates a directory in place of a file that it has to mount and that does not exist"
		}
		l.fail(at, hint, "the directory has no file whose name ends in .alloy")
	}
	var files []*ast.File
	for _, name := range names {
		if f := l.parse(name); f != nil {
			files = append(files, f)
		}
	}
	return files
}

func sourceNames(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, nil // reading it will show whether it exists
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) == ".alloy" {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	return names, nil
}

// directoryOf returns the value of module_path in a file.
func directoryOf(path, file string) string {
	if path == file {
		return filepath.Dir(file)
	}
	return path
}

// content reads a file that the plan is made from.
func (l *loader) content(name string) ([]byte, error) {
	l.reads = appendNew(l.reads, name)
	return l.ReadFile(name)
}

// parse parses one file. It returns nil if the file has errors, which it reports.
func (l *loader) parse(name string) *ast.File {
	source, err := l.content(name)
	at := span{start: token.Position{Filename: name}}
	if err != nil {
		l.fail(at, hintForReading(err), "the configuration cannot be read: %v", pathError(err))
		return nil
	}
	source = bytes.TrimPrefix(source, byteOrderMark)
	l.sources[name] = source
	f, wrong := parseSource(name, source)
	if wrong != nil {
		l.errors += len(wrong)
		l.diagnostics = append(l.diagnostics, wrong...)
		return nil
	}
	l.files = append(l.files, f)
	return f
}

// byteOrderMark may be at the beginning of a text in UTF-8, and is ignored.
var byteOrderMark = []byte("\ufeff")

// parseSource parses the text of one file, or returns its errors.
func parseSource(name string, source []byte) (*ast.File, Diagnostics) {
	whole := func(hint, format string, args ...any) Diagnostics {
		return Diagnostics{{Severity: Error, File: name, Message: fmt.Sprintf(format, args...), Hint: hint}}
	}
	if what, hint := notAlloy(source); what != "" {
		return nil, whole(hint, "%s", what)
	}
	if len(source) > maxSource {
		return nil, whole("split it into several files in one directory, and give lighter the directory", "the file has more than %d bytes, which is the limit", maxSource)
	}
	if depth(source) > maxDepth {
		return nil, whole("", "brackets are nested more than %d deep", maxDepth)
	}
	f, err := parser.ParseFile(name, source)
	if err == nil {
		return f, nil
	}
	var all diag.Diagnostics
	if !errors.As(err, &all) {
		return nil, whole("", "%v", err)
	}
	var wrong Diagnostics
	last, explained, inList, otherSyntax := 0, false, false, false
	for _, d := range all {
		if d.StartPos.Line == last || len(wrong) == maxSyntaxErrors {
			continue
		}
		hint := ""
		if line, _ := lineOf(source, d.StartPos.Line); len(line) <= maxHintLine {
			hint = syntaxHint(d.Message, line, source)
		}
		if hint == "" && len(wrong) == 0 && strings.HasSuffix(d.Message, "got }") {
			hint = "this brace closes nothing: remove it, or open a block before it"
		}
		if explained && (hint == "" || d.Message == blockAsValue) && followsFrom(d.Message) {
			inList = inList || d.Message == blockAsValue
			continue
		}
		if inList && strings.HasPrefix(d.Message, "missing ','") || otherSyntax && (hint == colonHint || strings.HasPrefix(hint, otherHint)) {
			continue
		}
		otherSyntax = otherSyntax || strings.HasPrefix(hint, otherHint)
		last, explained = d.StartPos.Line, explained || hint != ""
		wrong = append(wrong, newDiagnostic(Error, span{d.StartPos, d.EndPos}, source, hint, plainSyntax(d.Message)))
	}
	return nil, wrong
}

// blockAsValue is the parser's error for a block in place of a value, such as in a list that is not closed.
const blockAsValue = "cannot use a block as an expression"

// followsFrom reports whether an error may only be a consequence of an earlier one.
func followsFrom(message string) bool {
	return strings.HasSuffix(message, "got EOF") || strings.HasSuffix(message, "got }") || strings.HasSuffix(message, "got ]") ||
		message == "expected TERMINATOR, got IDENT" || message == blockAsValue
}

// plainSyntax returns an error of the parser in plain words.
func plainSyntax(message string) string {
	if m := wrongToken.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("expected %s, got %s", plainToken(m[1]), plainToken(m[2]))
	}
	return plainMessages.Replace(message)
}

var wrongToken = regexp.MustCompile(`^expected (.*), got (\S+)$`)

// plainToken describes a token of the parser in plain words.
func plainToken(token string) string {
	if plain, ok := plainTokens[token]; ok {
		return plain
	}
	if strings.ContainsFunc(token, unicode.IsLetter) {
		return token
	}
	return quote(token)
}

var plainTokens = map[string]string{
	"BOOL":                               "true or false",
	"EOF":                                "the end of the file",
	"FLOAT":                              "a number",
	"IDENT":                              "a name",
	"ILLEGAL":                            "another character",
	"NULL":                               "null",
	"NUMBER":                             "a number",
	"STRING":                             "a string",
	"TERMINATOR":                         "the end of the line",
	"attribute assignment or block body": `"=" and a value, or "{" and a block`,
	"block body":                         `"{" and a block`,
	"block label":                        `a label in double quotes, or "{"`,
	"expression":                         "a value",
	"field name (string or identifier)":  "the name of a field",
	"identifier":                         "a name",
}

var plainMessages = strings.NewReplacer(
	"missing ',' in field list", "a comma between two fields of an object, or its closing brace, is missing",
	"missing ',' in expression list", "a comma between two elements of a list, or its closing bracket, is missing",
	"string literal not terminated", "the string is not closed",
	"block comment not terminated", "the comment is not closed",
)

// hintForReading returns what to do about a file that cannot be read.
func hintForReading(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("lighter runs as the user with ID %d: allow that user to read it", os.Geteuid())
	case errors.Is(err, fs.ErrNotExist):
		return "check the path; in a container it is a path inside the container, and the file must be mounted there"
	}
	return ""
}

// cannotRead returns why a file that a configuration names cannot be read.
func cannotRead(name string, err error) string {
	if name == "" {
		return "the name of the file is empty"
	}
	return fmt.Sprintf("%s cannot be read: %v", name, pathError(err))
}

// pathError returns why a file cannot be read, without its name.
func pathError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// depth returns approximately how deep brackets are nested.
func depth(source []byte) int {
	deepest, now := 0, 0
	for _, b := range source {
		switch b {
		case '(', '[', '{':
			now++
			deepest = max(deepest, now)
		case ')', ']', '}':
			now = max(now-1, 0)
		}
	}
	return deepest
}

// Frequent mistakes in Alloy syntax.
var (
	blockAsReference = regexp.MustCompile(`([a-z_][a-z_0-9]*(?:\.[a-z_0-9]+)+)\s+"([^"]*)"\s*\.\s*([a-z_]+)`)
	pythonString     = regexp.MustCompile(`\br"([^"]*)"`)
	dottedArgument   = regexp.MustCompile(`^\s*([a-z_]+)\.([a-z_.]+)\s*=`)
	yamlLine         = regexp.MustCompile(`^\s*-?\s*[A-Za-z_]+:(\s|$)`)
	blockLabel       = regexp.MustCompile(`"([^"]*)"\s*\{`)
	singleQuoted     = regexp.MustCompile(`'[^']*'`)
	twoArguments     = regexp.MustCompile(`\w\s*=.*\s\w+\s*=`)
	bareLabel        = regexp.MustCompile(`^\s*([a-z_][a-z_0-9.]*)\s+(\w+)\s*\{`)
	twoLabels        = regexp.MustCompile(`"[^"]*"\s+"[^"]*"\s*\{`)
	shellVariable    = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)
)

// The beginning of the hint for a line in another language, and the hint for a colon. They are given once, because
// every line of such a file would have them.
const (
	otherHint = "this is not Alloy syntax; it looks like "
	colonHint = "write an equals sign instead of the colon"
)

// syntaxHint returns what to write instead of a line that cannot be parsed.
func syntaxHint(message, line string, source []byte) string {
	text := strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(message, "expected identifier") && strings.HasPrefix(strings.TrimSpace(string(source)), "{"):
		return otherHint + "JSON; Alloy writes name = value, and blocks with { and }"
	case strings.HasPrefix(message, "expected identifier") && strings.HasPrefix(text, "["):
		return "write a block as NAME { … }, without square brackets"
	case strings.HasPrefix(text, "#"), strings.Contains(message, "'#'"):
		return "a comment begins with //"
	case strings.Contains(message, "expected }, got EOF"):
		if n := unclosed(source); n > 0 {
			return fmt.Sprintf("the brace that is opened on line %d is not closed", n)
		}
	case blockAsReference.MatchString(line):
		m := blockAsReference.FindStringSubmatch(line)
		return fmt.Sprintf("write %s.%s.%s", m[1], m[2], m[3])
	case pythonString.MatchString(line):
		m := pythonString.FindStringSubmatch(line)
		return fmt.Sprintf("write a string without escapes in backquotes: `%s`", m[1])
	case strings.Contains(message, "escape"):
		return `write \\ for a backslash, or put the whole string into backquotes`
	case strings.Contains(message, "single identifier"):
		if m := dottedArgument.FindStringSubmatch(line); m != nil {
			if strings.HasPrefix(line[:len(line)-len(text)]+text, "path.") || m[1] == "path" {
				return fmt.Sprintf("write %s_path = …", strings.TrimSuffix(m[2], "_path"))
			}
			return fmt.Sprintf("if %q is a block, write %s { %s = … }", m[1], m[1], m[2])
		}
	case strings.Contains(message, "valid identifier"):
		if m := blockLabel.FindStringSubmatch(line); m != nil {
			return fmt.Sprintf("a label has letters, digits and underscores, and does not begin with a digit: %q", identifier(m[1]))
		}
	case strings.Contains(message, "missing ','"):
		return "write a comma after each element of a list and each field of an object, if another line follows"
	case strings.HasSuffix(message, "got ,"):
		return "remove the comma after the argument or block"
	case strings.Contains(message, "string literal not terminated"):
		return "end it with a double quote on the same line, or write it in backquotes if it has several lines"
	case strings.Contains(message, "block comment not terminated"):
		return "a comment that begins with /* ends with */"
	case strings.Contains(message, "U+00A0"):
		return "it looks like a space: replace it with a space"
	case strings.Contains(message, "U+201"):
		return `write " as the double quote`
	case strings.Contains(message, "'$'") && shellVariable.MatchString(line):
		return fmt.Sprintf("write sys.env(%q) for a variable of the environment", shellVariable.FindStringSubmatch(line)[1])
	case strings.HasPrefix(message, "expected block label, got IDENT") && bareLabel.MatchString(line):
		m := bareLabel.FindStringSubmatch(line)
		return fmt.Sprintf("write %s %q {", m[1], m[2])
	case twoLabels.MatchString(line):
		return `a block has at most one label: write NAME "label" {`
	case message == "expected TERMINATOR, got IDENT" && twoArguments.MatchString(line):
		return "write each argument on a separate line"
	case yamlLine.MatchString(line) && (strings.Contains(message, "expected") || strings.Contains(message, "':'")):
		return otherHint + "YAML; Alloy writes name = value, and blocks with { and }"
	case strings.Contains(message, "':'"):
		return colonHint
	case singleQuoted.MatchString(line):
		return `write a string in " or in backquotes`
	case message == blockAsValue:
		return "write the block without an equals sign"
	}
	return ""
}

// identifier returns a label like the one that was written.
func identifier(text string) string {
	mapped := strings.Trim(strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, text), "_")
	if mapped == "" || mapped[0] >= '0' && mapped[0] <= '9' {
		mapped = "_" + mapped
	}
	return mapped
}

// unclosed returns the line of the last brace that is opened and not closed, ignoring strings and comments. It
// returns 0 if there is none.
func unclosed(source []byte) int {
	var open []int
	line := 1
	for i := 0; i < len(source); i++ {
		switch c := source[i]; {
		case c == '\n':
			line++
		case c == '{':
			open = append(open, line)
		case c == '}' && len(open) > 0:
			open = open[:len(open)-1]
		case c == '"' || c == '`':
			for i++; i < len(source) && source[i] != c; i++ {
				switch {
				case source[i] == '\n':
					line++
				case source[i] == '\\' && c == '"':
					i++
				}
			}
		case bytes.HasPrefix(source[i:], []byte("//")):
			for i+1 < len(source) && source[i+1] != '\n' {
				i++
			}
		}
	}
	if len(open) == 0 {
		return 0
	}
	return open[len(open)-1]
}
