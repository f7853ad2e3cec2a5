package alloy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// PrintOptions are the options of Print.
type PrintOptions struct {
	// Secret returns an expression for a secret of a node: its "token", or the address of its "proxy". The
	// expression must not contain the secret itself.
	Secret func(node, what string) string
	// Before is printed before the components, such as those that expressions of Secret refer to.
	Before string
}

// Print returns an Alloy file that does the same as a plan. For nodes that Alloy has no component for, it writes
// components whose names begin with lighter. It fails for a plan with nodes that only an Alloy file can make.
func Print(p *config.Plan, o PrintOptions) ([]byte, error) {
	w := &planPrinter{plan: p, o: o}
	w.b.WriteString(o.Before)
	w.block("logging", "", func() {
		w.attr("level", strings.ToLower(p.Agent.LogLevel.String()))
		w.attr("format", p.Agent.LogFormat)
	})
	for _, n := range p.Nodes {
		w.node(n)
	}
	if err := errors.Join(w.errs...); err != nil {
		return nil, err
	}
	return Format("the printed plan", []byte(w.b.String()))
}

type planPrinter struct {
	plan *config.Plan
	o    PrintOptions
	b    strings.Builder
	errs []error
}

// rawExpression is an expression as it is written in the file.
type rawExpression string

func (w *planPrinter) block(name, label string, body func()) {
	w.b.WriteString("\n" + name)
	if label != "" {
		w.b.WriteString(" " + strconv.Quote(label))
	}
	w.b.WriteString(" {\n")
	body()
	w.b.WriteString("}\n")
}

// attr writes an attribute.
func (w *planPrinter) attr(name string, value any) {
	fmt.Fprintf(&w.b, "%s = %s\n", name, expression(value))
}

// unless writes an attribute if its value is not the default.
func unless[T comparable](w *planPrinter, name string, value, without T) {
	if value != without {
		w.attr(name, value)
	}
}

func expression(value any) string {
	switch v := value.(type) {
	case rawExpression:
		return string(v)
	case string:
		return strconv.Quote(v)
	case time.Duration:
		return strconv.Quote(v.String())
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case map[string]string:
		var b strings.Builder
		b.WriteString("{\n")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(&b, "%q = %q,\n", name, v[name])
		}
		b.WriteString("}")
		return b.String()
	}
	return fmt.Sprint(value)
}

// component returns the name of the component for a node, and the export that other components use.
func component(args any) (name, export string) {
	switch args.(type) {
	case docker.Config:
		return "lighter.docker", "targets"
	case config.Files:
		return "lighter.docker_files", "targets"
	case config.Self:
		return "lighter.self_metrics", "targets"
	case config.HostMetrics:
		return "lighter.host_metrics", "targets"
	case config.ContainerMetrics:
		return "lighter.container_metrics", "targets"
	case config.LogMetricsPage:
		return "lighter.log_metrics", "targets"
	case config.Relabel:
		return "discovery.relabel", "output"
	case config.LogSource:
		return "lighter.container_logs", ""
	case config.Stages:
		return "lighter.process", "receiver"
	case loki.Config:
		return "loki.write", "receiver"
	case scrape.Config:
		return "prometheus.scrape", ""
	case remotewrite.Config:
		return "prometheus.remote_write", "receiver"
	case config.Recent:
		return "lighter.recent", ""
	}
	return "", ""
}

// ref returns the expression for a node's export.
func (w *planPrinter) ref(node, export string) string {
	n, _ := w.plan.Node(node)
	name, own := component(n.Args)
	if export == "" {
		export = own
	}
	return name + "." + node + "." + export
}

// targets returns the expression for the targets of nodes.
func (w *planPrinter) targets(from []string) rawExpression {
	var all []string
	for _, name := range from {
		n, _ := w.plan.Node(name)
		if static, ok := n.Args.(config.Static); ok {
			all = append(all, staticTargets(static.Targets))
			continue
		}
		all = append(all, w.ref(name, ""))
	}
	if len(all) == 1 {
		return rawExpression(all[0])
	}
	return rawExpression("array.concat(" + strings.Join(all, ", ") + ")")
}

func staticTargets(targets []labels.Labels) string {
	var b strings.Builder
	b.WriteString("[")
	for _, t := range targets {
		b.WriteString("\n" + expression(t.Map()) + ",")
	}
	b.WriteString("\n]")
	return b.String()
}

// receivers returns the expression for the receivers of nodes. If a node takes both entries and samples, export
// names the receiver that is meant.
func (w *planPrinter) receivers(to []string, export string) rawExpression {
	var all []string
	for _, name := range to {
		n, _ := w.plan.Node(name)
		own := ""
		if _, both := n.Args.(config.Recent); both {
			own = export
		}
		all = append(all, w.ref(name, own))
	}
	return rawExpression("[" + strings.Join(all, ", ") + "]")
}

func (w *planPrinter) node(n config.Node) {
	name, _ := component(n.Args)
	if _, static := n.Args.(config.Static); static {
		return // it is written where its targets are used
	}
	if name == "" {
		w.errs = append(w.errs, fmt.Errorf("node %q: a node of type %T cannot be printed", n.Name, n.Args))
		return
	}
	w.block(name, n.Name, func() { w.arguments(n) })
}

func (w *planPrinter) arguments(n config.Node) {
	switch c := n.Args.(type) {
	case docker.Config:
		w.attr("host", c.Host)
		unless(w, "api_version", c.APIVersion, "")
		unless(w, "cert_path", c.CertPath, "")
		unless(w, "tls_verify", c.TLSVerify, false)
	case config.Files:
		w.attr("root", c.Root)
	case config.HostMetrics:
		w.attr("root", c.Root)
	case config.ContainerMetrics:
		w.attr("targets", w.targets(n.From))
		w.attr("engine", rawExpression(w.ref(c.Engine, "")))
		w.attr("interval", c.Interval)
		unless(w, "data_root", c.DataRoot, "")
	case config.Relabel:
		w.attr("targets", w.targets(n.From))
		w.rules("rule", c.Rules)
	case config.LogSource:
		w.attr("targets", w.targets(n.From))
		w.attr("forward_to", w.receivers(n.To, "logs"))
		if c.Engine != "" {
			w.attr("engine", rawExpression(w.ref(c.Engine, "")))
		}
		unless(w, "root", c.Root, "")
		w.attr("since", c.Since)
		w.attr("max_line_bytes", c.MaxLineBytes)
		w.attr("events", c.Events)
		w.rules("rule", c.Rules)
	case config.Stages:
		w.attr("forward_to", w.receivers(n.To, "logs"))
		for _, s := range c.List {
			w.stage(n, s)
		}
	case loki.Config:
		w.block("endpoint", "", func() {
			w.attr("url", c.URL)
			unless(w, "tenant_id", c.Tenant, "")
			w.attr("min_backoff_period", c.MinBackoff)
			w.attr("max_backoff_period", c.MaxBackoff)
			w.client(n.Name, c.HTTP, c.Proxy)
		})
		w.labels("external_labels", c.ExternalLabels)
	case scrape.Config:
		d := scrape.DefaultConfig()
		w.attr("targets", w.targets(n.From))
		w.attr("forward_to", w.receivers(n.To, "metrics"))
		w.attr("job_name", n.Name)
		w.attr("scrape_interval", c.Interval)
		w.attr("scrape_timeout", c.Timeout)
		unless(w, "scrape_fallback_protocol", c.FallbackProtocol, textProtocol)
		unless(w, "metrics_path", c.Path, d.Path)
		unless(w, "sample_limit", c.SampleLimit, 0)
		unless(w, "scrape_native_histograms", c.NativeHistograms, false)
		w.attr("body_size_limit", fmt.Sprintf("%dB", c.BodyLimit))
	case remotewrite.Config:
		w.block("endpoint", "", func() {
			w.attr("url", c.URL)
			if c.Version == 2 {
				w.attr("protobuf_message", messageV2)
			}
			w.attr("send_native_histograms", !c.NoNative)
			if c.Tenant != "" {
				w.attr("headers", map[string]string{tenantHeader: c.Tenant})
			}
			w.client(n.Name, c.HTTP, c.Proxy)
		})
		w.labels("external_labels", c.ExternalLabels)
	case config.Recent:
		w.labels("stream_labels", c.StreamLabels)
		w.labels("series_labels", c.SeriesLabels)
	}
}

func (w *planPrinter) labels(name string, l labels.Labels) {
	if !l.IsEmpty() {
		w.attr(name, l.Map())
	}
}

// client writes the proxy and the authentication of an endpoint.
func (w *planPrinter) client(node string, c promconfig.HTTPClientConfig, proxy lighter.Secret) {
	if proxy != "" {
		w.attr("proxy_url", rawExpression(w.o.Secret(node, "proxy")))
	}
	switch {
	case c.BasicAuth != nil:
		w.block("basic_auth", "", func() {
			w.attr("username", c.BasicAuth.Username)
			w.attr("password", rawExpression(w.o.Secret(node, "token")))
		})
	case c.Authorization != nil:
		w.attr("bearer_token", rawExpression(w.o.Secret(node, "token")))
	}
}

func (w *planPrinter) rules(block string, rules []*relabel.Config) {
	for _, r := range rules {
		w.block(block, "", func() {
			if len(r.SourceLabels) > 0 {
				var names []string
				for _, l := range r.SourceLabels {
					names = append(names, string(l))
				}
				w.attr("source_labels", names)
			}
			if r.Separator != anySeparator && len(r.SourceLabels) > 0 {
				w.attr("separator", r.Separator)
			}
			if expr := r.Regex.String(); expr != anyRegex {
				w.attr("regex", expr)
			}
			unless(w, "modulus", r.Modulus, 0)
			unless(w, "target_label", r.TargetLabel, "")
			unless(w, "replacement", r.Replacement, wholeMatch)
			unless(w, "action", string(r.Action), string(relabel.Replace))
		})
	}
}

func (w *planPrinter) stage(n config.Node, args any) {
	switch s := args.(type) {
	case config.Multiline:
		w.block("stage.multiline", "", func() {
			unless(w, "enabled", !s.Off, true)
			unless(w, "firstline", s.Pattern, "")
			unless(w, "container_label", s.Label, "")
		})
	case config.Drop:
		w.block("stage.drop", "", func() {
			unless(w, "rules", s.Rules, "")
			unless(w, "container_label", s.Label, "")
		})
	case config.Redact:
		w.block("stage.redact", "", func() {
			unless(w, "enabled", !s.Off, true)
			unless(w, "container_label", s.Label, "")
		})
	case config.Fields:
		w.block("stage.fields", "", func() {
			unless(w, "fields", s.Fields, "")
			unless(w, "container_label", s.Label, "")
		})
	case config.LogMetrics:
		w.block("stage.log_metrics", "", func() {
			unless(w, "declarations", s.Declarations, "")
			w.attr("series", s.Series)
			unless(w, "container_label", s.Label, "")
		})
	default:
		w.errs = append(w.errs, fmt.Errorf("node %q: a stage of type %T cannot be printed", n.Name, args))
	}
}
