package agent

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/config"
)

// giveLabels is the advice about streams without labels.
const giveLabels = "Loki refuses streams without labels: give the source labels, or rules that make a label of the target's, such as container of __meta_docker_container_name"

// unlabelled drops those streams of a target that get no label on a path, because Loki refuses them.
func (t *logTarget) unlabelled(plan *config.Plan, p path) {
	if !t.out.IsEmpty() && !t.err.IsEmpty() || sendsUnlabelled(plan, p.endpoint) || mayLabel(p) {
		return
	}
	for _, s := range []struct {
		labels labels.Labels
		out    *bool
	}{{t.out, &t.noOut}, {t.err, &t.noErr}, {t.events, &t.noEvents}} {
		if s.labels.IsEmpty() && !*s.out {
			*s.out, t.noLabels = true, true
		}
	}
}

// leftOut reports whether nothing of the log is shipped.
func (t logTarget) leftOut() bool { return t.noOut && (t.noErr || t.container.TTY) }

// sayUnlabelled logs a warning for each container that is not shipped because its streams have no label.
func (a *Agent) sayUnlabelled(before, wanted map[string]followed) {
	for key, f := range wanted {
		if f.target.noLabels && !before[key].target.noLabels {
			a.o.Logger.Warn("the container's log is not shipped, because its streams have no label; "+giveLabels, "container", f.target.container.Name, "source", f.path.source.Name)
		}
	}
}

// ending returns the endpoint of a path. Entries whose stream has no label after the stages are dropped
// before they reach it, because Loki would refuse them.
func (a *Agent) ending(g *graph, p path) lighter.Logs {
	end := a.counted(g.part(p.endpoint))
	_, ofContainers := p.source.Args.(config.LogSource)
	if sendsUnlabelled(g.plan, p.endpoint) || ofContainers && !mayLabel(p) {
		return end
	}
	return &labelled{next: end, lines: a.metrics.unlabelled, logger: a.o.Logger.With("source", p.source.Name, "endpoint", p.endpoint)}
}

// labelled drops entries of streams without labels.
type labelled struct {
	next   lighter.Logs
	lines  prometheus.Counter
	logger *slog.Logger
	said   sync.Once
}

// Append implements lighter.Logs.
func (l *labelled) Append(ctx context.Context, b *lighter.Batch) error {
	if !slices.ContainsFunc(b.Streams, hasNoLabel) {
		return l.next.Append(ctx, b)
	}
	n := len(b.Entries)
	b.Entries = slices.DeleteFunc(b.Entries, func(e lighter.Entry) bool { return hasNoLabel(b.Streams[e.Stream]) })
	if n -= len(b.Entries); n > 0 {
		b.LeaveOut(n)
		l.lines.Add(float64(n))
		l.said.Do(func() { l.logger.Warn("log entries without labels are left out; "+giveLabels, "entries", n) })
	}
	if len(b.Entries) == 0 {
		return nil
	}
	return l.next.Append(ctx, b)
}

func hasNoLabel(s *lighter.Stream) bool {
	if s == nil {
		return false // its entries were dropped
	}
	none := true
	s.Labels.Range(func(l labels.Label) {
		none = none && (l.Value == "" || strings.HasPrefix(l.Name, "__"))
	})
	return none
}
