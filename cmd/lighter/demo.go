package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lighter"
	"lighter/cmd/lighter/demo"
	"lighter/config"
	"lighter/discovery/docker"
)

func (c *cli) demoCommand() *cobra.Command {
	var real bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole job on this machine, with nothing else installed",
		Long: `demo runs the whole agent between a simulated Docker Engine with three containers and
receivers of the Loki and remote-write protocols, takes the backend away for two seconds,
and compares in the end what was produced with what arrived. It ends by itself, with
exit code 0 only if nothing was lost.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			screen := demo.NewScreen(c.stdout, demo.Terminal(c.stdout, c.env))
			host, stop, err := c.demoHost(real)
			if err != nil {
				return err
			}
			return errors.Join(demo.Run(cmd.Context(), host, demoAgent, screen), stop())
		},
	}
	cmd.Flags().BoolVar(&real, "docker", false, "read the containers of the real Engine instead; nothing of it is changed")
	return cmd
}

// demoHost returns the host of a demo, and what ends it.
func (c *cli) demoHost(real bool) (_ demo.Host, stop func() error, err error) {
	if !real {
		h, err := demo.NewSimulated()
		if err != nil {
			return nil, nil, err
		}
		return h, h.Close, nil
	}
	var settings []string
	for _, kv := range c.environ {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "DOCKER_HOST", "DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "LIGHTER_INCLUDE", "LIGHTER_EXCLUDE":
			settings = append(settings, kv)
		}
	}
	plan, _, err := config.FromEnv(settings, os.ReadFile)
	if err != nil {
		return nil, nil, err
	}
	client, err := docker.NewClient(plan.Docker[0], slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	return &demo.Real{Engine: demoEngine{plan, client}, Settings: settings}, client.Close, nil
}

// demoAgent runs the agent as lighter run does.
func demoAgent(ctx context.Context, environ []string, logger *slog.Logger, listening func(url string)) error {
	plan, warnings, err := config.FromEnv(environ, os.ReadFile)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		logger.Warn(w)
	}
	b := currentBuild()
	return runAgent(ctx, plan, agentOptions{version: b.Version, commit: b.Commit, logger: logger, listening: listening})
}

// demoEngine is the real Engine as the comparison asks it.
type demoEngine struct {
	plan   *config.Plan
	client *docker.Client
}

// Containers implements demo.Engine: those that the agent ships, by the same rules.
func (e demoEngine) Containers(ctx context.Context) ([]demo.Container, error) {
	d := e.plan.Docker[0]
	targets, err := listTargets(ctx, d)
	if err != nil {
		return nil, err
	}
	nodes := relabelTargets(e.plan, map[string][]lighter.Target{d.Name: targets})
	var all []demo.Container
	for _, s := range e.plan.Logs {
		for _, t := range logTargets(s, take(nodes, s.From)) {
			if unreadable(t.container, s, time.Now()) == "" {
				all = append(all, demo.Container{ID: t.container.ID, Name: t.container.Name, TTY: t.container.TTY})
			}
		}
	}
	return all, nil
}

// OpenLogs implements demo.Engine.
func (e demoEngine) OpenLogs(ctx context.Context, id string, since int64) (io.ReadCloser, error) {
	log, err := e.client.OpenLogs(ctx, id, docker.LogOptions{Since: since})
	if err != nil {
		return nil, fmt.Errorf("open its log: %w", err)
	}
	return log, nil
}
