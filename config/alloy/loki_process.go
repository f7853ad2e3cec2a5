package alloy

import (
	"lighter/collector/stage/process"
	"lighter/config"
)

// LokiProcess are the arguments of loki.process.
type LokiProcess struct {
	ForwardTo []LogsReceiver  `alloy:"forward_to,attr"`
	Stages    []process.Stage `alloy:"stage,enum,optional"`
}

var lokiProcess = kindOf(func(b *builder, a *LokiProcess) map[string]any {
	return b.stages(a.ForwardTo, process.Arguments{Stages: a.Stages})
}, "receiver").refusing(map[string]string{
	"stage.eventlogmessage": "remove the stage, or parse such a message with stage.regex",
	"stage.windowsevent":    "remove the stage, or parse such a message with stage.regex",
}).but(map[string]string{
	"stage.cri":                           "a partial line is passed on when its log ends",
	"stage.match":                         "it can contain all stages, with the same differences",
	"stage.metrics.metric.counter.action": "a negative value is ignored",
	"stage.multiline.max_wait_time":       "a block also ends between two lines whose times are that far apart",
	"stage.sampling.rate":                 "a hash of the entry decides whether it is kept",
	"stage.template.template":             "it produces at most 4 MiB for an entry",
	"stage.timestamp.action_on_failure":   "the last timestamps of 256 label sets are remembered for each log",
	"stage.timestamp.format":              "if it has no year, the year of the entry's own time is used",
})

// LokiRelabel are the arguments of loki.relabel.
type LokiRelabel struct {
	ForwardTo    []LogsReceiver `alloy:"forward_to,attr"`
	Rules        []*Rule        `alloy:"rule,block,optional"`
	MaxCacheSize int            `alloy:"max_cache_size,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *LokiRelabel) SetToDefault() { *a = LokiRelabel{MaxCacheSize: 10_000} }

var lokiRelabel = kindOf(func(b *builder, a *LokiRelabel) map[string]any {
	rules := relabelRules(a.Rules)
	exports := b.stages(a.ForwardTo, config.RelabelStreams{Rules: rules})
	exports["rules"] = rules
	return exports
}, "receiver", "rules").without(map[string]string{
	"max_cache_size": "the rules are applied once to each stream, and the result is kept with it",
})

// stages makes the node of a component that receives entries and passes them on, and returns its exports. If the
// component sends to nothing, it has no node, and the entries that it receives are dropped.
func (b *builder) stages(forwardTo []LogsReceiver, stage any) map[string]any {
	receiver := LogsReceiver{Component: b.entry.component.ID}
	if to := logNodes(forwardTo); len(to) > 0 {
		receiver.Nodes = []string{b.add(config.Node{Name: b.name(""), To: to, Args: config.Stages{List: []any{stage}}})}
	}
	return map[string]any{"receiver": receiver}
}

// LokiEcho are the arguments of loki.echo.
type LokiEcho struct{}

var lokiEcho = kindOf(func(b *builder, _ *LokiEcho) map[string]any {
	node := b.add(config.Node{Name: b.name(""), Args: config.Echo{}})
	return map[string]any{"receiver": LogsReceiver{b.entry.component.ID, []string{node}}}
}, "receiver")
