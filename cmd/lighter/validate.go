package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lighter/config/alloy"
)

func (c *cli) validateCommand() *cobra.Command {
	var strict bool
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "validate FILE|DIR",
		Short: "Check an Alloy file, and print all errors and warnings",
		Args:  fileArgument(exactlyOne),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.validate(cmd.Context(), flags, args[0], strict)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "fail if there are warnings")
	flags.ignored(cmd.Flags())
	return cmd
}

func (c *cli) validate(ctx context.Context, flags runFlags, path string, strict bool) error {
	f, settings, err := c.loadFile(ctx, flags, path, true)
	if err != nil {
		return c.sayDiagnostics(err)
	}
	for _, w := range settings {
		fmt.Fprintln(c.stderr, "lighter: warning:", w)
	}
	found := warnings(f)
	if err := alloy.Fprint(c.stderr, found); err != nil {
		return err
	}
	if len(found) > 0 {
		fmt.Fprintln(c.stderr)
	}
	if strict && len(found) > 0 {
		return fmt.Errorf("%s: %s", path, plural(len(found), "warning"))
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %s, %s\n", path, plural(len(f.Components), "component"), plural(len(found), "warning"))
	return err
}
