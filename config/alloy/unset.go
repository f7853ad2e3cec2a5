package alloy

import (
	"slices"

	"github.com/grafana/alloy/syntax/ast"

	"lighter/config"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// UnsetURL and UnsetHost stand in the plan for what is not known where a file is only looked at.
const (
	UnsetURL  = "http://unset.invalid/"
	UnsetHost = "tcp://unset.invalid:2375"
)

// unsetVariables returns the environment variables that a part of the file reads and that are not set. What the
// argument of a custom component was made of is not known; it may be any of those that were read.
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

// notSet says of environment variables that they are not set.
func notSet(names []string) string {
	if len(names) == 1 {
		return "the environment variable " + names[0] + " is not set"
	}
	return "the environment variables " + list(names) + " are not set"
}

// empty says which environment variables that a part of the file reads are not set, or are empty. It says nothing
// if there are none.
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

// excuse warns of what is wrong with a part of the file because environment variables are not set, and
// reports whether that is so. It is not so where the file is to be run.
func (l *loader) excuse(at span, of ast.Node, message string) bool {
	if !l.Unset {
		return false
	}
	names := l.unsetVariables(of)
	if len(names) == 0 {
		return false
	}
	l.warn(at, notSet(names), "%s", message)
	return true
}

// The nodes that stand for those of components of which too little is known.
const (
	unsetLogs    = "unset.logs"
	unsetMetrics = "unset.metrics"
	unsetTargets = "unset.targets"
)

// addUnset adds the nodes that stand for unknown ones, if the plan refers to them.
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
