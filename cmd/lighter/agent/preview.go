package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/discovery/dockerfiles"
)

// Preview is what would be shipped from this host.
type Preview struct {
	Containers []PreviewContainer `json:"containers"`
	Sources    []PreviewSource    `json:"sources,omitempty"` // logs that are not containers' logs
	Static     []PreviewTarget    `json:"staticTargets"`     // targets in the settings
}

// PreviewContainer is one container. If nothing of it is shipped, it has the reason instead.
type PreviewContainer struct {
	ID             string              `json:"id"`
	Name           string              `json:"name"`
	Running        bool                `json:"running"`
	Streams        []map[string]string `json:"streams"` // the labels of each
	LogsSkipped    string              `json:"logsSkipped,omitempty"`
	Targets        []PreviewTarget     `json:"targets"`
	MetricsSkipped string              `json:"metricsSkipped,omitempty"`
}

// PreviewSource is a log that is not a container's, or a listener.
type PreviewSource struct {
	Kind    string              `json:"kind"`              // as in the status
	Name    string              `json:"name"`              // a file's path, or the addresses of a listener
	Streams []map[string]string `json:"streams,omitempty"` // the labels of each, if known in advance
}

// PreviewTarget is one address that would be scraped.
type PreviewTarget struct {
	URL      string            `json:"url"`
	Interval string            `json:"interval"`
	Labels   map[string]string `json:"labels"` // of its series
	// Endpoints are the names of the endpoints that get its samples, if there are several.
	Endpoints []string `json:"endpoints,omitempty"`
	Error     string   `json:"error,omitempty"` // why it cannot be scraped; the other fields are empty then
}

// NewPreview runs each discovery of a plan once, and returns what the plan would ship.
func NewPreview(ctx context.Context, p *config.Plan) (Preview, error) {
	found, err := list(ctx, p)
	if err != nil {
		return Preview{}, err
	}
	return preview(p, found, time.Now()), nil
}

// ShippedContainers runs each discovery of a plan once, and returns the containers whose logs would be
// shipped.
func ShippedContainers(ctx context.Context, p *config.Plan) ([]*lighter.Container, error) {
	found, err := list(ctx, p)
	if err != nil {
		return nil, err
	}
	e := evaluate(p, found, lookForFiles)
	var all []*lighter.Container
	seen := map[string]bool{}
	for n, s := range config.All[config.LogSource](p) {
		for _, t := range logTargets(s, e.inputs(n)) {
			if unreadable(t.container, s, time.Now()) == "" && !seen[t.container.ID] {
				seen[t.container.ID] = true
				all = append(all, t.container)
			}
		}
	}
	return all, nil
}

// list runs the container discoveries of a plan once each, and adds its static targets.
func list(ctx context.Context, p *config.Plan) (found map[string][]lighter.Target, err error) {
	found = map[string][]lighter.Target{}
	for n, c := range config.All[docker.Config](p) {
		if found[n.Name], err = listEngine(ctx, c); err != nil {
			return nil, err
		}
	}
	for n, f := range config.All[config.Files](p) {
		if found[n.Name], err = dockerfiles.New(f.Root, slog.New(slog.DiscardHandler)).List(); err != nil {
			return nil, err
		}
	}
	for n, s := range config.All[config.Static](p) {
		for _, l := range s.Targets {
			found[n.Name] = append(found[n.Name], lighter.Target{Labels: l})
		}
	}
	return found, nil
}

// listEngine lists an Engine's targets once.
func listEngine(ctx context.Context, c docker.Config) (targets []lighter.Target, err error) {
	logger := slog.New(slog.DiscardHandler) // the caller gets the error, and needs no log
	client, err := docker.NewClient(c, logger)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return docker.New(c, client, logger).List(ctx)
}

// preview applies a plan to the targets that each discovery has found.
func preview(p *config.Plan, found map[string][]lighter.Target, now time.Time) Preview {
	e := evaluate(p, found, lookForFiles)
	shown := Preview{Containers: []PreviewContainer{}, Static: []PreviewTarget{}}
	for _, c := range containersIn(p, found) {
		pc := PreviewContainer{ID: c.ID, Name: c.Name, Running: c.Running}
		pc.Streams, pc.LogsSkipped = e.previewLogs(c, now)
		pc.LogsSkipped = config.NameSettings(pc.LogsSkipped)
		pc.Targets, pc.MetricsSkipped = e.previewScrapes(func(t lighter.Target) bool { return t.Container != nil && t.Container.ID == c.ID })
		if !c.Running && len(pc.Targets) == 0 && config.Has[scrape.Config](p) {
			pc.MetricsSkipped = "it does not run"
		}
		shown.Containers = append(shown.Containers, pc)
	}
	shown.Sources = e.previewSources()
	for n := range config.All[config.Static](p) {
		for _, target := range found[n.Name] {
			targets, _ := e.previewScrapes(func(t lighter.Target) bool { return t.Container == nil && labels.Equal(t.Labels, target.Labels) })
			shown.Static = append(shown.Static, targets...)
		}
	}
	return shown
}

// containersIn returns the containers among the discovered targets, ordered by discovery and name.
func containersIn(p *config.Plan, found map[string][]lighter.Target) []*lighter.Container {
	var all []*lighter.Container
	seen := map[string]bool{}
	for _, n := range p.Nodes {
		from := len(all)
		for _, t := range found[n.Name] {
			if t.Container != nil && !seen[t.Container.ID] {
				seen[t.Container.ID] = true
				all = append(all, t.Container)
			}
		}
		slices.SortFunc(all[from:], func(a, b *lighter.Container) int {
			return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID)
		})
	}
	return all
}

// previewLogs returns the labels of a container's streams at each endpoint, or why there are none.
func (e *evaluation) previewLogs(c *lighter.Container, now time.Time) (streams []map[string]string, why string) {
	streams = []map[string]string{}
	is := func(t lighter.Target) bool { return t.Container != nil && t.Container.ID == c.ID }
	for n, source := range config.All[config.LogSource](e.plan) {
		arrived := only(e.inputs(n), is)
		if len(arrived) == 0 {
			if dropped := e.why(n, is); dropped != "" {
				why = dropped
			}
			continue
		}
		if reason := unreadable(c, source, now); reason != "" {
			why = reason
			continue
		}
		labelled := slices.ContainsFunc(paths(e.plan), func(p path) bool { return p.source.Name == n.Name && mayLabel(p) })
		for _, t := range logTargets(source, arrived) {
			for _, set := range []struct {
				labels  labels.Labels
				leftOut bool
			}{{t.out, t.noOut}, {t.err, t.noErr || t.container.TTY}} {
				if set.leftOut {
					continue
				}
				for _, sent := range sentStreams(e.plan, endpoints(e.plan, n), set.labels) {
					if sent.IsEmpty() && !labelled {
						why = giveLabels
						continue
					}
					streams = append(streams, sent.Map())
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

// previewSources returns what is read besides the logs of containers, with the labels at each endpoint.
func (e *evaluation) previewSources() (shown []PreviewSource) {
	index := map[string]int{}
	for _, p := range paths(e.plan) {
		all := map[string]reading{}
		readings(e.plan, p, e.inputs(p.source), all)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			r := all[key]
			of := r.source.Name + "/" + r.name()
			i, known := index[of]
			if !known {
				i = len(shown)
				index[of] = i
				shown = append(shown, PreviewSource{Kind: r.kind(), Name: r.name()})
			}
			if l := r.stream(); !l.IsEmpty() {
				for _, sent := range sentStreams(e.plan, []string{p.endpoint}, l) {
					shown[i].Streams = append(shown[i].Streams, sent.Map())
				}
			}
		}
	}
	return shown
}

// previewScrapes returns the addresses to scrape among the targets of a kind, or why there are none.
func (e *evaluation) previewScrapes(is func(lighter.Target) bool) (shown []PreviewTarget, why string) {
	shown = []PreviewTarget{}
	for n, s := range config.All[scrape.Config](e.plan) {
		arrived := only(e.inputs(n), is)
		if len(arrived) == 0 {
			if dropped := e.why(n, is); dropped != "" {
				why = dropped
			}
			continue
		}
		for _, t := range scrapeTargets(arrived) {
			loop, err := scrape.New(t, s, scrape.Options{})
			if err != nil {
				shown = append(shown, PreviewTarget{Labels: map[string]string{}, Error: config.NameSettings(err.Error())})
				continue
			}
			interval := t.Labels.Get("__scrape_interval__")
			if interval == "" {
				interval = s.Interval.String()
			}
			status := loop.Status()
			shown = append(shown, PreviewTarget{URL: status.URL, Interval: interval, Labels: sentSeries(e.plan, n, status.Labels).Map(), Endpoints: severalEndpoints(e.plan, n)})
		}
	}
	if len(shown) > 0 {
		return shown, ""
	}
	if why == "" {
		why = "the settings scrape nothing"
	}
	return shown, why
}

func only(targets []lighter.Target, is func(lighter.Target) bool) (kept []lighter.Target) {
	for _, t := range targets {
		if is(t) {
			kept = append(kept, t)
		}
	}
	return kept
}
