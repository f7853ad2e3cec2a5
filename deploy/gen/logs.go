package main

// logs is the dashboard of log lines by level and service. It queries only Loki.
func logs() *dashboard {
	const chosen = inStreams + ` | detected_level=~"$level" |~ ` + "`(?i)$search`"
	return newDashboard("lighter-logs", "Lighter / Logs",
		"Log lines by level and service, and a search.", ofStreams(),
		stacked("Lines by level", "Lines that match the selection above, by level.", "none", 12,
			loki(`sum by (detected_level) (count_over_time(`+chosen+` [$__auto]))`, "{{detected_level}}")),
		stacked("Lines by service", "Lines that match the selection above, by environment and service.", "none", 12,
			loki(`sum by (environment, service) (count_over_time(`+chosen+` [$__auto]))`, "{{environment}} {{service}}")),
		graph("Share of errors", "Share of a service's lines with the levels error, fatal and critical.", "percentunit", 12,
			loki(`sum by (environment, service) (count_over_time(`+inStreams+` | detected_level=~"`+bad+`" [$__auto])) / sum by (environment, service) (count_over_time(`+inStreams+` [$__auto]))`, "{{environment}} {{service}}")),
		graph("Volume", "Bytes of log lines, by environment and service: what uses the log budget.", "Bps", 12,
			loki(`sum by (environment, service) (bytes_rate(`+inStreams+` [$__auto]))`, "{{environment}} {{service}}")),
		lines("Lines", "Lines that match the selection above.", chosen, 20),
	)
}
