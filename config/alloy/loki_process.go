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
	"stage.eventlogmessage": "remove the stage, or take such a message apart with stage.regex",
	"stage.windowsevent":    "remove the stage, or take such a message apart with stage.regex",
}).but(map[string]string{
	"stage.cri":                           "a partial line is handed on when its log ends",
	"stage.match":                         "it takes all stages, with what is said of them here",
	"stage.metrics.metric.counter.action": "a negative value is ignored",
	"stage.multiline.max_wait_time":       "a block also ends where the times of two lines are that far apart",
	"stage.sampling.rate":                 "whether an entry is kept follows from a hash of it",
	"stage.template.template":             "it makes at most 4 MiB of an entry",
	"stage.timestamp.action_on_failure":   "the last times of 256 label sets are kept for each log",
	"stage.timestamp.format":              "where it has no year, the entry's own time gives it",
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
	"max_cache_size": "the labels of a stream are changed once and kept with it",
})

// stages makes the node of a component that takes entries and sends them on, and returns its exports. Where
// it sends to nothing, what is sent to it ends there, and the component has no node.
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
