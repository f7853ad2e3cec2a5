package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"lighter/config"
)

// Exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // an unknown command, flag or argument
)

// cli is the process as seen by a command. A test gives it buffers and an environment.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string // as in os.Environ

	piped []byte // the content of stdin, once it was read
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, c *cli) int {
	root := c.rootCommand()
	root.SetArgs(append([]string{}, args...)) // nil would mean the process's own
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(c.stderr, "lighter: %v; see %s --help\n", usage, cmd.CommandPath())
		return exitUsage
	case errors.Is(err, errSaid):
		return exitFailed
	default:
		fmt.Fprintf(c.stderr, "lighter: %s\n", config.NameSettings(oneLine(err.Error())))
		return exitFailed
	}
}

// errSaid makes a command fail after it has told the user why.
var errSaid = errors.New("failed")

// usageError is an invalid command line.
type usageError struct{ error }

// usageArgs converts a failed check of arguments to a usageError.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{errors.New(oneLine(err.Error()))}
		}
		return nil
	}
}

// noArgs is cobra.NoArgs with a text that suits a command without subcommands.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes no arguments, got %q", cmd.Name(), args[0])}
}

// atMostOne refuses more than one argument.
func atMostOne(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("it takes one argument at most, but there are %d", len(args))
	}
	return nil
}

// exactlyOne refuses no argument, and more than one.
func exactlyOne(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("the name of a file is missing")
	}
	return atMostOne(cmd, args)
}

// rootCommand returns the tree of commands. lighter without a command is lighter run.
func (c *cli) rootCommand() *cobra.Command {
	agent := c.runCommand()
	root := &cobra.Command{
		Use:   "lighter",
		Short: "Ships the logs of Docker containers to Loki and their metrics to a remote-write backend",
		Long: `lighter discovers the containers of a Docker host, ships their logs to Loki and
their Prometheus metrics to a remote-write backend. It is configured by environment
variables; lighter without a command is lighter run.`,
		Args:              usageArgs(knownCommand),
		RunE:              agent.RunE,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.Flags().AddFlagSet(agent.Flags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.Version = currentBuild().line() // so that there is --version too
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommand(helpCommand())
	root.AddCommand(agent, c.configCommand(), c.demoCommand(), c.discoverCommand(), c.explainCommand(), c.fmtCommand(), c.healthcheckCommand(), c.redactCommand(), c.validateCommand(), c.versionCommand())
	return root
}

// helpCommand is cobra's help command, except that an unknown command is wrong usage.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Print what a command does and its flags",
		Args:  usageArgs(atMostOne),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = knownCommand(cmd.Root(), rest)
			}
			if err != nil {
				return usageError{errors.New(oneLine(err.Error()))}
			}
			return about.Help()
		},
	}
}

// knownCommand refuses an unknown command and suggests the nearest one.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	root.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
	}
	return errors.New(text)
}

// oneLine joins the lines of a text, because an error must be one line.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// env returns the value of a variable, the last one with that name, or "".
func (c *cli) env(name string) (value string) {
	for _, kv := range c.environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}
