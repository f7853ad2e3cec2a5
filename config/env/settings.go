package env

import (
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Settings are the parsed values of the environment variables, with defaults and checked against each
// other. The table describes each variable.
type Settings struct {
	Loki    Backend
	Prom    Backend
	Proxies Proxies

	Environment    string
	Host           string // if empty, the Engine's name of its host, or else Hostname
	Hostname       string // HOSTNAME of the process; empty if unknown
	ExternalLabels labels.Labels

	DockerHost       string // with scheme and port, as docker.Config requires it
	DockerAPIVersion string // if empty, negotiated
	DockerCertPath   string // empty means no TLS
	DockerTLSVerify  bool
	Include, Exclude []string // globs; an empty Include means all

	LogSource    string        // sourceAuto, sourceSocket or sourceFile
	DockerRoot   string        // an absolute path
	LogsSince    time.Duration // 0 means from now on
	MaxLineBytes int64

	Multiline        string // multilineOff, multilineAuto, or the pattern of a first line
	Drop             string // rules in the form that package drop parses
	Redact           bool
	Fields           string // in the form that package fields parses
	LogMetrics       string // declarations in the form that package logmetrics parses
	LogMetricsSeries int    // limit for one declaration
	BudgetLogs       int64  // bytes per month; 0 means none
	BudgetSeries     int    // 0 means none

	ContainerMetrics bool
	HostMetrics      bool
	HostRoot         string        // an absolute path
	ResourceInterval time.Duration // of container and host metrics

	ScrapeTargets  []labels.Labels
	ScrapeInterval time.Duration
	ScrapeTimeout  time.Duration // not above ScrapeInterval
	MetricsPath    string
	SampleLimit    int   // 0 means none
	BodyLimitBytes int64 // 0 means none

	RemoteWrite      int // version of the protocol, 1 or 2
	NativeHistograms bool

	DataDir        string
	BufferMaxBytes int64
	Listen         string
	HTTPUser       string // of the agent's own server; empty requires none
	HTTPPassword   lighter.Secret
	TLSCert        string // certificate file of that server; empty means plain HTTP
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

// The values of LIGHTER_MULTILINE that are not patterns.
const (
	multilineOff  = "off"
	multilineAuto = "auto"
)

// Backend is the destination of one kind of data. Without a URL, nothing of that kind is sent.
type Backend struct {
	URL    string // without user information
	User   string // if empty, Token is sent as a bearer token
	Token  lighter.Secret
	Tenant string // X-Scope-OrgID; empty means none
}
