package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lighter/cmd/lighter/agent"
	"lighter/cmd/lighter/demo"
	"lighter/cmd/lighter/web"
	"lighter/config"
	"lighter/config/env"
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

// demoHost returns the host of a demo, and a function that ends it.
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
	plan, _, err := env.FromEnv(settings, os.ReadFile)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range config.All[docker.Config](plan) {
		client, err := docker.NewClient(c, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, nil, err
		}
		return &demo.Real{Engine: demoEngine{plan, client}, Settings: settings}, client.Close, nil
	}
	return nil, nil, errors.New("the settings name no Engine")
}

// demoAgent runs the agent as lighter run does.
func demoAgent(ctx context.Context, environ []string, logger *slog.Logger, listening func(url string)) error {
	read := func() (configured, error) {
		plan, warnings, err := env.FromEnv(environ, os.ReadFile)
		return configured{plan: plan, warnings: warnings}, err
	}
	first, err := read()
	if err != nil {
		return err
	}
	for _, w := range first.warnings {
		logger.Warn(w)
	}
	return serveAgent(ctx, first, serveOptions{logger: logger, listening: func(s *web.Server) { listening(s.URL()) }, read: read})
}

// demoEngine is the real Engine, for the comparison.
type demoEngine struct {
	plan   *config.Plan
	client *docker.Client
}

// Containers implements demo.Engine. It returns the containers that the agent ships, by the same rules.
func (e demoEngine) Containers(ctx context.Context) ([]demo.Container, error) {
	shipped, err := agent.ShippedContainers(ctx, e.plan)
	if err != nil {
		return nil, err
	}
	var all []demo.Container
	for _, c := range shipped {
		all = append(all, demo.Container{ID: c.ID, Name: c.Name, TTY: c.TTY})
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
