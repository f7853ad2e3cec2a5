package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lighter/cmd/lighter/agent"
	"lighter/config/env"
)

// discoverTimeout limits all requests of discover to the Engine.
const discoverTimeout = 30 * time.Second

func (c *cli) discoverCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "Print what would be shipped from this host, and why something is skipped",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, warnings, err := env.FromEnv(c.environ, fileReader(cmd.Context()))
			for _, w := range warnings {
				fmt.Fprintln(c.stderr, "lighter: warning:", w)
			}
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), discoverTimeout)
			defer cancel()
			what, err := agent.NewPreview(ctx, plan)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.stdout).Encode(what)
			}
			return printPreview(c.stdout, what)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
