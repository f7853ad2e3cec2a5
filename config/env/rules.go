package env

import (
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/config"
)

// The labels of Docker's discovery that the rules read. A container's own labels arrive
// with each character that is none of a label name replaced by _.
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

// A switch in a label, as people write it: who says no in any way shall be heard.
const (
	yes = `\s*(?i:true|yes|on|1)\s*`
	no  = `\s*(?i:false|no|off|0)\s*`
)

// containers names each container and its service, and leaves out what the globs leave out.
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

// eitherMatches returns an expression over service;container. A container's name has no semicolon.
func eitherMatches(globs []string) string {
	regexes := make([]string, len(globs))
	for i, g := range globs {
		regexes[i] = globRegex(g)
	}
	one := "(?:" + strings.Join(regexes, "|") + ")"
	return one + ";[^;]*|.*;" + one
}

// jobOfDocker is the job of containers' logs and of their metrics, which the Docker dashboards of Grafana
// Cloud select by.
const jobOfDocker = "integrations/docker"

// logRules choose the containers whose logs are shipped, and give their streams the labels job, instance,
// project and host, but for those that all streams are given as external labels. instance and host are
// what the host is called: host, if that is set, else the Engine's name of it, else fallback, while the
// Engine does not say.
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

// verbatim returns the replacement that gives a text as it is.
func verbatim(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// streamRules run where a container's log splits into its streams.
func streamRules() []*relabel.Config {
	return []*relabel.Config{replace("stream", anyText, "$1", lighter.LabelLogStream)}
}

// usageRules give the containers whose use is measured the label project, which scraped series do not have.
func usageRules() []*relabel.Config {
	return []*relabel.Config{replace("project", anyText, "$1", metaComposeProject)}
}

// metricRules choose the containers that ask to be scraped, and read how. What lighter.* says
// goes before prometheus.io/*. A port makes one address of the addresses that a container has,
// one for each port it exposes: those targets are then equal but for __meta_ labels, and it is
// for the scraper to take equal ones for one, as Prometheus does. A port or an interval that is
// none goes through, for the scraper to say so.
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

// replace sets target to replacement where regex matches the sources, joined by semicolons.
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

// filter keeps or drops where regex matches the sources, joined by semicolons.
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

// anchored compiles an expression of this package; globs were tried when they were parsed.
func anchored(regex string) relabel.Regexp {
	return relabel.MustNewRegexp(regex)
}
