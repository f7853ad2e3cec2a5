package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lighter/cmd/lighter/agent"
	"lighter/cmd/lighter/web"
	"lighter/config"
	"lighter/config/alloy"
	"lighter/config/env"
)

// runFlags are the flags of alloy run that people use in compose files.
type runFlags struct {
	listen   string // replaces LIGHTER_LISTEN
	dataDir  string // replaces LIGHTER_DATA_DIR
	uiPrefix string // a path below which the agent's own server can also be reached
}

// environ returns an environment that contains the flags as variables.
func (f runFlags) environ(environ []string) []string {
	for _, v := range []struct{ name, value string }{{"LIGHTER_LISTEN", f.listen}, {"LIGHTER_DATA_DIR", f.dataDir}} {
		if v.value != "" {
			environ = append(environ[:len(environ):len(environ)], v.name+"="+v.value) // the last one counts
		}
	}
	return environ
}

// ignoredFlags are flags of alloy that have no effect in lighter.
var ignoredFlags = []struct{ name, why string }{
	{"stability.level", "all components may be used"},
	{"feature.prometheus.metric-validation-scheme", "each scrape sets its own scheme"},
	{"feature.component-shutdown-deadline", "a stop takes 5 seconds at most"},
	{"server.http.memory-addr", "the agent's own pages are scraped without an address"},
	{"cluster.node-name", noCluster}, {"cluster.advertise-address", noCluster}, {"cluster.join-addresses", noCluster},
	{"cluster.discover-peers", noCluster}, {"cluster.advertise-interfaces", noCluster}, {"cluster.max-join-peers", noCluster},
	{"cluster.name", noCluster}, {"cluster.tls-ca-path", noCluster}, {"cluster.tls-cert-path", noCluster},
	{"cluster.tls-key-path", noCluster}, {"cluster.tls-server-name", noCluster}, {"cluster.rejoin-interval", noCluster}, {"cluster.wait-for-size", noCluster}, {"cluster.wait-timeout", noCluster},
	{"windows.priority", "it is for Windows"},
}

const noCluster = "each agent ships only the data of its own host"

// ignoredSwitches are flags of alloy that have no effect in lighter, and take no value.
var ignoredSwitches = []struct{ name, why string }{
	{"disable-reporting", "lighter sends no reports"},
	{"feature.community-components.enabled", "there are none"},
	{"feature.prometheus.direct-fanout.enabled", "samples go to endpoints without a copy"},
	{"cluster.enabled", noCluster},
	{"cluster.enable-tls", noCluster},
	{"cluster.use-discovery-v1", noCluster},
	{"server.http.enable-pprof", "there are no such pages"},
	{"server.http.disable-support-bundle", "there is none"},
	{"config.bypass-conversion-errors", "no other format is converted"},
}

// ignored adds the flags of alloy that are accepted without effect.
func (f *runFlags) ignored(flags *pflag.FlagSet) {
	for _, one := range ignoredFlags {
		flags.String(one.name, "", "accepted for compatibility, without effect: "+one.why)
		_ = flags.MarkHidden(one.name)
	}
	for _, one := range ignoredSwitches {
		flags.Bool(one.name, false, "accepted for compatibility, without effect: "+one.why)
		_ = flags.MarkHidden(one.name)
	}
	flags.Var(formatFlag{}, "config.format", `only "alloy" is supported`)
	flags.String("config.extra-args", "", "accepted for compatibility, without effect: no other format is converted")
	_ = flags.MarkHidden("config.format")
	_ = flags.MarkHidden("config.extra-args")
}

// formatFlag accepts only the format of Alloy files.
type formatFlag struct{}

func (formatFlag) String() string { return "alloy" }
func (formatFlag) Type() string   { return "string" }
func (formatFlag) Set(format string) error {
	if format != "alloy" {
		return fmt.Errorf("%q is not supported; convert the file with alloy convert first", format)
	}
	return nil
}

func (c *cli) runCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run [FILE.alloy | DIR]",
		Short: "Run the agent, configured by environment variables or by an Alloy file",
		Long: `run runs the agent. It is configured by environment variables or, with an argument,
by an Alloy file or a directory of them; - is stdin. Without an argument the file
` + defaultFile + ` is run if it exists, as in Alloy's image, and
its data is in ` + defaultDataDir + ` if that exists.`,
		Args: fileArgument(atMostOne),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runAgent(cmd.Context(), flags, args)
		},
	}
	cmd.Flags().StringVar(&flags.listen, "server.http.listen-addr", "", "host:port of the agent's own HTTP server, in place of LIGHTER_LISTEN")
	cmd.Flags().StringVar(&flags.dataDir, "storage.path", "", "directory of positions and buffers, in place of LIGHTER_DATA_DIR")
	cmd.Flags().StringVar(&flags.uiPrefix, "server.http.ui-path-prefix", "", "path prefix under which the agent's own server can also be reached, for a proxy in front of it")
	flags.ignored(cmd.Flags())
	return cmd
}

// configured is the configuration of a run.
type configured struct {
	plan     *config.Plan
	warnings []string
	watched  []string      // files whose change causes a reload
	polls    []*alloy.Poll // addresses whose change causes a reload
}

// runAgent is the whole life of lighter run. From here on, everything is reported in the agent's log,
// including the reason of a failed start.
func (c *cli) runAgent(ctx context.Context, flags runFlags, args []string) error {
	if len(args) == 0 {
		if _, err := os.Stat(defaultFile); err == nil {
			args = []string{defaultFile}
			flags.dataDir = cmp.Or(flags.dataDir, c.dataDirLike(defaultDataDir))
		}
	}
	first, err := c.configure(ctx, flags, args)
	if err != nil {
		return c.refuse(ctx, err)
	}
	plan := first.plan
	own := agent.NewOwnLog()
	logger := newLogger(io.MultiWriter(own, c.stderr), plan.Agent.LogFormat, plan.Agent.LogLevel)
	for _, w := range first.warnings {
		logger.Warn(w)
	}

	signal.Ignore(syscall.SIGPIPE) // the reader of the agent's log may go away, which must not end the agent
	said := make(chan struct{})
	unheard := context.AfterFunc(ctx, func() {
		defer close(said)
		if by, ok := cause(ctx); ok {
			logger.Info("shutdown", "signal", by)
		}
	})
	// The health check is a process of its own, without the flags. If its settings are invalid although flags
	// override them here, it cannot find the agent, and the agent runs all the same.
	healthDir := plan.Agent.DataDir
	if health, err := c.healthSettings(); err == nil {
		healthDir = health.DataDir
	}
	event := "startup_failed"
	err = serveAgent(ctx, first, serveOptions{
		logger:    logger,
		own:       own,
		uiPrefix:  flags.uiPrefix,
		healthDir: healthDir,
		alloy:     len(args) > 0,
		listening: func(s *web.Server) {
			event = "failed" // from now on the agent runs
			logger.Info("listening", "port", s.Port(), "env", plan.Agent.Environment)
			if len(args) == 0 && config.Has[config.Recent](plan) {
				logger.Info("no backend is set (GRAFANA_LOKI_URL, GRAFANA_PROM_URL): the newest lines and samples are kept in memory, and shown on the agent's page", "page", s.URL())
			}
		},
		read: func() (configured, error) { return c.configure(ctx, flags, args) },
	})
	if !unheard() {
		<-said
	}
	if err != nil {
		return fail(ctx, logger, event, err)
	}
	return nil
}

// dataDirLike returns the directory where Alloy's image stores data if there is one, because somebody has mounted
// it, and nothing is said in the environment.
func (c *cli) dataDirLike(alloys string) string {
	if info, err := os.Stat(alloys); err != nil || !info.IsDir() || c.env("LIGHTER_DATA_DIR") != "" {
		return ""
	}
	return alloys
}

// refuse reports why a configuration is not run, in one line of the log. If that is about places in a file, it also
// prints them with the file's lines.
func (c *cli) refuse(ctx context.Context, err error) error {
	var all alloy.Diagnostics
	if errors.As(err, &all) && !(len(all) == 1 && all[0].Line == 0) {
		_ = alloy.Fprint(c.stderr, all)
		err = fmt.Errorf("the configuration has %s: %w", counted(all), err)
	}
	return fail(ctx, c.bootLogger(), "startup_failed", err)
}

// configure reads the settings, flags before variables, or an Alloy file.
func (c *cli) configure(ctx context.Context, flags runFlags, args []string) (configured, error) {
	certificates := certificateWarnings(c.env("SSL_CERT_FILE"), c.env("SSL_CERT_DIR"))
	if len(args) == 0 {
		plan, warnings, err := env.FromEnv(flags.environ(c.environ), fileReader(ctx))
		return configured{plan: plan, warnings: append(warnings, certificates...)}, err
	}
	f, said, err := c.loadFile(ctx, flags, args[0], false)
	if err != nil {
		return configured{}, err
	}
	for _, d := range warnings(f) {
		said = append(said, oneLine(d.Error()))
	}
	return configured{plan: f.Plan, warnings: append(said, certificates...), watched: sideFiles(f, args[0]), polls: f.Polls}, nil
}

// bootLogger logs why the settings cannot be used, in the format that they specify, or as JSON if that is
// invalid.
func (c *cli) bootLogger() *slog.Logger {
	format := "json"
	if s, _, err := env.ReadSettings([]string{"LIGHTER_LOG_FORMAT=" + c.env("LIGHTER_LOG_FORMAT")}, os.ReadFile); err == nil {
		format = s.LogFormat
	}
	return newLogger(c.stderr, format, slog.LevelInfo)
}

// fail logs why the process ends, and returns the error that means that it was logged.
func fail(ctx context.Context, logger *slog.Logger, event string, err error) error {
	logger.Log(ctx, levelFatal, event, "error", oneLine(err.Error()))
	return errSaid
}
