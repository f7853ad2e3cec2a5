package env

import (
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/config"
)

// Labels of Docker discovery that the rules read. In the names of a container's own labels, discovery
// replaces each invalid character by _.
const (
	metaName           = "__meta_docker_container_name"
	metaSwarmService   = "__meta_docker_container_label_com_docker_swarm_service_name"
	metaComposeService = "__meta_docker_container_label_com_docker_compose_service"
	metaComposeProject = "__meta_docker_container_label_com_docker_compose_project"

	metaLogs     = "__meta_docker_container_label_lighter_logs"
	metaService  = "__meta_docker_container_label_lighter_service"
	metaScrape   = "__meta_docker_container_label_lighter_scrape"
	metaPort     = "__meta_docker_container_label_lighter_port"
	metaPath     = "__meta_docker_container_label_lighter_path"
	metaInterval = "__meta_docker_container_label_lighter_interval"

	metaMultiline  = "__meta_docker_container_label_lighter_multiline"
	metaDrop       = "__meta_docker_container_label_lighter_drop"
	metaRedact     = "__meta_docker_container_label_lighter_redact"
	metaFields     = "__meta_docker_container_label_lighter_fields"
	metaLogMetrics = "__meta_docker_container_label_lighter_log_metrics"

	metaPromScrape = "__meta_docker_container_label_prometheus_io_scrape"
	metaPromPort   = "__meta_docker_container_label_prometheus_io_port"
	metaPromPath   = "__meta_docker_container_label_prometheus_io_path"
	metaPromScheme = "__meta_docker_container_label_prometheus_io_scheme"
)

const (
	anyText  = "(.+)"
	notBlank = `(.*\S.*)`
)

// The values of a switch in a label. Every way to say no must work.
const (
	yes = `\s*(?i:true|yes|on|1)\s*`
	no  = `\s*(?i:false|no|off|0)\s*`
)

// containers sets the name and the service of each container, and drops those that the globs exclude.
func containers(include, exclude []string) config.Relabel {
	r := config.Relabel{
		Rules: []*relabel.Config{
			replace("container", "/?(.*)", "$1", metaName),
			replace("service", "/?(.*)", "$1", metaName),
			replace("service", anyText, "$1", metaSwarmService),
			replace("service", anyText, "$1", metaComposeService),
			replace("service", notBlank, "$1", metaService),
		},
		Origin: map[int]string{},
	}
	globs := func(action relabel.Action, setting string, globs []string) {
		if len(globs) == 0 {
			return
		}
		r.Origin[len(r.Rules)] = setting + "=" + strings.Join(globs, ",")
		r.Rules = append(r.Rules, filter(action, eitherMatches(globs), "service", "container"))
	}
	globs(relabel.Keep, "LIGHTER_INCLUDE", include)
	globs(relabel.Drop, "LIGHTER_EXCLUDE", exclude)
	return r
}

// eitherMatches returns an expression for service;container. A container's name contains no semicolon.
func eitherMatches(globs []string) string {
	regexes := make([]string, len(globs))
	for i, g := range globs {
		regexes[i] = globRegex(g)
	}
	one := "(?:" + strings.Join(regexes, "|") + ")"
	return one + ";[^;]*|.*;" + one
}

// jobOfDocker is the job of containers' logs and metrics, by which Grafana Cloud's Docker dashboards select
// them.
const jobOfDocker = "integrations/docker"

// logRules choose the containers whose logs are shipped, and give their streams the labels job, instance,
// project and host, except those that are external labels of all streams. instance and host are the name of
// the host: host if that is set, otherwise the Engine's name of it, or fallback while the Engine does not
// report one.
func logRules(host, fallback string, external map[string]string) []*relabel.Config {
	rules := []*relabel.Config{filter(relabel.Drop, no, metaLogs)}
	add := func(r *relabel.Config) {
		if _, given := external[r.TargetLabel]; !given {
			rules = append(rules, r)
		}
	}
	add(replace(model.JobLabel, "(.*)", jobOfDocker))
	add(replace("project", anyText, "$1", metaComposeProject))
	for _, name := range []string{model.InstanceLabel, "host"} {
		switch {
		case host != "":
			add(replace(name, "(.*)", verbatim(host)))
			continue
		case fallback != "":
			add(replace(name, "(.*)", verbatim(fallback)))
		}
		add(replace(name, anyText, "$1", lighter.LabelDockerHost))
	}
	return rules
}

// verbatim returns a replacement that yields a text literally.
func verbatim(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// streamRules apply where a container's log splits into its streams.
func streamRules() []*relabel.Config {
	return []*relabel.Config{replace("stream", anyText, "$1", lighter.LabelLogStream)}
}

// usageRules give the containers whose resources are measured the label project, which scraped series do
// not have.
func usageRules() []*relabel.Config {
	return []*relabel.Config{replace("project", anyText, "$1", metaComposeProject)}
}

// metricRules choose the containers that want to be scraped, and read how. lighter.* takes precedence over
// prometheus.io/*. A port makes one address of the several that a container has for its exposed ports:
// those targets then differ only in __meta_ labels, and the scraper treats equal targets as one, as
// Prometheus does. An invalid port or interval is passed on, so that the scraper reports it.
func metricRules() []*relabel.Config {
	const address = model.AddressLabel
	const port = `(.+?)(?::\d+)?;\s*(\S.*?)\s*` // address;port: the address without its port, and the port
	const trimmed = `\s*(\S.*?)\s*`
	return []*relabel.Config{
		filter(relabel.Keep, yes+";.*|;"+yes, metaScrape, metaPromScrape),
		filter(relabel.Keep, ".+", address),
		replace(address, port, "$1:$2", address, metaPromPort),
		replace(address, port, "$1:$2", address, metaPort),
		replace(model.MetricsPathLabel, trimmed, "$1", metaPromPath),
		replace(model.MetricsPathLabel, trimmed, "$1", metaPath),
		replace(model.SchemeLabel, "(https?)", "$1", metaPromScheme),
		replace(model.ScrapeIntervalLabel, trimmed, "$1", metaInterval),
		replace(model.JobLabel, anyText, "$1", "service"),
	}
}

// replace sets target to replacement if regex matches the sources, joined by semicolons.
func replace(target, regex, replacement string, sources ...model.LabelName) *relabel.Config {
	return &relabel.Config{
		Action:               relabel.Replace,
		SourceLabels:         sources,
		Separator:            ";",
		Regex:                anchored(regex),
		TargetLabel:          target,
		Replacement:          replacement,
		NameValidationScheme: model.LegacyValidation,
	}
}

// filter keeps or drops targets for which regex matches the sources, joined by semicolons.
func filter(action relabel.Action, regex string, sources ...model.LabelName) *relabel.Config {
	return &relabel.Config{
		Action:               action,
		SourceLabels:         sources,
		Separator:            ";",
		Regex:                anchored(regex),
		Replacement:          "$1",
		NameValidationScheme: model.LegacyValidation,
	}
}

// anchored compiles an expression of this package. Globs were already compiled when they were parsed.
func anchored(regex string) relabel.Regexp {
	return relabel.MustNewRegexp(regex)
}
