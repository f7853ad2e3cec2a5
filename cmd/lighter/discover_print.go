package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/cmd/lighter/agent"
)

// printPreview prints a preview for people: a block per container.
func printPreview(w io.Writer, d agent.Preview) error {
	out := bufio.NewWriter(w)
	if len(d.Containers) == 0 {
		fmt.Fprintln(out, "There are no containers.")
	}
	for _, c := range d.Containers {
		state := "running"
		if !c.Running {
			state = "not running"
		}
		fmt.Fprintf(out, "%s  %.12s  %s\n", c.Name, c.ID, state)
		for _, set := range c.Streams {
			fmt.Fprintf(out, "  logs     %s\n", labels.FromMap(set))
		}
		if c.LogsSkipped != "" {
			fmt.Fprintf(out, "  logs     skipped: %s\n", c.LogsSkipped)
		}
		printTargets(out, c.Targets)
		if c.MetricsSkipped != "" {
			fmt.Fprintf(out, "  metrics  skipped: %s\n", c.MetricsSkipped)
		}
	}
	for _, s := range d.Sources {
		fmt.Fprintf(out, "%s  %s\n", s.Kind, s.Name)
		for _, set := range s.Streams {
			fmt.Fprintf(out, "  logs     %s\n", labels.FromMap(set))
		}
	}
	if len(d.Static) > 0 {
		fmt.Fprintln(out, "named by settings")
		printTargets(out, d.Static)
	}
	return out.Flush()
}

func printTargets(w io.Writer, targets []agent.PreviewTarget) {
	for _, t := range targets {
		if t.Error != "" {
			fmt.Fprintf(w, "  metrics  skipped: %s\n", t.Error)
			continue
		}
		to := ""
		if len(t.Endpoints) > 0 {
			to = "  to " + strings.Join(t.Endpoints, ", ")
		}
		fmt.Fprintf(w, "  metrics  %s every %s  %s%s\n", t.URL, t.Interval, labels.FromMap(t.Labels), to)
	}
}
