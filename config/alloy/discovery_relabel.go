package alloy

import "lighter/config"

// DiscoveryRelabel are the arguments of discovery.relabel.
type DiscoveryRelabel struct {
	Targets []Target `alloy:"targets,attr"`
	Rules   []*Rule  `alloy:"rule,block,optional"`
}

var discoveryRelabel = kindOf(func(b *builder, a *DiscoveryRelabel) map[string]any {
	rules := relabelRules(a.Rules)
	exports := map[string]any{"output": []Target{}, "rules": rules}
	if len(a.Targets) == 0 { // it exists for its rules
		return exports
	}
	node := b.add(config.Node{Name: b.name(""), From: b.from(a.Targets), Args: config.Relabel{Rules: rules}})
	exports["output"] = []Target{{Node: node}}
	return exports
}, "output", "rules")
