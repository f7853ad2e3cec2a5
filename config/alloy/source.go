package alloy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/token"
)

// The bounds of a file, which keep the parser from running out of stack, and of what is said of one.
const (
	maxSource       = 1 << 20
	maxDepth        = 200 // of brackets in brackets
	maxSyntaxErrors = 20  // one a line
	maxHintLine     = 1000
)

// read parses a file, or all *.alloy files of a directory.
func (l *loader) read(path string) []*ast.File {
	at := span{start: token.Position{Filename: path}}
	names, err := sourceNames(path)
	if err != nil {
		l.fail(at, "", "the configuration cannot be read: %v", err)
		return nil
	}
	if len(names) == 0 {
		l.fail(at, "", "the directory has no file whose name ends in .alloy")
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
		return []string{path}, nil // whether it can be read shows when it is
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

// directoryOf returns the directory that module_path names in a file.
func directoryOf(path, file string) string {
	if path == file {
		return filepath.Dir(file)
	}
	return path
}

// content reads a file that the plan is made of.
func (l *loader) content(name string) ([]byte, error) {
	l.reads = appendNew(l.reads, name)
	return l.ReadFile(name)
}

// parse parses one file. It returns nil if it says that the file is wrong.
func (l *loader) parse(name string) *ast.File {
	source, err := l.content(name)
	at := span{start: token.Position{Filename: name}}
	if err != nil {
		l.fail(at, "", "the configuration cannot be read: %v", pathError(err))
		return nil
	}
	l.sources[name] = source
	if len(source) > maxSource {
		l.fail(at, "", "the file has %d bytes; %d are the most", len(source), maxSource)
		return nil
	}
	if depth(source) > maxDepth {
		l.fail(at, "", "brackets are nested more than %d deep", maxDepth)
		return nil
	}
	f, err := parser.ParseFile(name, source)
	if err == nil {
		l.files = append(l.files, f)
		return f
	}
	var all diag.Diagnostics
	if !errors.As(err, &all) {
		l.fail(at, "", "%v", err)
		return nil
	}
	said, last, explained := 0, 0, false
	for _, d := range all {
		if d.StartPos.Line == last || said == maxSyntaxErrors {
			continue
		}
		hint := ""
		if line, _ := lineOf(source, d.StartPos.Line); len(line) <= maxHintLine {
			hint = syntaxHint(d.Message, line, source)
		}
		if explained && hint == "" && followsFrom(d.Message) {
			continue
		}
		said, last, explained = said+1, d.StartPos.Line, explained || hint != ""
		l.fail(span{d.StartPos, d.EndPos}, hint, "%s", plainSyntax.Replace(d.Message))
	}
	return nil
}

// followsFrom reports whether an error may only follow from one before it.
func followsFrom(message string) bool {
	return strings.HasSuffix(message, "got EOF") || strings.HasSuffix(message, "got }") || strings.HasSuffix(message, "got ]")
}

// plainSyntax says in words what the parser names by its tokens.
var plainSyntax = strings.NewReplacer("TERMINATOR", "the end of the line", "IDENT", "a name", "ILLEGAL", "another character", "EOF", "the end of the file")

// pathError returns why a file cannot be read, without its name.
func pathError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// depth returns about how deep brackets are nested.
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

// What people write that is no Alloy syntax.
var (
	blockAsReference = regexp.MustCompile(`([a-z_][a-z_0-9]*(?:\.[a-z_0-9]+)+)\s+"([^"]*)"\s*\.\s*([a-z_]+)`)
	pythonString     = regexp.MustCompile(`\br"([^"]*)"`)
	dottedArgument   = regexp.MustCompile(`^\s*([a-z_]+)\.([a-z_.]+)\s*=`)
	yamlLine         = regexp.MustCompile(`^\s*-?\s*[A-Za-z_]+:(\s|$)`)
	blockLabel       = regexp.MustCompile(`"([^"]*)"\s*\{`)
	singleQuoted     = regexp.MustCompile(`'[^']*'`)
)

// syntaxHint returns what to write instead of a line that cannot be parsed.
func syntaxHint(message, line string, source []byte) string {
	text := strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(text, "#"), strings.Contains(message, "'#'"):
		return "a comment begins with //"
	case strings.Contains(message, "expected }, got EOF"):
		if n := unclosed(source); n > 0 {
			return fmt.Sprintf("the brace that is opened in line %d is not closed", n)
		}
	case blockAsReference.MatchString(line):
		m := blockAsReference.FindStringSubmatch(line)
		return fmt.Sprintf("write %s.%s.%s", m[1], m[2], m[3])
	case pythonString.MatchString(line):
		m := pythonString.FindStringSubmatch(line)
		return fmt.Sprintf("a string without escapes stands in backquotes: `%s`", m[1])
	case strings.Contains(message, "escape"):
		return `write \\ for a backslash, or the whole string in backquotes`
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
		return "a comma stands after each element of a list and after each field of an object, if another line follows"
	case yamlLine.MatchString(line) && (strings.Contains(message, "expected") || strings.Contains(message, "':'")):
		return "this is no Alloy syntax but looks like YAML; Alloy writes name = value, and blocks with { and }"
	case singleQuoted.MatchString(line):
		return `a string stands in " or in backquotes`
	case strings.Contains(message, "cannot use a block as an expression"):
		return "a block has no equals sign before it"
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

// unclosed returns the line of the last brace that is opened and not closed; strings and comments are left
// out. It is 0 if there is none.
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
