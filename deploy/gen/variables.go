package main

// sources lets the reader choose the data sources.
func sources() []object {
	var all []object
	for _, kind := range []string{"prometheus", "loki"} {
		all = append(all, object{"type": "datasource", "name": kind, "label": map[string]string{"prometheus": "Metrics", "loki": "Logs"}[kind], "query": kind, "refresh": 1, "hide": 0, "current": object{}})
	}
	return all
}

// choice is a variable with several values, all of which are selected at first. The value for all is .*,
// which also matches series without the label.
func choice(name, label string, source datasource, definition string, query any) object {
	return object{
		"type": "query", "name": name, "label": label, "datasource": source, "definition": definition, "query": query,
		"includeAll": true, "allValue": ".*", "multi": true, "refresh": 2, "sort": 1, "hide": 0,
		"current": object{"text": []string{"All"}, "value": []string{"$__all"}},
	}
}

// inMetrics is a choice of the values of a label of a metric.
func inMetrics(name, label, metric, of string) object {
	definition := "label_values(" + metric + ", " + of + ")"
	return choice(name, label, onPrometheus, definition, object{"query": definition, "refId": "StandardVariableQuery"})
}

// inLogs is a choice of the values of a label of streams.
func inLogs(name, label, selector, of string) object {
	return choice(name, label, onLoki, "label_values("+selector+", "+of+")",
		object{"label": of, "stream": selector, "type": 1, "refId": "LokiVariableQueryEditor-VariableQuery"})
}

// ofContainers are the variables of dashboards about containers' metrics.
func ofContainers() []object {
	return append(sources(),
		inMetrics("environment", "Environment", "up", "environment"),
		inMetrics("host", "Host", `container_last_seen{environment=~"$environment"}`, "instance"),
		inMetrics("service", "Service", `container_last_seen{environment=~"$environment", instance=~"$host"}`, "service"),
		inMetrics("container", "Container", `container_last_seen{environment=~"$environment", instance=~"$host", service=~"$service"}`, "name"))
}

// ofAgents returns the variables of the dashboard about agents. An agent's instance is a host and a port;
// the choice is one of hosts, so that it applies to all dashboards.
func ofAgents() []object {
	host := inMetrics("host", "Host", `lighter_endpoint_up{environment=~"$environment"}`, "instance")
	host["regex"] = `/^(.*?)(:[0-9]+)?$/`
	return append(sources(), inMetrics("environment", "Environment", "lighter_endpoint_up", "environment"), host)
}

// ofStreams are the variables of the dashboard about logs, which need no metrics.
func ofStreams() []object {
	const job = `{job="integrations/docker"`
	levels := object{
		"type": "custom", "name": "level", "label": "Level", "hide": 0,
		"query": "critical,fatal,error,warn,info,debug,trace,unknown", "includeAll": true, "allValue": ".*", "multi": true,
		"current": object{"text": []string{"All"}, "value": []string{"$__all"}},
	}
	search := object{"type": "textbox", "name": "search", "label": "Search", "query": "", "hide": 0, "current": object{"text": "", "value": ""}}
	return append(sources(),
		inLogs("environment", "Environment", job+`}`, "environment"),
		inLogs("host", "Host", job+`, environment=~"$environment"}`, "host"),
		inLogs("service", "Service", job+`, environment=~"$environment", host=~"$host"}`, "service"),
		inLogs("container", "Container", job+`, environment=~"$environment", host=~"$host", service=~"$service"}`, "container"),
		levels, search)
}

// These selectors apply the variables.
const (
	inEnvironment = `environment=~"$environment"`
	onHost        = inEnvironment + `, instance=~"$host"`
	ofHost        = inEnvironment + `, instance=~"($host)(:[0-9]+)?"` // of agents
	inContainers  = onHost + `, service=~"$service", name=~"$container"`
	// countedLines selects series of lighter_container_log_lines_total.
	countedLines = inEnvironment + `, service=~"$service", container=~"$container"`
	// inStreams includes a job, because Loki rejects a selector whose matchers can all be empty.
	inStreams = `{job="integrations/docker", environment=~"$environment", host=~"$host", service=~"$service", container=~"$container"}`
	bad       = `critical|fatal|error`
)
