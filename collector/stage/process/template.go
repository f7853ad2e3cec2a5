package process

import (
	"crypto/sha256"
	"crypto/sha3"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"

	"github.com/Masterminds/sprig/v3"
)

// maxTemplateBytes limits the output of a template, and that of its functions.
const maxTemplateBytes = 4 << 20

var errTemplateTooLong = fmt.Errorf("a template makes more than %d bytes", maxTemplateBytes)

// templateFunctions are the functions of sprig, and Alloy's own.
var templateFunctions = sync.OnceValue(func() template.FuncMap {
	all := sprig.TxtFuncMap()
	for name, f := range map[string]any{
		"ToLower":    strings.ToLower,
		"ToUpper":    strings.ToUpper,
		"Replace":    strings.Replace,
		"Trim":       strings.Trim,
		"TrimLeft":   strings.TrimLeft,
		"TrimRight":  strings.TrimRight,
		"TrimPrefix": strings.TrimPrefix,
		"TrimSuffix": strings.TrimSuffix,
		"TrimSpace":  strings.TrimSpace,
		"Hash": func(salt, input string) string {
			sum := sha3.Sum256([]byte(salt + input))
			return hex.EncodeToString(sum[:])
		},
		"Sha2Hash": func(salt, input string) string {
			sum := sha256.Sum256([]byte(salt + input))
			return hex.EncodeToString(sum[:])
		},
		"regexReplaceAll": func(expr, s, with string) (string, error) {
			re, err := cachedRegexp(expr)
			if err != nil {
				return "", err
			}
			return re.ReplaceAllString(s, with), nil
		},
		"regexReplaceAllLiteral": func(expr, s, with string) (string, error) {
			re, err := cachedRegexp(expr)
			if err != nil {
				return "", err
			}
			return re.ReplaceAllLiteralString(s, with), nil
		},
	} {
		all[name] = f
	}
	boundFunctions(all)
	return all
})

// boundFunctions adds a limit to the functions that make large results from small numbers.
func boundFunctions(all template.FuncMap) {
	if repeat, ok := all["repeat"].(func(int, string) string); ok {
		all["repeat"] = func(n int, s string) (string, error) {
			if n < 0 || len(s) > 0 && n > maxTemplateBytes/len(s) {
				return "", errTemplateTooLong
			}
			return repeat(n, s), nil
		}
	}
	for _, name := range []string{"indent", "nindent"} {
		if indent, ok := all[name].(func(int, string) string); ok {
			all[name] = func(n int, s string) (string, error) {
				if n < 0 || n > maxTemplateBytes/(strings.Count(s, "\n")+1) {
					return "", errTemplateTooLong
				}
				return indent(n, s), nil
			}
		}
	}
	if until, ok := all["until"].(func(int) []int); ok {
		all["until"] = func(n int) ([]int, error) {
			if n > maxTemplateSteps || n < -maxTemplateSteps {
				return nil, errTemplateTooLong
			}
			return until(n), nil
		}
	}
	if until, ok := all["untilStep"].(func(int, int, int) []int); ok {
		all["untilStep"] = func(from, to, step int) ([]int, error) {
			if step != 0 && (to-from)/step > maxTemplateSteps {
				return nil, errTemplateTooLong
			}
			return until(from, to, step), nil
		}
	}
	if seq, ok := all["seq"].(func(...int) string); ok {
		all["seq"] = func(p ...int) (string, error) {
			for _, n := range p {
				if n > maxTemplateSteps || n < -maxTemplateSteps {
					return "", errTemplateTooLong
				}
			}
			return seq(p...), nil
		}
	}
	for _, name := range []string{"randAlphaNum", "randAlpha", "randAscii", "randNumeric"} {
		if random, ok := all[name].(func(int) string); ok {
			all[name] = func(n int) (string, error) {
				if n < 0 || n > maxTemplateSteps {
					return "", errTemplateTooLong
				}
				return random(n), nil
			}
		}
	}
}

const maxTemplateSteps = 100_000

// regexps caches the expressions of templates, which normally are constants in the template.
var regexps struct {
	sync.Mutex
	byText map[string]*regexp.Regexp
}

func cachedRegexp(text string) (*regexp.Regexp, error) {
	regexps.Lock()
	defer regexps.Unlock()
	if re := regexps.byText[text]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	if regexps.byText == nil || len(regexps.byText) >= 1000 {
		regexps.byText = map[string]*regexp.Regexp{}
	}
	regexps.byText[text] = re
	return re, nil
}

// parseTemplate parses a template.
func parseTemplate(text string) (*template.Template, error) {
	return template.New("template").Funcs(templateFunctions()).Parse(text)
}

// templateReads returns the names of the values that a template may read. all is true if it may read any
// value.
func templateReads(t *template.Template) (names []string, all bool) {
	found := map[string]bool{}
	for _, one := range t.Templates() {
		if one.Tree != nil && one.Root != nil {
			readsOf(one.Root, found)
		}
	}
	if found["."] {
		return nil, true
	}
	for name := range sorted(found) {
		names = append(names, name)
	}
	return names, false
}

// readsOf adds the names that a node may read to found, and "." if it may read any value.
func readsOf(n parse.Node, found map[string]bool) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, one := range n.Nodes {
			readsOf(one, found)
		}
	case *parse.ActionNode:
		readsOf(n.Pipe, found)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, one := range n.Cmds {
			readsOf(one, found)
		}
	case *parse.CommandNode:
		for _, one := range n.Args {
			readsOf(one, found)
		}
	case *parse.FieldNode:
		found[n.Ident[0]] = true
	case *parse.VariableNode:
		switch {
		case n.Ident[0] != "$": // the assignment to it has already been examined
		case len(n.Ident) > 1:
			found[n.Ident[1]] = true
		default:
			found["."] = true
		}
	case *parse.ChainNode:
		readsOf(n.Node, found)
	case *parse.IfNode:
		readsOfBranch(&n.BranchNode, found)
	case *parse.RangeNode:
		readsOfBranch(&n.BranchNode, found)
	case *parse.WithNode:
		readsOfBranch(&n.BranchNode, found)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			readsOf(n.Pipe, found)
		}
	case *parse.TextNode, *parse.CommentNode, *parse.NumberNode, *parse.StringNode, *parse.BoolNode, *parse.NilNode, *parse.IdentifierNode, *parse.BreakNode, *parse.ContinueNode:
	default: // a dot, or a node of a later version of Go
		found["."] = true
	}
}

func readsOfBranch(n *parse.BranchNode, found map[string]bool) {
	readsOf(n.Pipe, found)
	readsOf(n.List, found)
	readsOf(n.ElseList, found)
}

// boundedBuffer receives the output of a template.
type boundedBuffer struct{ bytes []byte }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.bytes)+len(p) > maxTemplateBytes {
		return 0, errTemplateTooLong
	}
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}
