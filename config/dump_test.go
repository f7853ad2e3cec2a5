package config_test

import (
	"fmt"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter/config"
)

// dump writes a plan as golden files hold it: all that the environment decides, secrets
// revealed, defaults of the packages left out.
func dump(p *config.Plan) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	line("agent %+v", p.Agent)
	for _, d := range p.Docker {
		line("docker %s: %s version=%q certs=%q verify=%t refresh=%s stopped=%t networks=%d", d.Name, d.Host, d.APIVersion, d.CertPath, d.TLSVerify, d.Refresh, d.Stopped, d.Networks)
	}
	for _, f := range p.Files {
		line("files %s: %s", f.Name, f.Root)
	}
	for _, s := range p.Static {
		line("static %s:", s.Name)
		for _, t := range s.Targets {
			line("\t%s", t)
		}
	}
	for _, r := range p.Relabels {
		line("relabel %s from %s:", r.Name, r.From)
		dumpRules(line, r.Rules)
	}
	for _, l := range p.Logs {
		line("logs %s from %s to %s: engine=%q root=%q since=%s max_line=%d", l.Name, l.From, l.To, l.Docker, l.Root, l.Since, l.MaxLineBytes)
		dumpRules(line, l.Rules)
	}
	for _, s := range p.Scrapes {
		line("scrape %s from %s to %s: interval=%s timeout=%s path=%s samples=%d body=%d native=%t starts=%t", s.Name, s.From, s.To, s.Interval, s.Timeout, s.Path, s.SampleLimit, s.BodyLimit, s.NativeHistograms, s.StartTimes)
	}
	for _, l := range p.Loki {
		line("loki %s: %s tenant=%q external=%s auth=%s", l.Name, l.URL, l.Tenant, l.ExternalLabels, auth(l.HTTP))
	}
	for _, r := range p.Remote {
		line("remote %s: %s version=%d tenant=%q external=%s auth=%s", r.Name, r.URL, r.Version, r.Tenant, r.ExternalLabels, auth(r.HTTP))
	}
	return b.String()
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
