package main

// dashboards returns all dashboards.
func dashboards() []*dashboard {
	return []*dashboard{fleet(), service(), agents(), logs()}
}

// fleet is the dashboard that shows environments side by side: each panel has a series per environment.
func fleet() *dashboard {
	return newDashboard("lighter-fleet", "Lighter / Fleet",
		"All environments side by side: what runs, what it uses, and what fails.", ofContainers(),
		stat("Hosts", "Hosts whose agent currently writes metrics.", "none", 4, 0,
			prom(`count by (environment) (up{job="lighter", `+inEnvironment+`} == 1)`, "{{environment}}")),
		stat("Containers running", "Containers that run now.", "none", 4, 0,
			prom(`count by (environment) (lighter_container_state{state="running", `+inContainers+`})`, "{{environment}}")),
		stat("Containers down", "Containers that ended with an error and were not started again.", "none", 4, 1,
			prom(`count by (environment) (lighter_container_state{state=~"exited|dead", `+inContainers+`} and on (environment, instance, name) lighter_container_exit_code != 0)`, "{{environment}}")),
		stat("Unhealthy", "Containers whose health check fails or has not passed yet.", "none", 4, 1,
			prom(`count by (environment) (lighter_container_health{`+inContainers+`} == 0)`, "{{environment}}")),
		stat("Restarts", "Times that Docker started a container again in the last hour because it had ended by itself.", "none", 4, 1,
			prom(`sum by (environment) (increase(lighter_container_restarts_total{`+inContainers+`}[1h]))`, "{{environment}}")),
		stat("Out of memory", "Times that the kernel killed a process of a container in the last hour because it was out of memory.", "none", 4, 1,
			prom(`sum by (environment) (increase(container_oom_events_total{`+inContainers+`}[1h]))`, "{{environment}}")),
		graph("CPU", "Cores that containers use.", "none", 8,
			prom(`sum by (environment) (rate(container_cpu_usage_seconds_total{`+inContainers+`}[$__rate_interval]))`, "{{environment}}")),
		graph("Memory", "Memory that containers use and that cannot be reclaimed (working set).", "bytes", 8,
			prom(`sum by (environment) (container_memory_working_set_bytes{`+inContainers+`})`, "{{environment}}")),
		graph("Network", "Bytes that containers receive and send.", "Bps", 8,
			prom(`sum by (environment) (rate(container_network_receive_bytes_total{`+inContainers+`}[$__rate_interval]))`, "{{environment}} received"),
			prom(`sum by (environment) (rate(container_network_transmit_bytes_total{`+inContainers+`}[$__rate_interval]))`, "{{environment}} sent")),
		graph("Log lines", "Lines that containers write, whatever their level.", "cps", 8,
			prom(`sum by (environment) (rate(lighter_container_log_lines_total{`+countedLines+`}[$__rate_interval]))`, "{{environment}}")),
		graph("Errors in logs", "Lines of the levels error, fatal and critical.", "cps", 8,
			prom(`sum by (environment) (rate(lighter_container_log_lines_total{level=~"`+bad+`", `+countedLines+`}[$__rate_interval]))`, "{{environment}}")),
		graph("Free disk space", "Free share of the fullest filesystem of each host. It needs LIGHTER_HOST_METRICS=on.", "percentunit", 8,
			prom(`min by (environment, instance) (node_filesystem_avail_bytes{`+onHost+`} / node_filesystem_size_bytes)`, "{{environment}} {{instance}}")),
		table("Containers", "Each container with what it uses now.",
			column{"Cores", "none", `sum by (environment, instance, service, name) (rate(container_cpu_usage_seconds_total{` + inContainers + `}[$__rate_interval]))`},
			column{"Memory", "bytes", `sum by (environment, instance, service, name) (container_memory_working_set_bytes{` + inContainers + `})`},
			column{"Up for", "s", `time() - max by (environment, instance, service, name) (container_start_time_seconds{` + inContainers + `})`},
			column{"Restarts", "none", `max by (environment, instance, service, name) (lighter_container_restarts_total{` + inContainers + `})`},
			column{"Log file", "bytes", `max by (environment, instance, service, name) (lighter_container_log_disk_bytes{` + inContainers + `})`},
		),
	)
}
