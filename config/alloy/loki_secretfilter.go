package alloy

import (
	"errors"
	"time"

	"lighter/config"
)

// LokiSecretFilter are the arguments of loki.secretfilter. The agent's own redaction decides what a secret is and
// what replaces it.
type LokiSecretFilter struct {
	ForwardTo         []LogsReceiver `alloy:"forward_to,attr"`
	OriginLabel       string         `alloy:"origin_label,attr,optional"`
	RedactWith        string         `alloy:"redact_with,attr,optional"`
	RedactPercent     uint           `alloy:"redact_percent,attr,optional"`
	GitleaksConfig    string         `alloy:"gitleaks_config,attr,optional"`
	Rate              float64        `alloy:"rate,attr,optional"`
	ProcessingTimeout time.Duration  `alloy:"processing_timeout,attr,optional"`
	DropOnTimeout     bool           `alloy:"drop_on_timeout,attr,optional"`
	LabelTimedOut     bool           `alloy:"label_timed_out,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *LokiSecretFilter) SetToDefault() { *a = LokiSecretFilter{Rate: 1, RedactPercent: 80} }

// Validate reports the errors that Alloy reports.
func (a *LokiSecretFilter) Validate() error {
	if a.Rate < 0 || a.Rate > 1 {
		return errors.New("rate must be from 0 to 1")
	}
	return nil
}

var lokiSecretFilter = kindOf(func(b *builder, a *LokiSecretFilter) map[string]any {
	return b.stages(a.ForwardTo, config.Redact{})
}, "receiver").without(map[string]string{
	"origin_label":       "redacted secrets are counted by their kind",
	"redact_with":        "a secret is replaced by lighter's own word for its kind",
	"redact_percent":     "a secret is always replaced completely",
	"rate":               "every entry is examined",
	"processing_timeout": "the time for an entry is limited by its length",
	"drop_on_timeout":    "the time for an entry is limited by its length",
	"label_timed_out":    "the time for an entry is limited by its length",
}).refusing(map[string]string{
	"gitleaks_config": "write patterns of your own as stage.replace in a loki.process",
})
