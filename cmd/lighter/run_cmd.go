package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"lighter/cmd/lighter/web"
	"lighter/config"
	"lighter/config/env"
)

// runFlags are those of alloy run that people write into compose files.
type runFlags struct {
	listen  string // in place of LIGHTER_LISTEN
	dataDir string // in place of LIGHTER_DATA_DIR
}

func (c *cli) runCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent, configured by environment variables",
		Args:  usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runAgent(cmd.Context(), flags, args)
		},
	}
	cmd.Flags().StringVar(&flags.listen, "server.http.listen-addr", "", "host:port of the agent's own HTTP server, in place of LIGHTER_LISTEN")
	cmd.Flags().StringVar(&flags.dataDir, "storage.path", "", "directory of positions and buffers, in place of LIGHTER_DATA_DIR")
	cmd.Flags().String("stability.level", "", "accepted for compatibility, without effect")
	cmd.Flags().Bool("disable-reporting", false, "accepted for compatibility, without effect: lighter reports to nobody")
	return cmd
}

// runAgent is the whole life of lighter run. From here on all that is said is a line of
// the agent's log, the reason of a failed start included.
func (c *cli) runAgent(ctx context.Context, flags runFlags, args []string) error {
	plan, warnings, err := c.plan(flags, args)
	if err != nil {
		return fail(ctx, c.bootLogger(), "startup_failed", err)
	}
	logger := newLogger(c.stderr, plan.Agent.LogFormat, plan.Agent.LogLevel)
	for _, w := range warnings {
		logger.Warn(w)
	}

	signal.Ignore(syscall.SIGPIPE) // whoever read the agent's log may go; that ends no agent
	said := make(chan struct{})
	unheard := context.AfterFunc(ctx, func() {
		defer close(said)
		if by, ok := cause(ctx); ok {
			logger.Info("shutdown", "signal", by)
		}
	})
	event := "startup_failed"
	err = serveAgent(ctx, plan, logger, func(s *web.Server) {
		event = "failed" // whatever fails now does so in a running agent
		logger.Info("listening", "port", s.Port(), "env", plan.Agent.Environment)
		if config.Has[config.Recent](plan) {
			logger.Info("no backend is set (GRAFANA_LOKI_URL, GRAFANA_PROM_URL): the newest lines and samples are kept in memory, and shown on the agent's page", "page", s.URL())
		}
	}, func() (*config.Plan, []string, error) { return c.plan(flags, args) })
	if !unheard() {
		<-said
	}
	if err != nil {
		return fail(ctx, logger, event, err)
	}
	return nil
}

// plan reads the settings, flags before variables, and returns what deserves a warning too.
func (c *cli) plan(flags runFlags, args []string) (*config.Plan, []string, error) {
	if len(args) > 0 {
		return nil, nil, fmt.Errorf("%s: Alloy files come with a later version; this one is configured by environment variables alone", args[0])
	}
	environ := c.environ
	for _, f := range []struct{ name, value string }{{"LIGHTER_LISTEN", flags.listen}, {"LIGHTER_DATA_DIR", flags.dataDir}} {
		if f.value != "" {
			environ = append(environ[:len(environ):len(environ)], f.name+"="+f.value) // the last one counts
		}
	}
	plan, warnings, err := env.FromEnv(environ, os.ReadFile)
	if err != nil {
		return nil, nil, err
	}
	return plan, append(warnings, certificateWarnings(c.env("SSL_CERT_FILE"), c.env("SSL_CERT_DIR"))...), nil
}

// bootLogger logs why the settings cannot be used, in the format that they ask for or, where
// they ask for none that exists, as JSON.
func (c *cli) bootLogger() *slog.Logger {
	format := "json"
	if s, _, err := env.ReadSettings([]string{"LIGHTER_LOG_FORMAT=" + c.env("LIGHTER_LOG_FORMAT")}, os.ReadFile); err == nil {
		format = s.LogFormat
	}
	return newLogger(c.stderr, format, slog.LevelInfo)
}

// fail logs why the process ends, and returns the error that says that it is said.
func fail(ctx context.Context, logger *slog.Logger, event string, err error) error {
	logger.Log(ctx, levelFatal, event, "error", oneLine(err.Error()))
	return errSaid
}
