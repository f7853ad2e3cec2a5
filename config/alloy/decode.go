package alloy

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/token"
	"github.com/grafana/alloy/syntax/vm"
)

// decoding turns the body of a block into the arguments of a component, and reports all errors in it. The
// evaluator of the syntax package stops at the first error, so each argument and each inner block is first
// evaluated by itself.
type decoding struct {
	l       *loader
	scope   *vm.Scope
	unknown func(ast.Expr) bool // reports whether a value cannot be known because of an error elsewhere
	refused map[string]string   // by the path of an argument or block, why the agent does not support it

	partial bool // a value was not known
}

// decode decodes the body of a block into args, which is a pointer to a struct. It reports whether args is
// complete.
func (d *decoding) decode(block *ast.BlockStmt, args any) bool {
	t := reflect.TypeOf(args).Elem()
	if !d.check(block, block.Body, t, "") || d.partial {
		return false
	}
	return d.evaluate(block.Body, args, headOf(block))
}

// check reports whether a body has the arguments and blocks of a struct, with valid values.
func (d *decoding) check(block *ast.BlockStmt, body ast.Body, t reflect.Type, path string) bool {
	known := fieldsOf(t)
	before := d.l.errors
	count := map[string]int{}
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			count[stmt.Name.Name]++
			d.attribute(block, stmt, known, path, count[stmt.Name.Name])
		case *ast.BlockStmt:
			name := stmt.GetBlockName()
			count[name]++
			d.block(block, stmt, known, path, count[name])
		}
	}
	for _, blocks := range []bool{false, true} {
		for _, name := range known.names(blocks) {
			if known[name].optional || count[name] > 0 || mapArguments[block.GetBlockName()] == name && d.l.errors > before {
				continue
			}
			what, hint := "argument", howToWrite(block.GetBlockName(), name)
			if blocks {
				what, hint = "block", "write "+name+" { … }"
			}
			d.l.fail(headOf(block), hint, "%s needs the %s %q", block.GetBlockName(), what, name)
		}
	}
	return d.l.errors == before
}

// howToWrite returns how an argument of a block is usually written.
func howToWrite(block, name string) string {
	value := "…"
	switch {
	case name == "forward_to" && strings.HasPrefix(block, "prometheus."):
		value = "[prometheus.remote_write.LABEL.receiver]"
	case name == "forward_to":
		value = "[loki.write.LABEL.receiver]"
	case name == "host":
		value = usualHost
	case name == "targets" && block == "prometheus.scrape":
		value = `[{ __address__ = "HOST:PORT" }], or discovery.docker.LABEL.targets`
	case name == "targets" && block == "loki.source.file", name == "path_targets":
		value = `[{ __path__ = "/var/log/*.log" }]`
	case name == "targets":
		value = "discovery.docker.LABEL.targets"
	}
	return "write " + name + " = " + value
}

func (d *decoding) attribute(block *ast.BlockStmt, a *ast.AttributeStmt, known fields, path string, nth int) {
	name := a.Name.Name
	f, ok := known[name]
	if why, refused := d.refused[path+name]; refused {
		d.l.fail(spanOf(a), why, "lighter does not support %q in %s", name, block.GetBlockName())
		return
	}
	switch {
	case !ok:
		d.l.fail(spanOf(a.Name), unknownArgument(block.GetBlockName(), name, known), "%s has no argument %q", block.GetBlockName(), name)
	case f.block:
		d.l.fail(spanOf(a), fmt.Sprintf("write %s { … }, without an equals sign", name), "%q is a block, not an argument", name)
	case nth > 1:
		d.l.fail(spanOf(a.Name), "remove one of them", "the argument %q is set twice", name)
	case d.unknown(a.Value):
		d.partial = true
	default:
		d.value(a, f.typ)
	}
}

func (d *decoding) block(outer, b *ast.BlockStmt, known fields, path string, nth int) {
	name := b.GetBlockName()
	f, ok := known[name]
	if why, refused := d.refused[path+name]; refused {
		d.l.fail(headOf(b), why, "lighter does not support the block %q in %s", name, outer.GetBlockName())
		return
	}
	switch {
	case !ok:
		d.l.fail(headOf(b), unknownBlock(outer.GetBlockName(), name, known), "%s has no block %q", outer.GetBlockName(), name)
	case !f.block:
		d.l.fail(headOf(b), fmt.Sprintf("write %s = …", name), "%q is an argument, not a block", name)
	case b.Label != "":
		d.l.fail(headOf(b), "write "+name+" { … }", "the block %q takes no label", name)
	case nth > 1 && !f.many:
		d.l.fail(headOf(b), "combine them into one block", "the block %q is allowed only once", name)
	default:
		if d.check(b, b.Body, f.typ, path+name+".") && !d.partial {
			d.evaluate(b.Body, reflect.New(f.typ).Interface(), headOf(b))
		}
	}
}

// value evaluates one argument, and reports what is wrong with it.
func (d *decoding) value(a *ast.AttributeStmt, t reflect.Type) {
	err := evaluate(a.Value, d.scope, reflect.New(t).Interface())
	if err == nil {
		return
	}
	message, at := errorText(err, spanOf(a.Value))
	message = plainValue(message, a, t)
	if d.l.complain(at, a.Name.Name, a.Value, hintForValue(message, a, t), d.l.mask(message)) {
		d.partial = true
	}
}

// evaluate evaluates a body into args, and reports what is wrong with the body as a whole.
func (d *decoding) evaluate(body ast.Body, args any, at span) bool {
	err := evaluate(body, d.scope, args)
	if err == nil {
		return true
	}
	message, at := errorText(err, at)
	if d.l.complain(at, "", body, "", d.l.mask(message)) {
		d.partial = true
	}
	return false
}

// evaluate evaluates a body or an expression.
func evaluate(n ast.Node, scope *vm.Scope, into any) (err error) {
	defer func() {
		if r := recover(); r != nil { // such as a division by zero
			err = fmt.Errorf("it cannot be evaluated: %v", r)
		}
	}()
	return vm.New(n).Evaluate(scope, into)
}

// errorText returns the text and the place of an error of the evaluator.
func errorText(err error, at span) (string, span) {
	var all diag.Diagnostics
	var one diag.Diagnostic
	switch {
	case errors.As(err, &one):
	case errors.As(err, &all) && len(all) > 0:
		one = all[0]
	default:
		return withoutParser(err.Error()), at
	}
	if one.StartPos.Valid() {
		at = span{one.StartPos, one.EndPos}
	}
	return withoutParser(strings.TrimSpace(one.Message)), at
}

// withoutParser returns an error about a regular expression or a template without the name of its parser.
func withoutParser(message string) string {
	return templateLine.ReplaceAllString(strings.ReplaceAll(message, "error parsing regexp: ", ""), "line $1: ")
}

// templateLine matches the line of an error in a template.
var templateLine = regexp.MustCompile(`template: template:(\d+): `)

// noQuantity has, by the type of an argument, the message for a value that cannot be parsed.
var noQuantity = map[reflect.Type]string{
	reflect.TypeFor[time.Duration]():    `is not a valid duration; write a number with its unit in quotes, such as "30s" or "1h30m"`,
	reflect.TypeFor[units.Base2Bytes](): `is not a valid size; write a number with its unit in quotes, such as "512KiB" or "1MiB"`,
}

// plainValue rewrites a message of the library about a value in plain words.
func plainValue(message string, a *ast.AttributeStmt, t reflect.Type) string {
	if none, ok := noQuantity[elem(t)]; ok && (unitError.MatchString(message) || strings.Contains(message, "should be string")) {
		given, _, _ := strings.Cut(unitError.ReplaceAllString(message, ""), " should be ")
		if l, isLiteral := a.Value.(*ast.LiteralExpr); isLiteral {
			given = l.Value
		}
		return strings.TrimSpace(given) + " " + none
	}
	if t := elem(t); t == reflect.TypeFor[alloytypes.Secret]() || t == reflect.TypeFor[alloytypes.OptionalSecret]() {
		message = strings.Replace(message, "should be capsule", "should be string", 1)
	}
	if l, ok := a.Value.(*ast.LiteralExpr); ok {
		message = strings.TrimPrefix(message, l.Value+" ")
	}
	message = capsuleType.ReplaceAllStringFunc(message, func(s string) string { return capsuleNames[s] })
	if m := wrongType.FindStringSubmatch(message); m != nil {
		want := typeNames[m[1]]
		if m[1] == "object" {
			want = `an object, such as { NAME = "VALUE" }`
		}
		if of, ok := capsules[elementOf(t)]; ok && m[1] == "capsule" {
			want = of
		}
		text := fmt.Sprintf("want %s, got %s", want, typeNames[m[2]])
		if !strings.HasPrefix(message, m[0]) { // it names a part of the value
			text = fmt.Sprintf("is %s; want %s", typeNames[m[2]], want)
		}
		message = strings.Replace(message, m[0], text, 1)
	}
	if m := wrongCall.FindStringSubmatch(message); m != nil {
		one := "arguments"
		if m[1] == "1" {
			one = "argument"
		}
		message = strings.Replace(message, m[0], fmt.Sprintf("takes %s %s, got %s", m[1], one, m[2]), 1)
	}
	message = strings.ReplaceAll(message, "secrets may not be converted into strings", "is a secret, which is not allowed here")
	return strings.ReplaceAll(message, "got capsule", "got "+typeNames["capsule"])
}

// unitError matches the errors of the parsers of durations and sizes, which repeat the text.
var unitError = regexp.MustCompile(`(?s)(time|units): (bad|invalid|missing|overflow|unknown).*`)

// wrongCall matches the library's error for a function that is called with too few or too many arguments.
var wrongCall = regexp.MustCompile(`expected (\d+) args, got (\d+)`)

// capsules describes the values that only other components can provide.
var capsules = map[reflect.Type]string{
	reflect.TypeFor[LogsReceiver]():    "a receiver of log entries, such as loki.write.LABEL.receiver",
	reflect.TypeFor[MetricsReceiver](): "a receiver of metrics, such as prometheus.remote_write.LABEL.receiver",
	reflect.TypeFor[Target]():          `a target, such as { __address__ = "HOST:PORT" } or { __path__ = "/var/log/*.log" }`,
	reflect.TypeFor[Rules]():           "relabel rules, such as discovery.relabel.LABEL.rules",
}

// elementOf returns the type of the elements of a list, or the type itself if it is not a list or is Rules.
func elementOf(t reflect.Type) reflect.Type {
	t = elem(t)
	if t.Kind() == reflect.Slice && t != reflect.TypeFor[Rules]() {
		return elem(t.Elem())
	}
	return t
}

// wrongType matches the library's error for a value of a wrong type.
var wrongType = regexp.MustCompile(`should be (array|bool|capsule|function|null|number|object|string), got (array|bool|capsule|function|null|number|object|string)`)

var typeNames = map[string]string{
	"array":    "a list",
	"bool":     "true or false",
	"capsule":  "a value of another component",
	"function": "a function",
	"null":     "null",
	"number":   "a number",
	"object":   "an object",
	"string":   "a string in quotes",
}

// capsuleType matches a capsule as the library names it.
var capsuleType = regexp.MustCompile(`capsule\("(alloy\.[A-Za-z]+|alloytypes\.[A-Za-z]+)"\)`)

var capsuleNames = map[string]string{
	`capsule("alloy.LogsReceiver")`:        "a receiver of log entries, such as loki.write.LABEL.receiver",
	`capsule("alloy.MetricsReceiver")`:     "a receiver of metrics, such as prometheus.remote_write.LABEL.receiver",
	`capsule("alloy.Target")`:              "a target, which is an object of labels",
	`capsule("alloy.Rules")`:               "relabel rules, such as discovery.relabel.LABEL.rules",
	`capsule("alloytypes.Secret")`:         "a string or a secret",
	`capsule("alloytypes.OptionalSecret")`: "a string or a secret",
}

// environmentVariable matches a variable as a shell expands it.
var environmentVariable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`)

func hintForValue(message string, a *ast.AttributeStmt, t reflect.Type) string {
	text, isText := literalText(a.Value)
	switch {
	case isText && strings.Contains(text, "${"):
		if m := environmentVariable.FindStringSubmatch(text); m != nil {
			return fmt.Sprintf("an Alloy file does not expand %s; write sys.env(%q), without quotes around it", m[0], m[1])
		}
	case isText && strings.Contains(message, "want true or false") && (text == "true" || text == "false"):
		return fmt.Sprintf("write %s = %s, without quotes", a.Name.Name, text)
	case strings.HasPrefix(message, "sys.env takes 1 argument, got 2"):
		return `write a default as in coalesce(sys.env("NAME"), "…")`
	case strings.HasPrefix(text, "*") && strings.Contains(message, "repetition operator"):
		return `write ".*" to match any text`
	case isText && strings.Contains(message, "want a number"):
		return "write a number without a unit and without quotes"
	case isText && strings.Contains(message, "not a valid duration") && days.MatchString(text):
		return "there is no unit of days: a day is 24h"
	case isList(t) && strings.Contains(message, "want a list"):
		return listHint(a, t)
	case isList(t) && strings.Contains(message, "is a list; want"):
		if l, ok := a.Value.(*ast.ArrayExpr); ok && len(l.Elements) == 1 {
			if parts, ok := dotted(l.Elements[0]); ok && (elementOf(t) == reflect.TypeFor[Target]()) {
				return fmt.Sprintf("it is already a list: write %s = %s", a.Name.Name, strings.Join(parts, "."))
			}
		}
	case strings.HasSuffix(message, "is an object; want "+capsules[elementOf(t)]):
		for _, c := range chains(a.Value) {
			if strings.HasPrefix(message, c.String()+" ") {
				return exportHint(c.String(), t)
			}
		}
	case strings.Contains(message, typeNames["capsule"]):
		for _, c := range chains(a.Value) {
			if last := c.parts[len(c.parts)-1]; last == "targets" || last == "output" {
				return fmt.Sprintf("the targets in %s are known only while the agent runs: a list of targets can only be passed on and concatenated", c)
			}
		}
	case strings.Contains(message, "is a secret"):
		return "write convert.nonsensitive(…) around it if it is not secret"
	}
	return ""
}

// days matches a duration in days or weeks.
var days = regexp.MustCompile(`^\s*\d+\s*(d|w|days?|weeks?)\b`)

// isList reports whether an argument is written as a list.
func isList(t reflect.Type) bool {
	return elem(t).Kind() == reflect.Slice && elem(t) != reflect.TypeFor[Rules]()
}

// listHint returns how to write a value that must be a list.
func listHint(a *ast.AttributeStmt, t reflect.Type) string {
	parts, isChain := dotted(a.Value)
	last := ""
	if isChain {
		last = parts[len(parts)-1]
	}
	name := strings.Join(parts, ".")
	switch of := elementOf(t); {
	case of == reflect.TypeFor[Target]() && (last == "receiver" || last == "rules"):
		return "discovery components export targets: write " + a.Name.Name + " = discovery.docker.LABEL.targets"
	case of == reflect.TypeFor[Target]() && isChain:
		return exportHint(name, t)
	case isChain && last != "receiver" && last != "rules" && capsules[of] != "":
		return fmt.Sprintf("write %s = [%s.receiver]", a.Name.Name, name)
	case isChain && (last == "receiver") == (capsules[of] != ""):
		return fmt.Sprintf("write a list: %s = [%s]", a.Name.Name, name)
	case capsules[of] != "":
		return "its elements are: " + capsules[of]
	}
	return fmt.Sprintf("write a list: %s = [ … ]", a.Name.Name)
}

// exportHint returns what to write instead of the name of a component where one of its exports is needed.
func exportHint(component string, t reflect.Type) string {
	export := "receiver"
	switch elementOf(t) {
	case reflect.TypeFor[Target]():
		export = "targets"
		if strings.HasPrefix(component, "discovery.relabel.") {
			export = "output"
		}
	case reflect.TypeFor[Rules]():
		export = "rules"
	}
	return fmt.Sprintf("write %s.%s", component, export)
}

// literalText returns the text of a string literal.
func literalText(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.LiteralExpr)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	return strings.Trim(l.Value, "\"`"), true
}

// unknownArgument returns what to write instead of an argument that a block does not have.
func unknownArgument(block, name string, known fields) string {
	if hint, ok := oftenMistaken[block+"."+name]; ok {
		return hint
	}
	if n := nearest(name, known.names(false)); n != "" {
		return "did you mean " + quote(n) + "?"
	}
	if into, ok := mapArguments[block]; ok {
		return fmt.Sprintf("write %s = { %s = … }", into, name)
	}
	if inner := known.within(name, false); inner != "" {
		return fmt.Sprintf("write it in a block: %s { %s = … }", inner, name)
	}
	if _, isBlock := known[name]; !isBlock && slices.Contains([]string{"receiver", "output", "targets", "rules"}, name) {
		return "other components export it; it cannot be set"
	}
	return didYouMean(name, known.names(false))
}

func unknownBlock(block, name string, known fields) string {
	if hint, ok := oftenMistaken[block+"."+name]; ok {
		return hint
	}
	if _, ok := known["stage."+name]; ok {
		return "write stage." + name + " { … }"
	}
	if inner := known.within(name, true); inner != "" {
		return fmt.Sprintf("write it in a block: %s { %s { … } }", inner, name)
	}
	return didYouMean(name, known.names(true))
}

// mapArguments are, by block, the arguments whose keys people write as arguments by mistake.
var mapArguments = map[string]string{
	"stage.labels":              "values",
	"stage.static_labels":       "values",
	"stage.structured_metadata": "values",
	"stage.json":                "expressions",
	"stage.logfmt":              "mapping",
}

// oftenMistaken has what to write instead of arguments and blocks that do not exist but that people write.
var oftenMistaken = map[string]string{
	"loki.source.file.decompression_enabled": `write decompression { enabled = true format = "gz" } instead, on separate lines`,
	"loki.source.docker.rule":                "write the rules in a discovery.relabel with targets = [], and write here: relabel_rules = discovery.relabel.LABEL.rules",
	"loki.source.docker.relabel":             "write the rules in a discovery.relabel with targets = [], and write here: relabel_rules = discovery.relabel.LABEL.rules",
	"loki.source.docker.positions_directory": "positions are stored in the directory of --storage.path",
	"loki.source.file.positions_directory":   "positions are stored in the directory of --storage.path",
	"loki.write.url":                         "write it in a block: endpoint { url = … }",
	"prometheus.remote_write.url":            "write it in a block: endpoint { url = … }",
	"loki.source.file.path":                  `write targets = [{ __path__ = "…" }]`,
	"prometheus.scrape.rule":                 "write the rules in a discovery.relabel before it, or in a prometheus.relabel after it",
	"loki.process.rule":                      "write the rules in a loki.relabel, and write forward_to = [loki.relabel.LABEL.receiver] here",
	"loki.process.stage":                     `write stage.NAME { … }, such as stage.json { … }`,
	"prometheus.scrape.static_configs":       `write targets = [{ __address__ = "HOST:PORT" }]`,
	"discovery.docker.relabel_configs":       "write the rules in a discovery.relabel after it",
	"endpoint.token":                         "write bearer_token = …",
	"endpoint.username":                      "write it in a block: basic_auth { username = … password = … }",
	"endpoint.password":                      "write it in a block: basic_auth { username = … password = … }",
	"rule.labels":                            "write source_labels = [ … ]",
	"rule.source_label":                      "write source_labels = [ … ]",
}
