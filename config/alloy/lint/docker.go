package lint

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"

	"lighter"
	"lighter/config/internal/near"
)

// logStream finds rules that read the stream of a log before it is known.
func logStream(s *scope, found report) {
	for _, c := range s.of("discovery.relabel") {
		if !c.uses("output") {
			continue
		}
		if c.uses("rules") {
			continue // it works there
		}
		blocks(c.block.Body, "rule", func(r *ast.BlockStmt) {
			literals(attribute(r, "source_labels"), func(at ast.Node, text string) {
				if text == lighter.LabelLogStream {
					found(at,
						"a target has no "+text+": a container has two streams, and only loki.source.docker sets the label, when it reads them. The rule never matches in a discovery.relabel whose output is used",
						fmt.Sprintf("in loki.source.docker: relabel_rules = %s.rules", c.id()))
				}
			})
		})
	}
}

// dockerStage finds uses of stage.docker for lines that are not Docker JSON.
func dockerStage(s *scope, found report) {
	for _, c := range s.of("loki.process") {
		sources := c.sources()
		if !sources["loki.source.docker"] || len(sources) > 1 {
			continue
		}
		blocks(c.block.Body, "stage.docker", func(b *ast.BlockStmt) {
			found(b,
				"loki.source.docker provides lines as the container wrote them, with their stream and time, so stage.docker has nothing to parse. It is for json-files that loki.source.file reads",
				"remove stage.docker")
		})
	}
}

// metaLabels are the labels of discovery.docker, except for those made from container and network labels.
var metaLabels = []string{
	"container_id", "container_name", "container_network_mode", "container_log_stream",
	"network_id", "network_name", "network_scope", "network_internal", "network_ingress", "network_ip",
	"port_private", "port_public", "port_public_ip",
}

const metaPrefix = "__meta_docker_"

// remedies has what to write instead of labels that people expect but that do not exist.
var remedies = map[string]string{
	"container_image":           "no label has the image's name; set a label on the container and read __meta_docker_container_label_<name>",
	"container_log_path":        "loki.source.docker reads the log by the container's ID and needs no path; for files, build /var/lib/docker/containers/<id>/<id>-json.log from __meta_docker_container_id",
	"container_state":           "for running containers only: filter { name = \"status\" values = [\"running\"] }",
	"container_status":          "for running containers only: filter { name = \"status\" values = [\"running\"] }",
	"container_compose_service": "__meta_docker_container_label_com_docker_compose_service",
	"container_compose_project": "__meta_docker_container_label_com_docker_compose_project",
}

// unknownMeta finds labels with the prefix of discovery.docker that it does not set.
func unknownMeta(s *scope, found report) {
	for _, c := range s.blocks {
		blocks(c.block.Body, "rule", func(r *ast.BlockStmt) {
			literals(attribute(r, "source_labels"), func(at ast.Node, text string) {
				name, ok := strings.CutPrefix(text, metaPrefix)
				if !ok || slices.Contains(metaLabels, name) || strings.HasPrefix(name, "container_label_") || strings.HasPrefix(name, "network_label_") {
					return
				}
				instead, ok := remedies[name]
				if !ok {
					instead = metaPrefix + near.Name(name, metaLabels)
				}
				found(at, "discovery.docker does not set "+text+": the rule gets an empty value", instead)
			})
		})
	}
}

// nameSlash finds rules that keep or drop containers by name and ignore that the name begins with a slash.
func nameSlash(s *scope, found report) {
	for _, c := range s.blocks {
		blocks(c.block.Body, "rule", func(r *ast.BlockStmt) {
			action, _ := stringOf(attribute(r, "action"))
			regex := attribute(r, "regex")
			text, ok := stringOf(regex)
			if !ok || action != "keep" && action != "drop" {
				return
			}
			list, ok := attribute(r, "source_labels").(*ast.ArrayExpr)
			if !ok || len(list.Elements) != 1 {
				return
			}
			if name, _ := stringOf(list.Elements[0]); name != metaPrefix+"container_name" || mayBeginWithSlash(text) {
				return
			}
			what := "so the rule keeps nothing"
			if action == "drop" {
				what = "so the rule drops nothing"
			}
			found(regex, "the value of __meta_docker_container_name begins with a slash, such as /web, and the expression must match the whole value, "+what, fmt.Sprintf("regex = %q", "/("+text+")"))
		})
	}
}

// mayBeginWithSlash reports whether a text that an expression matches as a whole may begin with a slash.
func mayBeginWithSlash(expr string) bool {
	parsed, err := syntax.Parse("^(?s:"+expr+")$", syntax.Perl)
	if err != nil {
		return true // the error is reported elsewhere
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return true
	}
	seen := map[uint32]bool{}
	var visit func(uint32) bool
	visit = func(pc uint32) bool {
		if seen[pc] {
			return false
		}
		seen[pc] = true
		switch i := prog.Inst[pc]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			return visit(i.Out) || visit(i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			return visit(i.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(i.Arg)&(syntax.EmptyEndLine|syntax.EmptyEndText) != 0 {
				return false // nothing may follow
			}
			return visit(i.Out)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			return i.MatchRune('/')
		}
		return false
	}
	return visit(uint32(prog.Start))
}
