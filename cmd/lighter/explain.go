package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lighter/collector/scrape"
	"lighter/config"
	"lighter/config/alloy"
	"lighter/config/env"
	"lighter/discovery/dns"
	"lighter/discovery/docker"
	"lighter/discovery/file"
	"lighter/discovery/http"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

func (c *cli) explainCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "explain [FILE|DIR]",
		Short: "Print what will run: each node, its inputs and its outputs",
		Args:  fileArgument(atMostOne),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.explain(cmd.Context(), flags, args)
		},
	}
	flags.ignored(cmd.Flags())
	return cmd
}

func (c *cli) explain(ctx context.Context, flags runFlags, args []string) error {
	if len(args) == 0 {
		plan, warnings, err := env.FromEnv(c.environ, fileReader(ctx))
		for _, w := range warnings {
			fmt.Fprintln(c.stderr, "lighter: warning:", w)
		}
		if err != nil {
			return err
		}
		return explainPlan(c.stdout, plan)
	}
	f, settings, err := c.loadFile(ctx, flags, args[0], true)
	if err != nil {
		return c.sayDiagnostics(err)
	}
	if err := explainPlan(c.stdout, f.Plan); err != nil {
		return err
	}
	for _, w := range settings {
		fmt.Fprintf(c.stdout, "\n%s\n", w)
	}
	found := warnings(f)
	if len(found) == 0 {
		return nil
	}
	fmt.Fprintln(c.stdout, "\nWarnings")
	return alloy.Fprint(c.stdout, found)
}

// explainPlan prints each node of a plan: what it does, where its input comes from and where its output
// goes.
func explainPlan(w io.Writer, p *config.Plan) error {
	out := bufio.NewWriter(w)
	takers := map[string][]string{}
	for _, n := range p.Nodes {
		for _, from := range n.From {
			takers[from] = append(takers[from], n.Name)
		}
	}
	senders := map[string][]string{}
	for _, n := range p.Nodes {
		for _, to := range n.To {
			senders[to] = append(senders[to], n.Name)
		}
	}
	for i, n := range p.Nodes {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s\n  %s\n", n.Name, whatItDoes(n.Args))
		from, to := slices.Concat(n.From, senders[n.Name]), slices.Concat(n.To, takers[n.Name])
		if len(from) > 0 {
			fmt.Fprintf(out, "  from  %s\n", strings.Join(from, ", "))
		}
		switch {
		case len(to) > 0:
			fmt.Fprintf(out, "  to    %s\n", strings.Join(to, ", "))
		case givesTargets(n.Args):
			fmt.Fprintln(out, "  to    nothing: no node uses it")
		}
		if len(from) == 0 && isEnd(n.Args) {
			fmt.Fprintln(out, "  from  nothing: no node sends to it")
		}
	}
	return out.Flush()
}

// isEnd reports whether a node has no output.
func isEnd(args any) bool {
	switch args.(type) {
	case loki.Config, remotewrite.Config, config.Recent, config.Echo, config.Stages, config.MetricRelabel:
		return true
	}
	return false
}

func givesTargets(args any) bool {
	switch args.(type) {
	case docker.Config, file.Config, http.Config, dns.Config, config.Files, config.Static, config.Self, config.HostMetrics, config.ContainerMetrics, config.LogMetricsPage, config.Relabel, config.FileMatch:
		return true
	}
	return false
}

// whatItDoes describes the purpose of a node in a few words.
func whatItDoes(args any) string {
	switch c := args.(type) {
	case docker.Config:
		return "finds the containers of the Engine at " + hostOf(c.Host)
	case file.Config:
		return "finds targets in the files " + strings.Join(c.Files, ", ")
	case http.Config:
		return "finds targets by asking " + hostOf(c.URL)
	case dns.Config:
		return fmt.Sprintf("finds targets in the %s records of %s", c.Type, strings.Join(c.Names, ", "))
	case config.Files:
		return "finds containers in the data directory " + c.Root
	case config.Static:
		var addresses []string
		for _, t := range c.Targets {
			addresses = append(addresses, t.Get("__address__")+t.Get("__path__"))
		}
		return "static targets: " + strings.Join(addresses, ", ")
	case config.Self:
		return "the agent's own metrics"
	case config.HostMetrics:
		return "metrics of the host"
	case config.ContainerMetrics:
		return "metrics of containers"
	case config.LogMetricsPage:
		return "metrics that were counted from logs"
	case config.Relabel:
		return fmt.Sprintf("changes the labels of targets, by %s", plural(len(c.Rules), "rule"))
	case config.FileMatch:
		return "finds files by the patterns of its targets"
	case config.LogSource:
		return "reads the logs of the containers among its targets"
	case config.FileSource:
		return "reads the files among its targets"
	case config.JournalSource:
		return "reads the journal"
	case config.SyslogSource:
		var addresses []string
		for _, l := range c.Listeners {
			addresses = append(addresses, l.Protocol+" "+l.Address)
		}
		return "listens for syslog messages on " + strings.Join(addresses, ", ")
	case config.PushSource:
		return "serves Loki's push API on " + c.Listen
	case config.AgentLog:
		return "the agent's own log"
	case config.Stages:
		return fmt.Sprintf("changes log entries, by %s", plural(len(c.List), "stage"))
	case scrape.Config:
		return fmt.Sprintf("scrapes its targets every %s", c.Interval)
	case config.MetricRelabel:
		return fmt.Sprintf("changes the labels of series, by %s", plural(len(c.Rules), "rule"))
	case loki.Config:
		return "sends logs to " + hostOf(c.URL)
	case remotewrite.Config:
		return "sends metrics to " + hostOf(c.URL)
	case config.Recent:
		return "keeps the newest lines and samples for the status page"
	case config.Echo:
		return "writes log entries to the agent's own log"
	}
	return fmt.Sprintf("%T", args)
}

// hostOf returns a URL without the parts that may be secret.
func hostOf(address string) string {
	if address == alloy.UnsetURL || address == alloy.UnsetHost {
		return "an address that is not known here"
	}
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be parsed"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
