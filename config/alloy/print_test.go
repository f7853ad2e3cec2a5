package alloy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/config/env"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// What Print writes for a plan of the environment is loaded as the same plan, except for the names of nodes.
func TestPrintedPlansAreLoadedAsTheSame(t *testing.T) {
	for name, environ := range map[string][]string{
		"local": nil,
		"both": {
			"GRAFANA_LOKI_URL=https://logs.example.com", "GRAFANA_LOKI_USER=12", "GRAFANA_LOKI_TOKEN=one", "GRAFANA_LOKI_TENANT=team",
			"GRAFANA_PROM_URL=https://prom.example.com/api/prom/push", "GRAFANA_PROM_TOKEN=two", "GRAFANA_PROM_TENANT=team",
			"ENVIRONMENT=prod", "LIGHTER_EXTERNAL_LABELS=a=b,c=quo\"te", "LIGHTER_HOST=host-1", "LIGHTER_HOST_METRICS=on",
			"LIGHTER_SCRAPE_TARGETS=api:3000,https://worker:9100/custom", "LIGHTER_INCLUDE=api*,web", "LIGHTER_EXCLUDE=test?",
			"HTTPS_PROXY=http://user:word@proxy:3128", "LIGHTER_LOG_LEVEL=debug", "LIGHTER_LOG_FORMAT=logfmt",
		},
		"everything said": {
			"GRAFANA_LOKI_URL=http://loki:3100", "GRAFANA_PROM_URL=http://mimir:9009/api/v1/push", "LIGHTER_REMOTE_WRITE=2",
			"LIGHTER_NATIVE_HISTOGRAMS=on", "LIGHTER_MULTILINE=^\\d+ \"x\"", "LIGHTER_REDACT=off", "LIGHTER_DROP=health\n^debug \\d+",
			"LIGHTER_FIELDS=trace_id,user=ctx.user.id", "LIGHTER_LOG_METRICS=requests_total{path} = count(msg=\"request\")",
			"LIGHTER_LOG_METRICS_SERIES=7", "LIGHTER_SCRAPE_INTERVAL=7s", "LIGHTER_SCRAPE_TIMEOUT=3s", "LIGHTER_METRICS_PATH=/m",
			"LIGHTER_SCRAPE_SAMPLE_LIMIT=100", "LIGHTER_SCRAPE_BODY_LIMIT=3MiB", "LIGHTER_LOGS_SINCE=0", "LIGHTER_MAX_LINE=10KiB",
			"LIGHTER_RESOURCE_INTERVAL=33s", "DOCKER_HOST=tcp://engine:2376", "LIGHTER_LOG_SOURCE=socket",
		},
		"files":        {"GRAFANA_LOKI_URL=http://loki:3100", "LIGHTER_LOG_SOURCE=file", "LIGHTER_DOCKER_ROOT=/docker"},
		"no telemetry": {"GRAFANA_PROM_URL=http://mimir:9009/api/v1/push", "LIGHTER_SELF_METRICS=off", "LIGHTER_CONTAINER_METRICS=off"},
	} {
		t.Run(name, func(t *testing.T) {
			want, _, err := env.FromEnv(environ, os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			secrets := map[string]string{"loki token": "one", "prometheus token": "two", "loki proxy": "http://user:word@proxy:3128", "prometheus proxy": "http://user:word@proxy:3128"}
			text, err := Print(want, PrintOptions{Secret: func(node, what string) string { return `sys.env("` + node + " " + what + `")` }})
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range secrets {
				if strings.Contains(string(text), `"`+secret+`"`) {
					t.Errorf("the text has the secret %q in it", secret)
				}
			}
			file := filepath.Join(t.TempDir(), "printed.alloy")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Load(file, Options{
				Agent:  config.Agent{DataDir: want.Agent.DataDir, BufferMax: want.Agent.BufferMax, Host: want.Agent.Host},
				Getenv: func(name string) (string, bool) { v, ok := secrets[name]; return v, ok },
			})
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if len(got.Warnings) > 0 {
				t.Errorf("warnings: %v", got.Warnings)
			}
			if got.Plan.Agent.LogLevel != want.Agent.LogLevel || got.Plan.Agent.LogFormat != want.Agent.LogFormat {
				t.Errorf("logging is %v %v, want %v %v", got.Plan.Agent.LogLevel, got.Plan.Agent.LogFormat, want.Agent.LogLevel, want.Agent.LogFormat)
			}
			compareNodes(t, want, got.Plan, string(text))
		})
	}
}

// compareNodes compares each node of a plan with the node that the printed text makes, by their hashes.
func compareNodes(t *testing.T, want, got *config.Plan, text string) {
	t.Helper()
	if len(want.Nodes) != len(got.Nodes) {
		t.Errorf("%d nodes, want %d", len(got.Nodes), len(want.Nodes))
	}
	plain := func(name string) string {
		if strings.HasSuffix(name, ".static") {
			return "static"
		}
		return name[strings.LastIndexByte(name, '.')+1:]
	}
	byName := map[string]config.Node{}
	for _, n := range got.Nodes {
		byName[plain(n.Name)] = plainNode(n, plain)
	}
	for _, n := range want.Nodes {
		other, ok := byName[n.Name]
		if !ok {
			t.Errorf("there is no node %q in\n%s", n.Name, text)
			continue
		}
		n = plainNode(n, plain)
		slices.Sort(n.From)
		slices.Sort(other.From)
		if n.Hash() != other.Hash() || !slices.Equal(n.To, other.To) {
			t.Errorf("node %q:\n%+v\nwant\n%+v", n.Name, other, n)
		}
	}
}

// plainNode returns a node with normalized names of nodes. Settings that mean the same are made equal.
func plainNode(n config.Node, plain func(string) string) config.Node {
	n.Name = plain(n.Name)
	all := func(names []string) (out []string) {
		for _, name := range names {
			out = append(out, plain(name))
		}
		return out
	}
	n.From, n.To = all(n.From), all(n.To)
	switch c := n.Args.(type) {
	case config.Relabel:
		c.Origin = nil // where a rule came from is for messages
		n.Args = c
	case config.LogSource:
		c.Engine = plain(c.Engine)
		n.Args = c
	case config.ContainerMetrics:
		c.Engine = plain(c.Engine)
		n.Args = c
	case scrape.Config:
		c.Name, c.Job = "", ""
		n.Args = c
	case docker.Config:
		c.Name = ""
		n.Args = c
	case loki.Config:
		c.Name = ""
		c.HTTP.ProxyURL, c.Proxy = oneProxy(c.HTTP.ProxyURL, c.Proxy)
		n.Args = c
	case remotewrite.Config:
		c.Name = ""
		c.HTTP.ProxyURL, c.Proxy = oneProxy(c.HTTP.ProxyURL, c.Proxy)
		n.Args = c
	}
	return n
}

// oneProxy returns a configuration with the proxy in the field that the environment's plan uses.
func oneProxy(u promconfig.URL, proxy lighter.Secret) (promconfig.URL, lighter.Secret) {
	if u.URL == nil {
		return u, proxy
	}
	return promconfig.URL{}, lighter.Secret(u.URL.String())
}
