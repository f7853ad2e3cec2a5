package env_test

import (
	"fmt"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// dump formats a plan for golden files: everything that the environment determines, with secrets revealed
// and without the packages' defaults.
func dump(p *config.Plan) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	line("agent %+v", p.Agent)
	for _, n := range p.Nodes {
		switch a := n.Args.(type) {
		case docker.Config:
			line("docker %s: %s version=%q certs=%q verify=%t refresh=%s stopped=%t networks=%d", n.Name, a.Host, a.APIVersion, a.CertPath, a.TLSVerify, a.Refresh, a.Stopped, a.Networks)
		case config.Files:
			line("files %s: %s", n.Name, a.Root)
		case config.Static:
			line("static %s:", n.Name)
			for _, t := range a.Targets {
				line("\t%s", t)
			}
		case config.Self:
			line("self %s", n.Name)
		case config.Relabel:
			line("relabel %s from %s:", n.Name, n.From)
			dumpRules(line, a.Rules)
		case config.LogSource:
			line("logs %s from %s to %s: engine=%q root=%q since=%s max_line=%d", n.Name, n.From, n.To, a.Engine, a.Root, a.Since, a.MaxLineBytes)
			dumpRules(line, a.Rules)
		case scrape.Config:
			line("scrape %s from %s to %s: interval=%s timeout=%s path=%s samples=%d body=%d native=%t starts=%t", n.Name, n.From, n.To, a.Interval, a.Timeout, a.Path, a.SampleLimit, a.BodyLimit, a.NativeHistograms, a.StartTimes)
		case loki.Config:
			line("loki %s: %s tenant=%q external=%s auth=%s%s", n.Name, a.URL, a.Tenant, a.ExternalLabels, auth(a.HTTP), proxy(a.Proxy))
		case remotewrite.Config:
			line("remote %s: %s version=%d tenant=%q external=%s auth=%s%s", n.Name, a.URL, a.Version, a.Tenant, a.ExternalLabels, auth(a.HTTP), proxy(a.Proxy))
		case config.Recent:
			line("recent %s: streams=%s series=%s", n.Name, a.StreamLabels, a.SeriesLabels)
		default:
			line("%T %s", a, n.Name)
		}
	}
	return b.String()
}

func proxy(p lighter.Secret) string {
	if p == "" {
		return ""
	}
	return " proxy=" + p.Reveal()
}

func dumpRules(line func(string, ...any), rules []*relabel.Config) {
	for _, r := range rules {
		if r.Action == relabel.Replace {
			line("\t%s = %q where %s matches %s", r.TargetLabel, r.Replacement, r.SourceLabels, r.Regex)
			continue
		}
		line("\t%s where %s matches %s", r.Action, r.SourceLabels, r.Regex)
	}
}

func auth(c promconfig.HTTPClientConfig) string {
	switch {
	case c.BasicAuth != nil:
		return fmt.Sprintf("basic %s:%s", c.BasicAuth.Username, string(c.BasicAuth.Password))
	case c.Authorization != nil:
		return fmt.Sprintf("%s %s", c.Authorization.Type, string(c.Authorization.Credentials))
	}
	return "none"
}
