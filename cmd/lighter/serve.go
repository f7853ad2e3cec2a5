package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"lighter/cmd/lighter/agent"
	"lighter/cmd/lighter/web"
	"lighter/config"
)

// serveAgent runs an agent and its server until ctx ends, and returns nil after a clean stop. It
// calls listening once the server has its address. On SIGHUP, and when the server is asked to, it
// reads the plan again by read and applies it; read may be nil if there is nothing to read again. own is what
// the logger writes to, for plans that ship it; it may be nil too.
func serveAgent(ctx context.Context, p *config.Plan, logger *slog.Logger, own *agent.OwnLog, listening func(*web.Server), read func() (*config.Plan, []string, error)) (err error) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // before all else: it would end the process
	defer signal.Stop(hangups)
	var server *web.Server
	b := currentBuild()
	a, err := agent.New(p, agent.Options{Version: b.Version, Commit: b.Commit, Logger: logger, Port: func() int { return server.Port() }, OwnLog: own})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	reload := func() error { return reloadAgent(a, logger, read) }
	server = web.New(web.Options{Source: a, Metrics: a.Metrics(), Reload: reload, Names: []string{p.Agent.Host}, Logger: logger})
	if err := server.Listen(p.Agent.Listen); err != nil {
		return err
	}
	defer writeAddress(p.Agent.DataDir, server.Addr())()
	listening(server)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx)) // it answers until the agent has stopped
	defer stopServing()
	var parts errgroup.Group
	parts.Go(func() error {
		err := server.Run(serving)
		if err != nil {
			cancel(err)
		}
		return err
	})
	parts.Go(func() error {
		reloadOnHangup(ctx, hangups, reload)
		return nil
	})
	err = a.Run(ctx)
	cancel(nil)
	stopServing()
	return errors.Join(err, parts.Wait())
}

// reloadAgent reads the plan again and applies it. What happens is logged here, for whoever has sent
// a signal reads nothing else.
func reloadAgent(a *agent.Agent, logger *slog.Logger, read func() (*config.Plan, []string, error)) error {
	p, warnings, err := read()
	for _, w := range warnings {
		logger.Warn(w)
	}
	if err == nil {
		err = a.Apply(p)
	}
	if err != nil {
		logger.Error("the configuration was not reloaded, and the one before goes on", "error", oneLine(err.Error()))
		return err
	}
	logger.Info("the configuration was reloaded")
	return nil
}

// reloadOnHangup reloads at each SIGHUP until ctx ends.
func reloadOnHangup(ctx context.Context, hangups <-chan os.Signal, reload func() error) {
	for {
		select {
		case <-hangups:
			_ = reload() // it has logged why
		case <-ctx.Done():
			return
		}
	}
}
