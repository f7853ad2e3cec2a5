package alloy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/grafana/alloy/syntax/alloytypes"

	"lighter"
	"lighter/config"
)

// Logging are the arguments of the logging block.
type Logging struct {
	Level       string         `alloy:"level,attr,optional"`
	Format      string         `alloy:"format,attr,optional"`
	Destination string         `alloy:"destination,attr,optional"`
	WriteTo     []LogsReceiver `alloy:"write_to,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *Logging) SetToDefault() { *a = Logging{Level: "info", Format: "logfmt", Destination: stderr} }

const stderr = "stderr"

// logLevels are the levels of the log, by name. As in Alloy, an empty name means info.
var logLevels = map[string]slog.Level{
	"":      slog.LevelInfo,
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}

// Validate reports the errors that Alloy reports.
func (a *Logging) Validate() error {
	if _, ok := logLevels[a.Level]; !ok {
		return fmt.Errorf(`there is no level %q; the levels are "debug", "info", "warn" and "error"`, a.Level)
	}
	if a.Format == "" {
		a.Format = "logfmt"
	}
	if a.Format != "logfmt" && a.Format != "json" {
		return fmt.Errorf(`there is no format %q; the formats are "logfmt" and "json"`, a.Format)
	}
	if a.Destination != stderr {
		return fmt.Errorf("lighter has no destination %q; the only one is %q", a.Destination, stderr)
	}
	return nil
}

var logging = kindOf(func(b *builder, a *Logging) map[string]any {
	b.l.plan.Agent.LogLevel = logLevels[a.Level]
	b.l.plan.Agent.LogFormat = a.Format
	switch to := logNodes(a.WriteTo); {
	case len(to) > 0:
		b.add(config.Node{Name: b.name(""), To: to, Args: config.AgentLog{}})
	case len(a.WriteTo) > 0:
		b.warn(b.place("write_to"), "", "the agent's log is not sent anywhere")
	}
	return nil
})

// LiveDebugging are the arguments of the livedebugging block. The status page always shows lines as they
// arrive.
type LiveDebugging struct {
	Enabled bool `alloy:"enabled,attr,optional"`
}

var liveDebugging = kindOf(func(*builder, *LiveDebugging) map[string]any { return nil }).but(map[string]string{
	"enabled": "accepted, without effect: the status page always shows lines as they arrive",
})

// Tracing are the arguments of the tracing block. They have no effect.
type Tracing struct {
	SamplingFraction float64  `alloy:"sampling_fraction,attr,optional"`
	SendTraceparent  bool     `alloy:"send_traceparent,attr,optional"`
	WriteTo          []any    `alloy:"write_to,attr,optional"`
	Sampler          *Sampler `alloy:"sampler,block,optional"`
}

// Sampler is a sampler block.
type Sampler struct {
	JaegerRemote *JaegerRemote `alloy:"jaeger_remote,block,optional"`
}

// JaegerRemote is a jaeger_remote block.
type JaegerRemote struct {
	URL             string `alloy:"url,attr,optional"`
	MaxOperations   int    `alloy:"max_operations,attr,optional"`
	RefreshInterval string `alloy:"refresh_interval,attr,optional"`
}

var tracing = kindOf(func(b *builder, _ *Tracing) map[string]any {
	b.warn(b.place(), "", "the block %q has no effect in lighter, which does not trace itself", "tracing")
	return nil
}).but(map[string]string{
	"sampler":                                noTraces,
	"sampler.jaeger_remote":                  noTraces,
	"sampler.jaeger_remote.max_operations":   noTraces,
	"sampler.jaeger_remote.refresh_interval": noTraces,
	"sampler.jaeger_remote.url":              noTraces,
	"sampling_fraction":                      noTraces,
	"send_traceparent":                       noTraces,
	"write_to":                               noTraces,
})

const noTraces = "accepted, without effect: lighter does not trace itself"

// HTTPServer are the arguments of the http block.
type HTTPServer struct {
	Auth *HTTPServerAuth `alloy:"auth,block,optional"`
	TLS  *HTTPServerTLS  `alloy:"tls,block,optional"`
}

// HTTPServerAuth is an auth block.
type HTTPServerAuth struct {
	Basic  *HTTPServerBasic  `alloy:"basic,block,optional"`
	Filter *HTTPServerFilter `alloy:"filter,block,optional"`
}

// HTTPServerBasic is a basic block.
type HTTPServerBasic struct {
	Username string            `alloy:"username,attr"`
	Password alloytypes.Secret `alloy:"password,attr"`
}

// HTTPServerFilter is a filter block.
type HTTPServerFilter struct {
	Paths                     []string `alloy:"paths,attr,optional"`
	AuthenticateMatchingPaths bool     `alloy:"authenticate_matching_paths,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *HTTPServerFilter) SetToDefault() { *a = HTTPServerFilter{AuthenticateMatchingPaths: true} }

// HTTPServerTLS is a tls block.
type HTTPServerTLS struct {
	Cert             string            `alloy:"cert_pem,attr,optional"`
	CertFile         string            `alloy:"cert_file,attr,optional"`
	Key              alloytypes.Secret `alloy:"key_pem,attr,optional"`
	KeyFile          string            `alloy:"key_file,attr,optional"`
	ClientCA         string            `alloy:"client_ca_pem,attr,optional"`
	ClientCAFile     string            `alloy:"client_ca_file,attr,optional"`
	ClientAuth       ClientAuth        `alloy:"client_auth_type,attr,optional"`
	CipherSuites     []string          `alloy:"cipher_suites,attr,optional"`
	CurvePreferences []string          `alloy:"curve_preferences,attr,optional"`
	MinVersion       TLSVersion        `alloy:"min_version,attr,optional"`
	MaxVersion       TLSVersion        `alloy:"max_version,attr,optional"`
	WindowsFilter    *Refused          `alloy:"windows_certificate_filter,block,optional"`
}

// ClientAuth says whether a server requires certificates of its clients, and verifies them.
type ClientAuth tls.ClientAuthType

var clientAuths = map[string]tls.ClientAuthType{
	"NoClientCert":               tls.NoClientCert,
	"RequestClientCert":          tls.RequestClientCert,
	"RequireAnyClientCert":       tls.RequireAnyClientCert,
	"VerifyClientCertIfGiven":    tls.VerifyClientCertIfGiven,
	"RequireAndVerifyClientCert": tls.RequireAndVerifyClientCert,
}

// UnmarshalText refuses an unknown name.
func (c *ClientAuth) UnmarshalText(text []byte) error {
	known, ok := clientAuths[string(text)]
	if !ok {
		return fmt.Errorf("there is no such client_auth_type; the types are %s", list(slices.Sorted(maps.Keys(clientAuths))))
	}
	*c = ClientAuth(known)
	return nil
}

// Validate reports the errors that Alloy reports.
func (a *HTTPServerTLS) Validate() error {
	if err := errors.Join(
		atMostOne(a.ClientCA != "", "client_ca_pem", a.ClientCAFile != "", "client_ca_file"),
		atMostOne(a.Cert != "", "cert_pem", a.CertFile != "", "cert_file"),
		atMostOne(a.Key != "", "key_pem", a.KeyFile != "", "key_file"),
	); err != nil {
		return err
	}
	switch {
	case a.Cert == "" && a.CertFile == "":
		return errors.New("a server needs cert_pem or cert_file")
	case a.Key == "" && a.KeyFile == "":
		return errors.New("a server needs key_pem or key_file")
	case (a.ClientCA != "" || a.ClientCAFile != "") && tls.ClientAuthType(a.ClientAuth) == tls.NoClientCert:
		return errors.New(`a client CA needs a client_auth_type other than "NoClientCert"`)
	}
	return nil
}

var httpServer = kindOf(func(b *builder, a *HTTPServer) map[string]any {
	agent := &b.l.plan.Agent
	if a.Auth != nil && a.Auth.Basic != nil {
		agent.Auth = &config.ServerAuth{User: a.Auth.Basic.Username, Password: lighter.Secret(a.Auth.Basic.Password)}
		if f := a.Auth.Filter; f != nil {
			agent.Auth.Paths, agent.Auth.OnlyPaths = f.Paths, f.AuthenticateMatchingPaths
		}
	}
	if t := a.TLS; t != nil {
		agent.TLS = &config.ServerTLS{
			Cert:         t.Cert,
			CertFile:     t.CertFile,
			Key:          lighter.Secret(t.Key),
			KeyFile:      t.KeyFile,
			ClientCA:     t.ClientCA,
			ClientCAFile: t.ClientCAFile,
			ClientAuth:   tls.ClientAuthType(t.ClientAuth),
			MinVersion:   uint16(t.MinVersion),
			MaxVersion:   uint16(t.MaxVersion),
		}
	}
	return nil
}).without(map[string]string{
	"tls.cipher_suites":     "the cipher suites are Go's",
	"tls.curve_preferences": "the curves are Go's",
}).refusing(map[string]string{
	"tls.windows_certificate_filter": "write cert_file and key_file",
})
