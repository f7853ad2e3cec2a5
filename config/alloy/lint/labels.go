package lint

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
)

// unbounded are names of labels that have about as many values as there are requests, containers or peers.
var unbounded = map[string]bool{
	"trace_id": true, "traceid": true, "traceID": true, "traceId": true,
	"span_id": true, "spanid": true, "spanID": true, "spanId": true,
	"request_id": true, "requestid": true, "requestID": true, "requestId": true, "correlation_id": true, "correlationId": true,
	"session_id": true, "sessionId": true, "user_id": true, "userId": true,
	"container_id": true, "containerId": true,
	"ip": true, "client_ip": true, "clientip": true, "client_ip_address": true, "remote_addr": true, "remote_ip": true, "remote_address": true, "ip_address": true,
}

// unboundedSources are the labels of targets and entries with such values.
var unboundedSources = map[string]bool{
	"__meta_docker_container_id":     true,
	"__meta_docker_network_ip":       true,
	"__syslog_connection_ip_address": true,
	"__journal__boot_id":             true,
	"__journal_container_id":         true,
	"__journal_container_id_full":    true,
}

// unboundedLabels finds labels that create a stream for each request, container or peer.
func unboundedLabels(s *scope, found report) {
	const why = "each value creates a separate stream, without limit: Loki becomes slow, and refuses streams above its limit"
	streamLabels(s, func(c *component, at ast.Node, label string, process bool) {
		if !unbounded[label] {
			return
		}
		instead := "remove the label"
		if process {
			instead = fmt.Sprintf("stage.structured_metadata { values = { %s = \"\" } }", label)
		}
		found(at, "the stream label "+label+" is not bounded: "+why, instead)
	})
	for _, c := range s.blocks {
		if !feedsLogs(c) {
			continue
		}
		blocks(c.block.Body, "rule", func(r *ast.BlockStmt) {
			target, _ := stringOf(attribute(r, "target_label"))
			if target == "" || strings.HasPrefix(target, "__") || unbounded[target] {
				return
			}
			if action, ok := stringOf(attribute(r, "action")); ok && action != "replace" && action != "lowercase" && action != "uppercase" {
				return
			}
			if attribute(r, "regex") != nil {
				return // it may select a bounded part
			}
			literals(attribute(r, "source_labels"), func(at ast.Node, source string) {
				if unboundedSources[source] {
					found(at, fmt.Sprintf("the stream label %s gets the value of %s: %s", target, source, why), "remove the label")
				}
			})
		})
	}
}

// levelNotes finds stages that make the level a stream label.
func levelNotes(s *scope, found report) {
	streamLabels(s, func(_ *component, at ast.Node, label string, process bool) {
		if process && (label == "level" || label == "severity") {
			found(at,
				"the stream label "+label+" splits each stream by its lines' level, so that lines that belong together are in several streams; Loki finds the level of a line by itself, as detected_level",
				fmt.Sprintf("stage.structured_metadata { values = { %s = \"\" } }", label))
		}
	})
}

// streamLabels calls f for each label that a rule or a stage adds to streams.
func streamLabels(s *scope, f func(c *component, at ast.Node, label string, process bool)) {
	for _, c := range s.blocks {
		if c.name == "loki.process" {
			stages(c.block.Body, func(b *ast.BlockStmt, later []*ast.BlockStmt) {
				if name := strings.Join(b.Name, "."); name != "stage.labels" {
					return
				}
				for _, field := range fields(attribute(b, "values")) {
					if !takenAway(field.Name.Name, later) {
						f(c, field.Name, field.Name.Name, true)
					}
				}
			})
		}
		if feedsLogs(c) {
			blocks(c.block.Body, "rule", func(r *ast.BlockStmt) {
				target := attribute(r, "target_label")
				if label, ok := stringOf(target); ok {
					f(c, target, label, false)
				}
			})
		}
	}
}

// feedsLogs reports whether a component's rules set labels of log streams.
func feedsLogs(c *component) bool {
	switch c.name {
	case "loki.relabel":
		return true
	case "discovery.relabel":
		for _, r := range c.users {
			if strings.HasPrefix(r.from.name, "loki.source.") {
				return true
			}
		}
	}
	return false
}

// stages calls f for each stage of a body, at any depth, with the stages after it in the same block.
func stages(body ast.Body, f func(stage *ast.BlockStmt, later []*ast.BlockStmt)) {
	var list []*ast.BlockStmt
	for _, stmt := range body {
		if b, ok := stmt.(*ast.BlockStmt); ok {
			list = append(list, b)
		}
	}
	for i, b := range list {
		f(b, list[i+1:])
		if len(b.Name) > 1 && b.Name[1] == "match" {
			stages(b.Body, f)
		}
	}
}

// takenAway reports whether one of the stages turns a label into structured metadata, or drops it.
func takenAway(label string, later []*ast.BlockStmt) bool {
	for _, b := range later {
		var names ast.Expr
		switch strings.Join(b.Name, ".") {
		case "stage.structured_metadata", "stage.label_drop":
			names = attribute(b, "values")
		case "stage.label_keep":
			return true // that stage decides
		}
		for _, field := range fields(names) {
			source, ok := stringOf(field.Value)
			if field.Name.Name == label && (!ok || source == "") || source == label {
				return true
			}
		}
		taken := false
		literals(names, func(_ ast.Node, text string) { taken = taken || text == label })
		if taken {
			return true
		}
	}
	return false
}

// templateText finds templates where they are not evaluated.
func templateText(s *scope, found report) {
	for _, c := range s.blocks {
		if !strings.HasPrefix(c.name, "loki.") && !strings.HasPrefix(c.name, "discovery.") && !strings.HasPrefix(c.name, "prometheus.") {
			continue
		}
		attributes(c.name, c.block.Body, func(block string, a *ast.AttributeStmt) {
			switch {
			case a.Name.Name == "replacement" || a.Name.Name == "target_label",
				a.Name.Name == "labels" || a.Name.Name == "external_labels",
				block == "stage.static_labels" && a.Name.Name == "values":
			default:
				return
			}
			literals(a.Value, func(at ast.Node, text string) {
				if strings.Contains(text, "{{") && strings.Contains(text, "}}") {
					found(at, "a template is not evaluated here: the label gets the text with its braces",
						"a stage.template that puts the value into the extracted map, followed by a stage.labels")
				}
			})
		})
	}
}

// labelFromNothing finds labels whose value comes from the extracted map but that no earlier stage extracts.
func labelFromNothing(s *scope, found report) {
	for _, c := range s.of("loki.process") {
		known := map[string]bool{}
		extracted(c.block.Body, known, func(label *ast.Ident, key string) {
			if s.mayComeWith(c, key) || fromElsewhere(c, key) {
				return
			}
			instead := fmt.Sprintf("for JSON lines, for example, before this stage: stage.json { expressions = { %s = \"\" } }", key)
			if key != label.Name {
				instead = fmt.Sprintf("if %q should be the label's value: stage.static_labels { values = { %s = %q } }", key, label.Name, key)
			}
			found(label, fmt.Sprintf("no stage before this one extracts %q, so the label is never set", key), instead)
		})
	}
}

// fromElsewhere reports whether a value may be a label that the entries already have, because the extracted map
// initially contains all labels.
func fromElsewhere(c *component, key string) bool {
	for source := range c.sources() {
		switch source {
		case "loki.source.api", "loki.source.awsfirehose", "loki.source.heroku", "loki.source.gelf", "loki.source.kafka", "loki.source.kubernetes", "loki.source.podlogs", "loki.source.syslog":
			return true // senders choose the labels
		}
		if strings.HasPrefix(source, "otelcol.") || !strings.Contains(source, ".") || strings.HasPrefix(source, "faro.") {
			return true // senders choose the labels, and custom components may set any
		}
	}
	return strings.HasPrefix(key, "__")
}

const everything = "*" // a stage extracts names that are not in its text

// extracted visits stages in their order. known has the names that earlier stages extract.
func extracted(body ast.Body, known map[string]bool, missing func(label *ast.Ident, key string)) {
	for _, stmt := range body {
		b, ok := stmt.(*ast.BlockStmt)
		if !ok {
			continue
		}
		switch strings.Join(b.Name, ".") {
		case "stage.json":
			note(known, attribute(b, "expressions"))
			dynamic(known, attribute(b, "regex"))
		case "stage.logfmt":
			note(known, attribute(b, "mapping"))
			dynamic(known, attribute(b, "regex"))
		case "stage.regex":
			groups(known, attribute(b, "expression"), regexp.MustCompile(`\?P?<([^>]+)>`))
		case "stage.pattern":
			groups(known, attribute(b, "pattern"), regexp.MustCompile(`<([^>]+)>`))
		case "stage.replace":
			groups(known, attribute(b, "expression"), regexp.MustCompile(`\?P?<([^>]+)>`))
			noteText(known, attribute(b, "source"))
		case "stage.template":
			noteText(known, attribute(b, "source"))
		case "stage.docker", "stage.cri":
			known["stream"], known["output"], known["timestamp"], known["flags"], known["content"], known["time"] = true, true, true, true, true, true
		case "stage.geoip", "stage.windowsevent", "stage.eventlogmessage", "stage.split_json", "stage.tenant", "stage.pack":
			known[everything] = true
		case "stage.static_labels":
			note(known, attribute(b, "values"))
		case "stage.match":
			extracted(b.Body, known, missing)
		case "stage.labels":
			if kind, ok := stringOf(attribute(b, "source_type")); ok && kind != "extracted" {
				continue
			}
			for _, field := range fields(attribute(b, "values")) {
				key := field.Name.Name
				if source, ok := stringOf(field.Value); ok && source != "" {
					key = source
				} else if l, literal := field.Value.(*ast.LiteralExpr); !ok && (!literal || l.Value != "null") {
					continue // an expression
				}
				if !known[everything] && !known[key] {
					missing(field.Name, key)
				}
				known[field.Name.Name] = true
			}
		}
	}
}

func note(known map[string]bool, e ast.Expr) {
	if _, ok := e.(*ast.ObjectExpr); e != nil && !ok {
		known[everything] = true
	}
	for _, f := range fields(e) {
		known[f.Name.Name] = true
	}
}

func noteText(known map[string]bool, e ast.Expr) {
	if text, ok := stringOf(e); ok {
		known[text] = true
	} else if e != nil {
		known[everything] = true
	}
}

func dynamic(known map[string]bool, e ast.Expr) {
	if text, ok := stringOf(e); e != nil && (!ok || text != "") {
		known[everything] = true
	}
}

// groups adds the names of the groups of an expression to known.
func groups(known map[string]bool, e ast.Expr, names *regexp.Regexp) {
	text, ok := stringOf(e)
	if !ok {
		if e != nil {
			known[everything] = true
		}
		return
	}
	for _, m := range names.FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
	}
}
