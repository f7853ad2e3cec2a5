package alloy

import (
	"maps"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
)

// LokiSourceJournal are the arguments of loki.source.journal.
type LokiSourceJournal struct {
	FormatAsJSON   bool                   `alloy:"format_as_json,attr,optional"`
	MaxAge         time.Duration          `alloy:"max_age,attr,optional"`
	Path           string                 `alloy:"path,attr,optional"`
	RelabelRules   Rules                  `alloy:"relabel_rules,attr,optional"`
	Matches        string                 `alloy:"matches,attr,optional"`
	ForwardTo      []LogsReceiver         `alloy:"forward_to,attr"`
	Labels         map[string]string      `alloy:"labels,attr,optional"`
	LegacyPosition *JournalLegacyPosition `alloy:"legacy_position,block,optional"`
}

// JournalLegacyPosition is a legacy_position block.
type JournalLegacyPosition struct {
	File string `alloy:"file,attr"`
	Name string `alloy:"name,attr"`
}

// SetToDefault sets Alloy's defaults.
func (a *LokiSourceJournal) SetToDefault() { *a = LokiSourceJournal{MaxAge: 7 * time.Hour} }

var lokiSourceJournal = kindOf(func(b *builder, a *LokiSourceJournal) map[string]any {
	to := logNodes(a.ForwardTo)
	if len(to) == 0 {
		b.noReceiver("forward_to")
		return nil
	}
	all := map[string]string{"job": b.alloyID()} // as in Alloy until 1.18; in 1.19 the job cannot be changed
	maps.Copy(all, a.Labels)
	b.add(config.Node{Name: b.name(""), To: to, Args: config.JournalSource{
		Path:         a.Path,
		MaxAge:       a.MaxAge,
		Matches:      a.Matches,
		JSON:         a.FormatAsJSON,
		Labels:       labels.FromMap(all),
		Rules:        a.RelabelRules,
		MaxLineBytes: b.l.MaxLineBytes,
	}})
	return nil
}).without(map[string]string{
	"legacy_position": "Promtail's position in the journal is not taken over; max_age sets how far back the journal is read",
})
