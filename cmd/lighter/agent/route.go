package agent

import (
	"slices"

	"lighter/config"
)

// route is one way through the graph: from a node, through others, to an endpoint.
type route struct {
	through  []config.Node
	endpoint string // the name of the endpoint's node
	// name is unique among the routes from the node. It is the endpoint's name, followed by the names of the
	// nodes in between if several routes lead to the endpoint.
	name string
}

// routes returns the routes from a node of a valid plan. between reports whether a node with these arguments
// passes on what it gets; any other node is an endpoint.
func routes(p *config.Plan, from config.Node, between func(args any) bool) (all []route) {
	to := map[string]int{}
	var follow func(node config.Node, through []config.Node)
	follow = func(node config.Node, through []config.Node) {
		for _, name := range node.To {
			next, _ := p.Node(name)
			if between(next.Args) {
				follow(next, append(slices.Clip(through), next))
				continue
			}
			to[name]++
			all = append(all, route{through: through, endpoint: name, name: name})
		}
	}
	follow(from, nil)
	for i := range all {
		if one := &all[i]; to[one.endpoint] > 1 {
			for _, n := range one.through {
				one.name += "+" + n.Name
			}
		}
	}
	return all
}
