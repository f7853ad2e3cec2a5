package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"lighter/cmd/lighter/agent"
	"lighter/cmd/lighter/web"
	"lighter/config/alloy"
)

// serveOptions are the parameters of an agent and its server besides the configuration.
type serveOptions struct {
	logger    *slog.Logger
	own       *agent.OwnLog              // what the logger writes to, for plans that ship it; may be nil
	uiPrefix  string                     // a path below which the server is reached too
	healthDir string                     // where a health check looks that does not know the flags
	listening func(*web.Server)          // is called once the server has its address
	read      func() (configured, error) // reads the configuration again; nil if there is nothing to read
	alloy     bool                       // the configuration is an Alloy file, which may name files and addresses to watch
}

// serveAgent runs an agent and its server until ctx ends, and returns nil after a clean stop. On SIGHUP, on
// request of a client of the server, and when a watched file changes, it reads the configuration again and
// applies it.
func serveAgent(ctx context.Context, first configured, o serveOptions) (err error) {
	p, logger := first.plan, o.logger
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // first, because SIGHUP would end the process
	defer signal.Stop(hangups)
	var server *web.Server
	b := currentBuild()
	a, err := agent.New(p, agent.Options{Version: b.Version, Commit: b.Commit, Logger: logger, Port: func() int { return server.Port() }, OwnLog: o.own})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	access, err := web.NewAccess(p.Agent.Auth, p.Agent.TLS, logger)
	if err != nil {
		return err
	}
	reloads := &reloader{agent: a, logger: logger, read: o.read, watched: first.watched, polls: first.polls}
	server = web.New(web.Options{Source: a, Metrics: a.Metrics(), Reload: reloads.reload, Prefix: o.uiPrefix, Access: access, Names: []string{p.Agent.Host}, Logger: logger})
	reloads.server = server
	if err := server.Listen(p.Agent.Listen); err != nil {
		return err
	}
	defer writeAddress(server.Addr(), p.Agent.DataDir, o.healthDir)()
	o.listening(server)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx)) // the server responds until the agent has stopped
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
		reloadOnHangup(ctx, hangups, reloads.reload)
		return nil
	})
	if o.alloy {
		parts.Go(func() error {
			watchFiles(ctx, reloads.files, func() { _ = reloads.reload() }) // reload logs why it fails
			return nil
		})
		parts.Go(func() error {
			watchPolls(ctx, reloads.addresses, logger, func() { _ = reloads.reload() })
			return nil
		})
	}
	err = a.Run(ctx)
	cancel(nil)
	stopServing()
	return errors.Join(err, parts.Wait())
}

// reloader reads the configuration again and applies it.
type reloader struct {
	agent  *agent.Agent
	server *web.Server
	logger *slog.Logger
	read   func() (configured, error)

	mu      sync.Mutex // held during a reload
	watched []string
	polls   []*alloy.Poll
}

// reload reads the configuration again. It logs the result, because the sender of a signal sees nothing
// else.
func (r *reloader) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.read()
	for _, w := range next.warnings {
		r.logger.Warn(w)
	}
	var access *web.Access
	if err == nil {
		access, err = web.NewAccess(next.plan.Agent.Auth, next.plan.Agent.TLS, r.logger)
	}
	if err == nil {
		err = r.agent.Apply(next.plan)
	}
	if err != nil {
		r.logger.Error("the configuration was not reloaded, and the previous one stays in use", "error", oneLine(err.Error()))
		return err
	}
	r.server.SetAccess(access)
	r.watched, r.polls = next.watched, next.polls
	r.logger.Info("the configuration was reloaded")
	return nil
}

// files returns the files whose change causes a reload.
func (r *reloader) files() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watched
}

// addresses returns the addresses whose change causes a reload.
func (r *reloader) addresses() []*alloy.Poll {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.polls
}

// reloadOnHangup reloads at each SIGHUP until ctx ends.
func reloadOnHangup(ctx context.Context, hangups <-chan os.Signal, reload func() error) {
	for {
		select {
		case <-hangups:
			_ = reload() // reload has logged the error
		case <-ctx.Done():
			return
		}
	}
}
