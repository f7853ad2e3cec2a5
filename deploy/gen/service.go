package main

// service is the dashboard that shows the logs and metrics of one service together.
func service() *dashboard {
	const streams = `{job="integrations/docker", environment=~"$environment", host=~"$host", service=~"$service", container=~"$container"`
	d := newDashboard("lighter-service", "Lighter / Service",
		"One service: its metrics, its errors and its log on one page.", ofContainers(),
		stat("Containers running", "Containers of the service that run now.", "none", 6, 0,
			prom(`count(lighter_container_state{state="running", `+inContainers+`})`, "running")),
		stat("Targets up", "Share of the service's scrape targets whose last scrape succeeded.", "percentunit", 6, 0,
			prom(`avg(up{`+inEnvironment+`, service=~"$service"})`, "up")),
		stat("Restarts", "Times that Docker started a container again in the last hour because it had ended by itself.", "none", 6, 1,
			prom(`sum(increase(lighter_container_restarts_total{`+inContainers+`}[1h]))`, "restarts")),
		stat("Errors in logs", "Lines of the levels error, fatal and critical in the last hour.", "none", 6, 0,
			prom(`sum(increase(lighter_container_log_lines_total{level=~"`+bad+`", `+countedLines+`}[1h]))`, "errors")),
		graph("CPU", "Cores that each container uses.", "none", 8,
			prom(`sum by (name) (rate(container_cpu_usage_seconds_total{`+inContainers+`}[$__rate_interval]))`, "{{name}}")),
		graph("Throttled by the CPU limit", "Share of the scheduler's periods in which a container had to wait because of its CPU limit.", "percentunit", 8,
			prom(`sum by (name) (rate(container_cpu_cfs_throttled_periods_total{`+inContainers+`}[$__rate_interval])) / sum by (name) (rate(container_cpu_cfs_periods_total{`+inContainers+`}[$__rate_interval]))`, "{{name}}")),
		graph("Memory", "Memory that each container uses and that cannot be reclaimed (working set), and its limit, if it has one.", "bytes", 8,
			prom(`sum by (name) (container_memory_working_set_bytes{`+inContainers+`})`, "{{name}}"),
			prom(`max by (name) (container_spec_memory_limit_bytes{`+inContainers+`} > 0)`, "{{name}} limit")),
		graph("Network", "Bytes that each container receives and sends.", "Bps", 8,
			prom(`sum by (name) (rate(container_network_receive_bytes_total{`+inContainers+`}[$__rate_interval]))`, "{{name}} received"),
			prom(`sum by (name) (rate(container_network_transmit_bytes_total{`+inContainers+`}[$__rate_interval]))`, "{{name}} sent")),
		graph("Disk", "Bytes that each container reads from disks and writes to them.", "Bps", 8,
			prom(`sum by (name) (rate(container_fs_reads_bytes_total{`+inContainers+`}[$__rate_interval]))`, "{{name}} read"),
			prom(`sum by (name) (rate(container_fs_writes_bytes_total{`+inContainers+`}[$__rate_interval]))`, "{{name}} written")),
		stacked("Log lines by level", "Lines of the service by the level that the agent detected.", "cps", 8,
			prom(`sum by (level) (rate(lighter_container_log_lines_total{`+countedLines+`}[$__rate_interval]))`, "{{level}}")),
		lines("Errors", "Lines of the levels error, fatal and critical.", inStreams+` | detected_level=~"`+bad+`"`, 8),
		lines("Log", "All lines of the service, and the events of its containers.", inStreams, 12),
	)
	d.Annotations.List = append(d.Annotations.List, object{
		"name": "Container events", "enable": true, "datasource": onLoki, "iconColor": "orange",
		"expr":        streams + `, stream="events"}`,
		"titleFormat": "{{container}}", "textFormat": "", "tagKeys": "service,container",
	})
	return d
}
