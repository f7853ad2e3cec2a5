package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lighter/config"
)

// runFlags are those of alloy run that people write into compose files.
type runFlags struct {
	listen  string // in place of LIGHTER_LISTEN
	dataDir string // in place of LIGHTER_DATA_DIR
}

// flagListen is also what a health check looks for.
const flagListen = "server.http.listen-addr"

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
	cmd.Flags().StringVar(&flags.listen, flagListen, "", "host:port of the agent's own HTTP server, in place of LIGHTER_LISTEN")
	cmd.Flags().StringVar(&flags.dataDir, "storage.path", "", "directory of positions and buffers, in place of LIGHTER_DATA_DIR")
	cmd.Flags().String("stability.level", "", "accepted for compatibility, without effect")
	cmd.Flags().Bool("disable-reporting", false, "accepted for compatibility, without effect: lighter reports to nobody")
	return cmd
}

// runAgent is the whole life of lighter run. From here on all that is said is a line of
// the agent's log, the reason of a failed start included.
func (c *cli) runAgent(ctx context.Context, flags runFlags, args []string) error {
	logger := c.bootLogger()
	plan, err := c.plan(flags, args, func(warning string) { logger.Warn(warning) })
	if err != nil {
		return fail(ctx, logger, "startup_failed", err)
	}
	logger = newLogger(c.stderr, plan.Agent.LogFormat, plan.Agent.LogLevel)

	signal.Ignore(syscall.SIGPIPE) // whoever read the agent's log may go; that ends no agent
	defer ignoreHangup(logger)()
	said := make(chan struct{})
	unheard := context.AfterFunc(ctx, func() {
		defer close(said)
		if by, ok := cause(ctx); ok {
			logger.Info("shutdown", "signal", by)
		}
	})
	event, b := "startup_failed", currentBuild()
	err = runAgent(ctx, plan, agentOptions{
		version: b.Version,
		commit:  b.Commit,
		logger:  logger,
		listening: func(url string) {
			event = "failed" // whatever fails now does so in a running agent
			logger.Info("listening", "port", portOf(url), "env", plan.Agent.Environment)
		},
	})
	if !unheard() {
		<-said
	}
	if err != nil {
		return fail(ctx, logger, event, err)
	}
	return nil
}

// ignoreHangup makes SIGHUP a line in the log: whoever sends it wants a reload, which this
// version does not have, and not the agent's end. The returned function ends that.
func ignoreHangup(logger *slog.Logger) func() {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			logger.Warn("SIGHUP has no effect: the configuration is read at the start alone. Restart the agent to change it")
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// portOf returns the port of the agent's own address.
func portOf(address string) int {
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	port, _ := strconv.Atoi(u.Port()) // a listener's port is a number
	return port
}

// plan reads the settings, flags before variables.
func (c *cli) plan(flags runFlags, args []string, warn func(string)) (*config.Plan, error) {
	if len(args) > 0 {
		return nil, fmt.Errorf("%s: Alloy files come with a later version; this one is configured by environment variables alone", args[0])
	}
	environ := c.environ
	for _, f := range []struct{ name, value string }{{"LIGHTER_LISTEN", flags.listen}, {"LIGHTER_DATA_DIR", flags.dataDir}} {
		if f.value != "" {
			environ = append(environ[:len(environ):len(environ)], f.name+"="+f.value) // the last one counts
		}
	}
	plan, warnings, err := config.FromEnv(environ, os.ReadFile)
	for _, w := range warnings {
		warn(w)
	}
	return plan, err
}

// bootLogger logs what comes before the settings are known to be right, in the format
// that they ask for as far as that can be told.
func (c *cli) bootLogger() *slog.Logger {
	format := strings.TrimSpace(c.env("LIGHTER_LOG_FORMAT"))
	return newLogger(c.stderr, format, slog.LevelInfo)
}

// fail logs why the process ends, and returns the error that says that it is said.
func fail(ctx context.Context, logger *slog.Logger, event string, err error) error {
	logger.Log(ctx, levelFatal, event, "error", oneLine(err.Error()))
	return errSaid
}
