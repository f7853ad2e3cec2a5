package env

import (
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Settings are the values of the environment variables, parsed, with their defaults filled
// in and checked against each other. What each variable means stands in the table.
type Settings struct {
	Loki    Backend
	Prom    Backend
	Proxies Proxies

	Environment    string
	Host           string // empty: the Engine's name of its host, else Hostname
	Hostname       string // HOSTNAME of the process; empty is unknown
	ExternalLabels labels.Labels

	DockerHost       string // with scheme and port, as docker.Config takes it
	DockerAPIVersion string // empty negotiates
	DockerCertPath   string // empty is no TLS
	DockerTLSVerify  bool
	Include, Exclude []string // globs; no Include is all

	LogSource    string        // sourceAuto, sourceSocket or sourceFile
	DockerRoot   string        // an absolute path
	LogsSince    time.Duration // 0 is from now on
	MaxLineBytes int64

	Multiline        string // multilineOff, multilineAuto, or the pattern of a first line
	Drop             string // rules, as package drop parses them
	Redact           bool
	Fields           string // as package fields parses them
	LogMetrics       string // declarations, as package logmetrics parses them
	LogMetricsSeries int    // bound of one declaration
	BudgetLogs       int64  // bytes a month; 0 is none
	BudgetSeries     int    // 0 is none

	ContainerMetrics bool
	HostMetrics      bool
	HostRoot         string        // an absolute path
	ResourceInterval time.Duration // of container and host metrics

	ScrapeTargets  []labels.Labels
	ScrapeInterval time.Duration
	ScrapeTimeout  time.Duration // not above ScrapeInterval
	MetricsPath    string
	SampleLimit    int   // 0 is none
	BodyLimitBytes int64 // 0 is none

	RemoteWrite      int // version of the protocol, 1 or 2
	NativeHistograms bool

	DataDir        string
	BufferMaxBytes int64
	Listen         string
	HTTPUser       string // of the agent's own server; empty asks for none
	HTTPPassword   lighter.Secret
	TLSCert        string // file of the certificate of that server; empty is plain HTTP
	TLSKey         string // file of its key
	SelfMetrics    bool
	LogLevel       slog.Level
	LogFormat      string // "json" or "logfmt"
}

// The values of LIGHTER_LOG_SOURCE.
const (
	sourceAuto   = "auto"
	sourceSocket = "socket"
	sourceFile   = "file"
)

// The values of LIGHTER_MULTILINE that are no pattern.
const (
	multilineOff  = "off"
	multilineAuto = "auto"
)

// Backend is where one kind of data goes. Without a URL nothing of that kind is sent.
type Backend struct {
	URL    string // without user information
	User   string // empty with a Token: the token is sent as a bearer token
	Token  lighter.Secret
	Tenant string // X-Scope-OrgID; empty sends none
}
