package env

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// setting is one environment variable. The table of settings drives the parsing, the _FILE variables, the
// suggestion for a mistyped name, and the tables in README.md.
type setting struct {
	section string
	name    string
	alias   string // another name, read when name is not set
	value   string // the default, parsed like a value; empty keeps the zero value
	shown   string // the default as README shows it, if that is not value
	meaning string
	secret  bool // its value is never shown
	url     bool // its value is a URL, several, or part of one, and is shown without user, password and query

	keep func(s *Settings, value string) error // nil if there is nothing to set, or it is read elsewhere
}

// The sections of README's tables.
const (
	toLoki     = "Where logs go"
	toProm     = "Where metrics go"
	ofNetwork  = "Proxies and certificates"
	ofLabels   = "Labels"
	ofDocker   = "Docker"
	ofLogs     = "Logs"
	ofMetrics  = "Metrics"
	ofTheAgent = "The agent itself"
)

// fileSuffix is appended to a variable's name to get the variable that names a file with the value.
const fileSuffix = "_FILE"

// fromFile reports whether NAME_FILE may replace the variable.
func (v setting) fromFile() bool { return v.secret || strings.HasPrefix(v.name, "GRAFANA_") }

// table lists every variable, in the order in which they are parsed, reported and shown.
func table() []setting {
	return slices.Concat(backendTable(), networkTable(), labelTable(), dockerTable(), logTable(), metricTable(), agentTable())
}

func backendTable() []setting {
	return []setting{
		{section: toLoki, name: "GRAFANA_LOKI_URL", url: true,
			meaning: "Loki push URL. A bare base URL gets `/loki/api/v1/push`",
			keep:    in(func(s *Settings) *Backend { return &s.Loki }, parseLokiURL)},
		{section: toLoki, name: "GRAFANA_LOKI_USER",
			meaning: "user of basic auth",
			keep:    func(s *Settings, v string) error { return s.Loki.setUser(v) }},
		{section: toLoki, name: "GRAFANA_LOKI_TOKEN", secret: true,
			meaning: "password of basic auth; without a user it is sent as a bearer token",
			keep:    func(s *Settings, v string) error { return s.Loki.setToken(lighter.Secret(v)) }},
		{section: toLoki, name: "GRAFANA_LOKI_TENANT",
			meaning: "sent as `X-Scope-OrgID`",
			keep:    in(func(s *Settings) *string { return &s.Loki.Tenant }, parseHeader)},

		{section: toProm, name: "GRAFANA_PROM_URL", url: true,
			meaning: "remote-write URL, used as given",
			keep:    in(func(s *Settings) *Backend { return &s.Prom }, parseBackendURL)},
		{section: toProm, name: "GRAFANA_PROM_USER",
			meaning: "user of basic auth",
			keep:    func(s *Settings, v string) error { return s.Prom.setUser(v) }},
		{section: toProm, name: "GRAFANA_PROM_TOKEN", secret: true,
			meaning: "password of basic auth; without a user it is sent as a bearer token",
			keep:    func(s *Settings, v string) error { return s.Prom.setToken(lighter.Secret(v)) }},
		{section: toProm, name: "GRAFANA_PROM_TENANT",
			meaning: "sent as `X-Scope-OrgID`",
			keep:    in(func(s *Settings) *string { return &s.Prom.Tenant }, parseHeader)},
		{section: toProm, name: "LIGHTER_REMOTE_WRITE", value: "1",
			meaning: "`2`: remote write 2.0, with an automatic fallback to 1.0 if the receiver does not support it",
			keep:    in(func(s *Settings) *int { return &s.RemoteWrite }, parseRemoteWrite)},
	}
}

// networkTable lists the variables that other programs also use. If both of two spellings are set, the
// lower-case one counts, as in Go's own clients. SSL_CERT_FILE and SSL_CERT_DIR are read only by package
// crypto/x509.
func networkTable() []setting {
	return []setting{
		{section: ofNetwork, name: "https_proxy", alias: "HTTPS_PROXY", url: true,
			meaning: "the proxy for backends with an `https://` URL: `http://host:port` or `http://user:password@host:port`; `https://` and `socks5://` proxies work, too. Requests to the Engine and to scrape targets never use a proxy",
			keep:    in(func(s *Settings) *lighter.Secret { return &s.Proxies.HTTPS }, parseProxy)},
		{section: ofNetwork, name: "http_proxy", alias: "HTTP_PROXY", url: true,
			meaning: "the same for backends with an `http://` URL. If both names are set, the lower-case one counts",
			keep:    in(func(s *Settings) *lighter.Secret { return &s.Proxies.HTTP }, parseProxy)},
		{section: ofNetwork, name: "no_proxy", alias: "NO_PROXY",
			meaning: "backends without a proxy, comma-separated: `corp.example` with all names below it, `10.0.0.0/8`, or `*` for all. Backends on loopback addresses never use one",
			keep:    in(func(s *Settings) *string { return &s.Proxies.No }, parseText)},
		{section: ofNetwork, name: "SSL_CERT_FILE", shown: "the system's or the image's bundle",
			meaning: "PEM file of trusted authorities, for backends and scrape targets whose certificate comes from a private authority"},
		{section: ofNetwork, name: "SSL_CERT_DIR", shown: "`/etc/ssl/certs` and similar",
			meaning: "directories of such files, separated by colons, trusted in addition to that file"},
	}
}

func labelTable() []setting {
	return []setting{
		{section: ofLabels, name: "ENVIRONMENT", alias: "SV0_ENVIRONMENT",
			meaning: "the `environment` label on every stream and series",
			keep:    in(func(s *Settings) *string { return &s.Environment }, parseText)},
		{section: ofLabels, name: "LIGHTER_HOST", shown: "the Docker host's name, or else `HOSTNAME`",
			meaning: "the `host` label on every stream",
			keep:    in(func(s *Settings) *string { return &s.Host }, parseText)},
		{section: ofLabels, name: "LIGHTER_EXTERNAL_LABELS",
			meaning: "`k=v,k=v`: labels on every stream and series that does not have them itself",
			keep:    in(func(s *Settings) *labels.Labels { return &s.ExternalLabels }, parseLabels)},
	}
}

func dockerTable() []setting {
	return []setting{
		{section: ofDocker, name: "DOCKER_HOST", value: defaultSocket, url: true,
			meaning: "the Engine: `unix:///path`, `tcp://host:port` or `http://host:port`",
			keep:    in(func(s *Settings) *string { return &s.DockerHost }, parseDockerHost)},
		{section: ofDocker, name: "DOCKER_API_VERSION", shown: "negotiated at every connect",
			meaning: "the version of the Engine's API to use, such as `1.44`",
			keep:    in(func(s *Settings) *string { return &s.DockerAPIVersion }, parseAPIVersion)},
		{section: ofDocker, name: "DOCKER_CERT_PATH",
			meaning: "directory of `ca.pem`, `cert.pem` and `key.pem`, for an Engine over TLS",
			keep:    in(func(s *Settings) *string { return &s.DockerCertPath }, parseText)},
		{section: ofDocker, name: "DOCKER_TLS_VERIFY",
			meaning: "any value: use TLS for the Engine and verify its certificate",
			keep: func(s *Settings, _ string) error {
				s.DockerTLSVerify = true
				return nil
			}},
		{section: ofDocker, name: "LIGHTER_INCLUDE", shown: "all",
			meaning: "services or containers to include, as globs (`*`, `?`, `[a-z]`), comma-separated",
			keep:    in(func(s *Settings) *[]string { return &s.Include }, parseGlobs)},
		{section: ofDocker, name: "LIGHTER_EXCLUDE", shown: "none",
			meaning: "services or containers to exclude; takes precedence over `LIGHTER_INCLUDE`",
			keep:    in(func(s *Settings) *[]string { return &s.Exclude }, parseGlobs)},
	}
}

func logTable() []setting {
	return []setting{
		{section: ofLogs, name: "LIGHTER_LOG_SOURCE", value: sourceAuto,
			meaning: "`socket`: the Engine's API; `file`: json-file logs under `LIGHTER_DOCKER_ROOT`, without a socket; `auto`: files if they can be read, and otherwise the socket",
			keep:    in(func(s *Settings) *string { return &s.LogSource }, oneOf(sourceAuto, sourceSocket, sourceFile))},
		{section: ofLogs, name: "LIGHTER_DOCKER_ROOT", value: "/var/lib/docker",
			meaning: "where the Engine's data directory is mounted, read-only",
			keep:    in(func(s *Settings) *string { return &s.DockerRoot }, parseDirectory)},
		{section: ofLogs, name: "LIGHTER_LOGS_SINCE", value: "24h",
			meaning: "how far back the log of a new container is read (`90m`, `7d`); `0` means from now on",
			keep:    in(func(s *Settings) *time.Duration { return &s.LogsSince }, durationFrom(0))},
		{section: ofLogs, name: "LIGHTER_MAX_LINE", value: "256KiB",
			meaning: "longer lines are cut, end with `…[cut]`, and are counted. The default is Loki's own limit",
			keep:    in(func(s *Settings) *int64 { return &s.MaxLineBytes }, sizeBetween(minLineBytes, maxLineBytes))},
		{section: ofLogs, name: "LIGHTER_REDACT", value: "on",
			meaning: "secrets in log lines (keys, tokens, passwords in URLs, private keys) are replaced before they leave the host; `off` keeps them. `lighter redact` shows the effect",
			keep:    in(func(s *Settings) *bool { return &s.Redact }, parseSwitch)},
		{section: ofLogs, name: "LIGHTER_MULTILINE", value: multilineAuto,
			meaning: "stack traces of the common runtimes become one entry; `off`, or a regular expression that the first line of an entry matches",
			keep:    in(func(s *Settings) *string { return &s.Multiline }, parseMultiline)},
		{section: ofLogs, name: "LIGHTER_DROP",
			meaning: "lines to drop: regular expressions, one per line, or `health` for answered health checks and scrapes. Dropped lines are counted by service and rule",
			keep:    in(func(s *Settings) *string { return &s.Drop }, parseDrop)},
		{section: ofLogs, name: "LIGHTER_FIELDS",
			meaning: "`trace_id,user=ctx.user.id`: fields of JSON and logfmt lines that become structured metadata",
			keep:    in(func(s *Settings) *string { return &s.Fields }, parseFields)},
		{section: ofLogs, name: "LIGHTER_LOG_METRICS",
			meaning: "metrics counted from log lines, declared one per line, such as `http_requests_total{path,status} = count(msg=\"http_request\")`",
			keep:    in(func(s *Settings) *string { return &s.LogMetrics }, parseLogMetrics)},
		{section: ofLogs, name: "LIGHTER_LOG_METRICS_SERIES", value: "500",
			meaning: "the maximum number of series per declaration; lines that would need more are counted separately",
			keep:    in(func(s *Settings) *int { return &s.LogMetricsSeries }, parseCount)},
		{section: ofLogs, name: "LIGHTER_BUDGET_LOGS",
			meaning: "such as `50GB/month`: the agent reports the volume sent and its projection for the month, and warns in advance",
			keep:    in(func(s *Settings) *int64 { return &s.BudgetLogs }, parseBudgetLogs)},
	}
}

func metricTable() []setting {
	return []setting{
		{section: ofMetrics, name: "LIGHTER_SCRAPE_TARGETS", url: true,
			meaning: "`api:3000, https://worker:9100/custom/metrics`: targets in addition to those found by container labels",
			keep:    in(func(s *Settings) *[]labels.Labels { return &s.ScrapeTargets }, parseTargets)},
		{section: ofMetrics, name: "LIGHTER_SCRAPE_INTERVAL", value: "30s",
			meaning: "the scrape interval of targets that do not set one",
			keep:    in(func(s *Settings) *time.Duration { return &s.ScrapeInterval }, durationFrom(minInterval))},
		{section: ofMetrics, name: "LIGHTER_SCRAPE_TIMEOUT", shown: "`10s`, or the interval if that is shorter",
			meaning: "the scrape timeout of targets that do not set one; not above the interval",
			keep:    in(func(s *Settings) *time.Duration { return &s.ScrapeTimeout }, durationFrom(minInterval))},
		{section: ofMetrics, name: "LIGHTER_METRICS_PATH", value: "/metrics", url: true,
			meaning: "the path of targets that do not set one; it may have a query, as in `/v1/metrics?format=prometheus`",
			keep:    in(func(s *Settings) *string { return &s.MetricsPath }, parsePath)},
		{section: ofMetrics, name: "LIGHTER_SCRAPE_SAMPLE_LIMIT", value: "0", shown: "`0` (none)",
			meaning: "maximum samples of one scrape; a scrape over the limit fails completely: `up` is 0",
			keep:    in(func(s *Settings) *int { return &s.SampleLimit }, parseCount)},
		{section: ofMetrics, name: "LIGHTER_SCRAPE_BODY_LIMIT", value: "64MiB",
			meaning: "maximum uncompressed bytes of one scrape; a scrape over the limit fails completely; `0` means no limit",
			keep:    in(func(s *Settings) *int64 { return &s.BodyLimitBytes }, sizeBetween(0, maxSizeBytes))},
		{section: ofMetrics, name: "LIGHTER_NATIVE_HISTOGRAMS", value: "off",
			meaning: "`on`: scrape protobuf if offered, and send native histograms instead of their classic series",
			keep:    in(func(s *Settings) *bool { return &s.NativeHistograms }, parseSwitch)},
		{section: ofMetrics, name: "LIGHTER_CONTAINER_METRICS", value: "on",
			meaning: "CPU, memory, network, I/O and state of every container, with cAdvisor's names",
			keep:    in(func(s *Settings) *bool { return &s.ContainerMetrics }, parseSwitch)},
		{section: ofMetrics, name: "LIGHTER_HOST_METRICS", value: "off",
			meaning: "`on`: the host's CPU, memory, load, filesystems, disks, network and pressure, with node_exporter's names",
			keep:    in(func(s *Settings) *bool { return &s.HostMetrics }, parseSwitch)},
		{section: ofMetrics, name: "LIGHTER_HOST_ROOT", value: "/host",
			meaning: "where the host's root is mounted, read-only, for host metrics",
			keep:    in(func(s *Settings) *string { return &s.HostRoot }, parseDirectory)},
		{section: ofMetrics, name: "LIGHTER_RESOURCE_INTERVAL", value: "60s",
			meaning: "the interval of container and host metrics: Grafana Cloud's free series include one data point per minute",
			keep:    in(func(s *Settings) *time.Duration { return &s.ResourceInterval }, durationFrom(minInterval))},
		{section: ofMetrics, name: "LIGHTER_BUDGET_SERIES",
			meaning: "such as `10000`: the agent reports how many series are billed, and warns in advance. They count as Grafana Cloud bills them: the larger of the number of active series and of data points per minute",
			keep:    in(func(s *Settings) *int { return &s.BudgetSeries }, parseBudgetSeries)},
	}
}

func agentTable() []setting {
	return []setting{
		{section: ofTheAgent, name: "LIGHTER_DATA_DIR", value: "/var/lib/lighter",
			meaning: "positions and buffers",
			keep:    in(func(s *Settings) *string { return &s.DataDir }, parseText)},
		{section: ofTheAgent, name: "LIGHTER_BUFFER_MAX", value: "512MiB",
			meaning: "disk for data that a backend cannot take yet, for logs and for metrics each. When it is full, the oldest samples are dropped and counted; reading of logs stops, and Docker keeps the lines",
			keep:    in(func(s *Settings) *int64 { return &s.BufferMaxBytes }, sizeBetween(minBufferBytes, maxSizeBytes))},
		{section: ofTheAgent, name: "LIGHTER_LISTEN", value: "127.0.0.1:12345",
			meaning: "the address of the agent's own HTTP server. Its page shows log lines, so consider who can reach it",
			keep:    in(func(s *Settings) *string { return &s.Listen }, parseListen)},
		{section: ofTheAgent, name: "LIGHTER_HTTP_USER",
			meaning: "basic auth user required by that server; `/health`, `/ready` and `/metrics` require none",
			keep:    in(func(s *Settings) *string { return &s.HTTPUser }, parseUser)},
		{section: ofTheAgent, name: "LIGHTER_HTTP_PASSWORD", secret: true,
			meaning: "the password of that user",
			keep: func(s *Settings, v string) error {
				s.HTTPPassword = lighter.Secret(v)
				return nil
			}},
		{section: ofTheAgent, name: "LIGHTER_TLS_CERT",
			meaning: "PEM file of that server's certificate and its chain; the server then accepts only HTTPS. The file is read again when it changes",
			keep:    in(func(s *Settings) *string { return &s.TLSCert }, parseText)},
		{section: ofTheAgent, name: "LIGHTER_TLS_KEY",
			meaning: "PEM file of the key of that certificate",
			keep:    in(func(s *Settings) *string { return &s.TLSKey }, parseText)},
		{section: ofTheAgent, name: "LIGHTER_SELF_METRICS", value: "on",
			meaning: "the agent's own metrics are also sent to the metrics backend, with `job=\"lighter\"`",
			keep:    in(func(s *Settings) *bool { return &s.SelfMetrics }, parseSwitch)},
		{section: ofTheAgent, name: "LIGHTER_LOG_LEVEL", value: "info",
			meaning: "the level of the agent's own log: `debug`, `info`, `warn` or `error`",
			keep:    in(func(s *Settings) *slog.Level { return &s.LogLevel }, parseLevel)},
		{section: ofTheAgent, name: "LIGHTER_LOG_FORMAT", value: "json",
			meaning: "the format of the agent's own log: `json` or `logfmt`",
			keep:    in(func(s *Settings) *string { return &s.LogFormat }, oneOf("json", "logfmt"))},
	}
}

// in returns a keep function that parses a value into a field. If parsing fails, the field is unchanged.
func in[T any](field func(*Settings) *T, parse func(string) (T, error)) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		v, err := parse(value)
		if err == nil {
			*field(s) = v
		}
		return err
	}
}
