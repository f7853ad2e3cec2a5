package alloy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"

	"lighter/config"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// UnsetURL and UnsetHost are placeholders in the plan for unknown addresses if a file is only examined.
const (
	UnsetURL  = "http://unset.invalid/"
	UnsetHost = "tcp://unset.invalid:2375"
)

// unsetVariables returns the environment variables that a part of the file reads and that are not set. An argument
// of a custom component may come from any variable that was read, because its origin is not known.
func (l *loader) unsetVariables(n ast.Node) []string {
	names := slices.DeleteFunc(environmentCalls(n), func(name string) bool {
		_, set := l.Getenv(name)
		return set
	})
	var v argumentVisitor
	if ast.Walk(&v, n); v.found {
		return appendNew(names, l.unset...)
	}
	return names
}

// argumentVisitor finds the arguments of a custom component.
type argumentVisitor struct{ found bool }

// Visit is called by ast.Walk.
func (v *argumentVisitor) Visit(n ast.Node) ast.Visitor {
	if i, ok := n.(*ast.IdentifierExpr); ok && i.Ident.Name == "argument" {
		v.found = true
	}
	return v
}

// notSet returns a sentence that says that environment variables are not set.
func notSet(names []string) string {
	if len(names) == 1 {
		return "the environment variable " + names[0] + " is not set"
	}
	return "the environment variables " + list(names) + " are not set"
}

// empty returns which environment variables that a part of the file reads are not set or empty, as a sentence. It
// returns an empty string if there are none.
func (l *loader) empty(n ast.Node) string {
	if unset := l.unsetVariables(n); len(unset) > 0 {
		return notSet(unset)
	}
	names := slices.DeleteFunc(environmentCalls(n), func(name string) bool {
		value, _ := l.Getenv(name)
		return value != ""
	})
	if len(names) == 0 {
		return ""
	}
	if len(names) == 1 {
		return "the environment variable " + names[0] + " is empty"
	}
	return "the environment variables " + list(names) + " are empty"
}

// complain reports what is wrong with an argument, whose value is of, or with a whole body if argument is empty.
// If the cause is that environment variables are not set, they are named first, and once for everything that is wrong
// because of them. If the file is only examined, that is a warning, and complain returns true.
func (l *loader) complain(at span, argument string, of ast.Node, hint, message string) (excused bool) {
	arguments, names := l.wants(argument, of, message)
	if len(names) == 0 {
		if argument != "" {
			message = argument + ": " + message
		}
		l.fail(at, hint, "%s", message)
		return false
	}
	severity := Warning
	if !l.Unset {
		severity = Error
		l.errors++
	}
	it, theyAre := "it", "it is"
	if len(names) > 1 {
		it, theyAre = "them", "they are"
	}
	hint = fmt.Sprintf(`set %s where lighter runs, or write a default: coalesce(sys.env(%q), "…")`, it, names[0])
	key := strings.Join(names, " ")
	if w, said := l.wanting[key]; said {
		first := &l.diagnostics[w.index]
		w.places = appendNew(w.places, placeFrom(first.File, at))
		first.Hint = fmt.Sprintf("%s; %s also needed at %s", hint, theyAre, strings.Join(w.places, ", "))
		return l.Unset
	}
	l.wanting[key] = &wanted{index: len(l.diagnostics)}
	message = strings.Replace(message, "is "+typeNames["string"], "is empty", 1)
	named := strings.Join(arguments, " or ")
	l.tell(severity, at, hint, "%s, and %s needs %s: %s", notSet(names), named, it, strings.TrimPrefix(message, named+": "))
	return l.Unset
}

// wanted is the diagnostic about environment variables that are not set.
type wanted struct {
	index  int      // of the diagnostic
	places []string // other places that need them
}

// wants returns the arguments that are wrong because environment variables are not set, and those variables. If of
// is a body, they are the arguments that the message names.
func (l *loader) wants(argument string, of ast.Node, message string) (arguments, names []string) {
	body, isBody := of.(ast.Body)
	if !isBody {
		return []string{argument}, l.unsetVariables(of)
	}
	walkArguments(body, "", func(_ string, a *ast.AttributeStmt) {
		name := a.Name.Name
		if unset := l.unsetVariables(a.Value); len(unset) > 0 && regexp.MustCompile(`\b`+name+`s?\b`).MatchString(message) {
			arguments, names = appendNew(arguments, name), appendNew(names, unset...)
		}
	})
	return arguments, names
}

// placeFrom returns the name of a place for a reader of a file.
func placeFrom(file string, at span) string {
	if at.start.Filename != file {
		return fmt.Sprintf("%s:%d", at.start.Filename, at.start.Line)
	}
	return fmt.Sprintf("line %d", at.start.Line)
}

// The placeholders for the nodes of components that have errors.
const (
	unsetLogs    = "unset.logs"
	unsetMetrics = "unset.metrics"
	unsetTargets = "unset.targets"
)

// addUnset adds the placeholder nodes that the plan refers to.
func (l *loader) addUnset() {
	logs := loki.DefaultConfig()
	logs.Name, logs.URL = unsetLogs, UnsetURL
	metrics := remotewrite.DefaultConfig()
	metrics.Name, metrics.URL = unsetMetrics, UnsetURL
	for _, n := range []config.Node{
		{Name: unsetLogs, Args: logs},
		{Name: unsetMetrics, Args: metrics},
		{Name: unsetTargets, Args: config.Static{}},
	} {
		if slices.ContainsFunc(l.plan.Nodes, func(other config.Node) bool {
			return slices.Contains(other.To, n.Name) || slices.Contains(other.From, n.Name)
		}) {
			l.plan.Nodes = append(l.plan.Nodes, n)
		}
	}
}
