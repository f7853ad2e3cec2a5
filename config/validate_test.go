package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

func TestValidate(t *testing.T) {
	lokiConfig := loki.DefaultConfig()
	lokiConfig.URL = "http://loki.test/push"
	remoteConfig := remotewrite.DefaultConfig()
	remoteConfig.URL = "http://prom.test/write"
	source := config.LogSource{Engine: "engine", MaxLineBytes: 1000}
	engine := config.Node{Name: "engine", Args: docker.DefaultConfig()}
	sink := config.Node{Name: "loki", Args: lokiConfig}
	prom := config.Node{Name: "prom", Args: remoteConfig}
	logs := func(change func(*config.Node)) config.Node {
		n := config.Node{Name: "logs", From: []string{"engine"}, To: []string{"loki"}, Args: source}
		change(&n)
		return n
	}
	for name, tc := range map[string]struct {
		nodes []config.Node
		want  []string
	}{
		"nothing": {},
		"several sources into one endpoint, one source into several, and through stages": {nodes: []config.Node{engine, sink, {Name: "loki2", Args: lokiConfig},
			{Name: "stages", To: []string{"loki"}, Args: config.Stages{}},
			logs(func(n *config.Node) { n.To = []string{"loki", "loki2", "stages"} }), logs(func(n *config.Node) { n.Name = "more" })}},
		"a discovery without a consumer": {nodes: []config.Node{engine}},
		"sends nowhere":                  {nodes: []config.Node{engine, logs(func(n *config.Node) { n.To = nil })}, want: []string{`node "logs": to: names no node to send log entries to`}},
		"sends to nobody":                {nodes: []config.Node{engine, logs(func(n *config.Node) { n.To = []string{"lokki"} })}, want: []string{`node "logs": to: there is no node "lokki"`}},
		"sends twice":                    {nodes: []config.Node{engine, sink, logs(func(n *config.Node) { n.To = []string{"loki", "loki"} })}, want: []string{`node "logs": to: names "loki" twice`}},
		"sends the wrong thing":          {nodes: []config.Node{engine, prom, logs(func(n *config.Node) { n.To = []string{"prom"} })}, want: []string{`node "logs": to: "prom" takes no log entries`}},
		"takes from nobody":              {nodes: []config.Node{engine, sink, logs(func(n *config.Node) { n.From = []string{"engin"} })}, want: []string{`node "logs": from: there is no node "engin"`}},
		"takes nothing":                  {nodes: []config.Node{engine, sink, logs(func(n *config.Node) { n.From = nil })}, want: []string{`node "logs": from: names no node to take targets from`}},
		"takes from an endpoint":         {nodes: []config.Node{engine, sink, logs(func(n *config.Node) { n.From = []string{"loki"} })}, want: []string{`node "logs": from: "loki" gives no targets`}},
		"an endpoint that takes targets": {nodes: []config.Node{engine, {Name: "loki", From: []string{"engine"}, Args: lokiConfig}}, want: []string{`node "loki": from: it takes no targets`}},
		"an endpoint that sends":         {nodes: []config.Node{{Name: "loki", To: []string{"prom"}, Args: lokiConfig}, prom}, want: []string{`node "loki": to: it sends nothing`}},
		"two nodes of one name":          {nodes: []config.Node{engine, sink, sink}, want: []string{`node "loki": name: another node has it too`}},
		"no name":                        {nodes: []config.Node{{Args: lokiConfig}}, want: []string{`node "": name: is empty`}},
		"a name that is a path":          {nodes: []config.Node{{Name: "../loki", Args: lokiConfig}, {Name: "..", Args: lokiConfig}}, want: []string{`node "../loki": name: want only letters, digits, dots, hyphens and underscores`, `node "..": name: want only letters, digits, dots, hyphens and underscores`}},
		"no kind":                        {nodes: []config.Node{{Name: "what"}}, want: []string{`node "what": kind: there is no kind of node with arguments of type <nil>`}},
		"a cycle of relabels": {nodes: []config.Node{{Name: "a", From: []string{"b"}, Args: config.Relabel{}}, {Name: "b", From: []string{"a"}, Args: config.Relabel{}}},
			want: []string{`node "a": from: it is on a cycle: a -> b -> a`}},
		"a cycle of stages": {nodes: []config.Node{{Name: "a", To: []string{"b"}, Args: config.Stages{}}, {Name: "b", To: []string{"c"}, Args: config.Stages{}}, {Name: "c", To: []string{"b"}, Args: config.Stages{}}},
			want: []string{`node "b": to: it is on a cycle: b -> c -> b`}},
		"an Engine that is none": {nodes: []config.Node{engine, sink, logs(func(n *config.Node) { n.Args = config.LogSource{Engine: "loki", MaxLineBytes: 1} })},
			want: []string{`node "logs": engine: there is no node "loki" that asks an Engine`}},
		"nowhere to read": {nodes: []config.Node{engine, sink, logs(func(n *config.Node) { n.Args = config.LogSource{Since: -time.Second} })},
			want: []string{`node "logs": engine: neither an Engine nor a directory of log files is named`, `node "logs": max_line: want more than 0 bytes`, `node "logs": since: want 0 or more`}},
		"arguments of endpoints": {nodes: []config.Node{{Name: "loki", Args: loki.Config{URL: "ftp://x"}}, {Name: "prom", Args: remotewrite.Config{URL: "http://", Version: 3}}},
			want: []string{`node "loki": url: want http:// or https:// and a host`, `node "prom": url: want http:// or https:// and a host`, `node "prom": version: there is no version 3 of the protocol; want 1 or 2`}},
		"times of a scrape": {nodes: []config.Node{engine, prom,
			{Name: "one", From: []string{"engine"}, To: []string{"prom"}, Args: scrape.Config{}}, {Name: "two", From: []string{"engine"}, To: []string{"prom"}, Args: scrape.Config{Interval: time.Second, Timeout: 2 * time.Second}}},
			want: []string{`node "one": interval: want more than 0`, `node "two": timeout: want more than 0 and at most the interval, which is 1s`}},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&config.Plan{Agent: config.Agent{DataDir: "/data", BufferMax: 1}, Nodes: tc.nodes}).Validate()
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
				var one *config.NodeError
				if !errors.As(err, &one) {
					t.Errorf("%v is no NodeError", err)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}
