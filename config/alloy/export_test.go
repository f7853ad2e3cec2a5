package alloy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// SpokenOf returns the paths of the arguments of a kind that have a note.
func SpokenOf(name string) []string {
	k, ok := components()[name]
	if !ok {
		k = configBlocks()[name]
	}
	return slices.Concat(slices.Collect(maps.Keys(k.noEffect)), slices.Collect(maps.Keys(k.refused)), slices.Collect(maps.Keys(k.partly)))
}

// Markdown returns the tables of docs/alloy.md: every component, block and argument.
func Markdown() string {
	var b strings.Builder
	client := map[string]bool{}
	for _, a := range (kind{}).arguments(reflect.TypeFor[HTTPClient](), "", nil) {
		client[a.Path] = true
	}
	for _, part := range []struct {
		title     string
		component bool
		own       bool // whether it is only in lighter
	}{{"Components", true, false}, {"Blocks that configure the agent", false, false}, {"Lighter's own components", true, true}} {
		fmt.Fprintf(&b, "\n## %s\n", part.title)
		for _, k := range Kinds() {
			if k.Component == part.component && strings.HasPrefix(k.Name, "lighter.") == part.own {
				writeKind(&b, k, client)
			}
		}
	}
	b.WriteString("\n## Blocks that lighter does not have\n\n| block | what to do instead |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(refusedBlocks)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(refusedBlocks[name]))
	}
	b.WriteString("\n## Components that lighter does not have\n\nA file that uses one of them is refused, with an error that says what to do instead.\n\n| component | what to do instead |\n|---|---|\n")
	hints := map[string][]string{}
	var order []string
	for _, name := range slices.Sorted(slices.Values(notHere())) {
		hint := insteadOf(name)
		if hint == "" {
			hint = "keep Alloy for that part"
		}
		if hints[hint] == nil {
			order = append(order, hint)
		}
		hints[hint] = append(hints[hint], "`"+name+"`")
	}
	for _, hint := range order {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(hints[hint], ", "), cell(hint))
	}
	return b.String() + "\n"
}

// notHere returns the components that the agent lacks and has a hint for.
func notHere() []string {
	all := slices.Clone(alloyComponents)
	for name := range exporterImages {
		all = append(all, "prometheus.exporter."+name)
	}
	for _, i := range instead {
		if strings.HasSuffix(i.prefix, ".") {
			all = append(all, i.prefix+"*")
		} else {
			all = append(all, i.prefix)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func writeKind(b *strings.Builder, k Kind, client map[string]bool) {
	if k.Name != "" {
		fmt.Fprintf(b, "\n### %s\n", k.Name)
	}
	b.WriteString("\n")
	if len(k.Exports) > 0 {
		fmt.Fprintf(b, "Exports `%s`.\n\n", strings.Join(k.Exports, "`, `"))
	}
	if len(k.Arguments) == 0 {
		b.WriteString("It takes no arguments.\n")
		return
	}
	at, isClient := clientAt(k, client)
	type group struct{ block, state string }
	var order []group
	names := map[group][]string{}
	add := func(g group, name string) {
		if names[g] == nil {
			order = append(order, g)
		}
		names[g] = append(names[g], name)
	}
	for _, a := range k.Arguments {
		name, within := strings.CutPrefix(a.Path, at)
		state := a.inLighter()
		switch {
		case strings.HasPrefix(a.Path, "stage.match.stage."): // the same as outside of it
		case isClient && within && client[name] && state == supported:
			g := group{topBlock(a.Path), supported}
			if at == "" {
				g.block = ""
			}
			if of := "the arguments of an [HTTP client](#http-client), except for those below"; !slices.Contains(names[g], of) {
				add(g, of)
			}
		default:
			add(group{topBlock(a.Path), state}, a.written())
		}
	}
	b.WriteString("| argument or block | in lighter |\n|---|---|\n")
	for _, g := range order {
		fmt.Fprintf(b, "| %s | %s |\n", strings.Join(names[g], ", "), cell(g.state))
	}
}

// topBlock returns the outermost block that an argument is in.
func topBlock(path string) string {
	parts := strings.Split(path, ".")
	n := 1
	if parts[0] == "stage" {
		n = 2
	}
	if len(parts) == n && n == 1 {
		return ""
	}
	return strings.Join(parts[:n], ".")
}

// written returns the name of an argument or a block in a table.
func (a Argument) written() string {
	name := "`" + a.Path + "`"
	if a.Block {
		name = "`" + a.Path + " { }`"
	}
	if a.Required {
		name += " (required)"
	}
	return name
}

const supported = "supported"

// clientAt returns the block of a kind that has the arguments of an HTTP client, if there is one.
func clientAt(k Kind, client map[string]bool) (string, bool) {
	for _, a := range k.Arguments {
		if at, ok := strings.CutSuffix(a.Path, "follow_redirects"); ok && client["follow_redirects"] {
			return at, true
		}
	}
	return "", false
}

func (a Argument) inLighter() string {
	switch {
	case a.Refused != "":
		return "refused; " + a.Refused
	case a.NoEffect != "":
		return "accepted, without effect: " + a.NoEffect
	case strings.HasPrefix(a.Partly, "refused"), strings.HasPrefix(a.Partly, "accepted, "):
		return a.Partly
	case a.Partly != "":
		return "supported; " + a.Partly
	}
	return supported
}

// cell returns a text as a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// ClientMarkdown returns the table of the arguments of an HTTP client.
func ClientMarkdown() string {
	var b strings.Builder
	writeKind(&b, Kind{Arguments: (kind{}).arguments(reflect.TypeFor[HTTPClient](), "", nil)}, nil)
	return b.String() + "\n"
}
