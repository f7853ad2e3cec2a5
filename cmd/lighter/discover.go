package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/spf13/cobra"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/discovery/dockerfiles"
)

// discoverTimeout bounds all that discover asks of the Engine.
const discoverTimeout = 30 * time.Second

// discovered is what would be shipped from this host.
type discovered struct {
	Containers []discoveredContainer `json:"containers"`
	Static     []discoveredTarget    `json:"staticTargets"` // those that settings name
}

// discoveredContainer is one container. Where nothing of it is shipped, the reason stands
// in its place.
type discoveredContainer struct {
	ID             string              `json:"id"`
	Name           string              `json:"name"`
	Running        bool                `json:"running"`
	Streams        []map[string]string `json:"streams"` // the labels of each
	LogsSkipped    string              `json:"logsSkipped,omitempty"`
	Targets        []discoveredTarget  `json:"targets"`
	MetricsSkipped string              `json:"metricsSkipped,omitempty"`
}

// discoveredTarget is one address that would be scraped.
type discoveredTarget struct {
	URL      string            `json:"url"`
	Interval string            `json:"interval"`
	Labels   map[string]string `json:"labels"`          // of its series
	Error    string            `json:"error,omitempty"` // why it cannot be scraped; the rest is empty then
}

func (c *cli) discoverCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "Print what would be shipped from this host, and why something is skipped",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, warnings, err := config.FromEnv(c.environ, os.ReadFile)
			for _, w := range warnings {
				fmt.Fprintln(c.stderr, "lighter: warning:", w)
			}
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), discoverTimeout)
			defer cancel()
			found := map[string][]lighter.Target{}
			for _, d := range plan.Docker {
				if found[d.Name], err = listTargets(ctx, d); err != nil {
					return err
				}
			}
			for _, f := range plan.Files {
				if found[f.Name], err = dockerfiles.New(f.Root, slog.New(slog.DiscardHandler)).List(); err != nil {
					return err
				}
			}
			what := preview(plan, found, time.Now())
			if asJSON {
				return json.NewEncoder(c.stdout).Encode(what)
			}
			return what.print(c.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// listTargets asks an Engine once.
func listTargets(ctx context.Context, c docker.Config) (targets []lighter.Target, err error) {
	logger := slog.New(slog.DiscardHandler) // whoever asks once gets the error, not its history
	client, err := docker.NewClient(c, logger)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return docker.New(c, client, logger).List(ctx)
}

// preview says what the plan makes of the targets that each discovery has found.
func preview(p *config.Plan, found map[string][]lighter.Target, now time.Time) discovered {
	what := discovered{Containers: []discoveredContainer{}, Static: []discoveredTarget{}}
	for _, name := range containerSources(p) {
		for _, of := range byContainer(found[name]) {
			c := of[0].Container
			shown := discoveredContainer{ID: c.ID, Name: c.Name, Running: c.Running, Streams: []map[string]string{}, Targets: []discoveredTarget{}}
			shown.Streams, shown.LogsSkipped = previewLogs(p, name, of, now)
			shown.Targets, shown.MetricsSkipped = previewScrapes(p, name, of)
			what.Containers = append(what.Containers, shown)
		}
	}
	for _, s := range p.Static {
		targets := make([]lighter.Target, len(s.Targets))
		for i, l := range s.Targets {
			targets[i] = lighter.Target{Labels: l}
		}
		list, _ := previewScrapes(p, s.Name, targets)
		what.Static = append(what.Static, list...)
	}
	return what
}

// containerSources returns the names of the discoveries that find containers.
func containerSources(p *config.Plan) (names []string) {
	for _, d := range p.Docker {
		names = append(names, d.Name)
	}
	for _, f := range p.Files {
		names = append(names, f.Name)
	}
	return names
}

// byContainer gathers the targets of each container, in the order of the containers' names.
func byContainer(targets []lighter.Target) [][]lighter.Target {
	var all [][]lighter.Target
	at := map[string]int{}
	for _, t := range targets {
		if t.Container == nil {
			continue
		}
		i, ok := at[t.Container.ID]
		if !ok {
			i = len(all)
			at[t.Container.ID] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], t)
	}
	slices.SortFunc(all, func(a, b []lighter.Target) int {
		return strings.Compare(a[0].Container.Name+"\x00"+a[0].Container.ID, b[0].Container.Name+"\x00"+b[0].Container.ID)
	})
	return all
}

// previewLogs returns the labels of the container's streams as each endpoint gets them.
func previewLogs(p *config.Plan, from string, of []lighter.Target, now time.Time) (streams []map[string]string, why string) {
	streams = []map[string]string{}
	for _, source := range p.Logs {
		arrived, left := arrive(p, source.From, from, of)
		if len(arrived) == 0 {
			why = left
			continue
		}
		if why = unreadable(of[0].Container, source, now); why != "" {
			continue
		}
		for _, t := range logTargets(source, arrived) {
			sets := []struct {
				labels labels.Labels
				leave  bool
			}{{t.out, t.noOut}, {t.err, t.noErr || t.container.TTY}}
			for _, set := range sets {
				if set.leave {
					continue
				}
				for _, external := range externalLabels(p, source.To) {
					b := labels.NewBuilder(external)
					set.labels.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
					streams = append(streams, b.Labels().Map())
				}
			}
		}
	}
	if len(streams) > 0 {
		return streams, ""
	}
	if why == "" {
		why = "the settings ship no logs"
	}
	return streams, why
}

// externalLabels returns those of each named endpoint, and of none where logs stay here.
func externalLabels(p *config.Plan, names []string) []labels.Labels {
	var all []labels.Labels
	for _, e := range p.Loki {
		if slices.Contains(names, e.Name) {
			all = append(all, e.ExternalLabels)
		}
	}
	if all == nil {
		all = append(all, labels.EmptyLabels())
	}
	return all
}

// previewScrapes returns the addresses that would be scraped.
func previewScrapes(p *config.Plan, from string, of []lighter.Target) (targets []discoveredTarget, why string) {
	targets = []discoveredTarget{}
	for _, s := range p.Scrapes {
		var arrived []lighter.Target
		arrived, why = arrive(p, s.From, from, of)
		if c := of[0].Container; c != nil && !c.Running {
			why = "it does not run"
		}
		for _, t := range scrapeTargets(arrived) {
			loop, err := scrape.New(t, s.Config, scrape.Options{})
			if err != nil {
				targets = append(targets, discoveredTarget{Labels: map[string]string{}, Error: err.Error()})
				continue
			}
			interval := t.Labels.Get("__scrape_interval__")
			if interval == "" {
				interval = s.Interval.String()
			}
			status := loop.Status()
			targets = append(targets, discoveredTarget{URL: status.URL, Interval: interval, Labels: status.Labels.Map()})
		}
	}
	if len(targets) > 0 {
		return targets, ""
	}
	if why == "" {
		why = "the settings scrape nothing"
	}
	return targets, why
}
