package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lighter/config/alloy"
	"lighter/config/env"
)

func (c *cli) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration by environment variables as an Alloy file that does the same",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, warnings, err := env.FromEnv(c.environ, fileReader(cmd.Context()))
			for _, w := range warnings {
				fmt.Fprintln(c.stderr, "lighter: warning:", w)
			}
			if err != nil {
				return err
			}
			s := secrets{cli: c}
			for _, b := range backends {
				s.file(b.node, b.prefix+"_TOKEN_FILE")
			}
			text, err := alloy.Print(plan, alloy.PrintOptions{Secret: s.expression, Before: configHead + s.components.String()})
			if err != nil {
				return err
			}
			_, err = c.stdout.Write(text)
			return err
		},
	}
}

const configHead = `// The configuration by environment variables as a file: lighter run FILE does the same.
// It contains no secrets: they are read from where the environment has them. Settings of the process, such as
// LIGHTER_DATA_DIR and LIGHTER_LISTEN, also apply with a file and remain in the environment.
`

// backends are the nodes of the environment's plan with secrets, and the prefixes of their variables.
var backends = []struct{ node, prefix string }{{"loki", "GRAFANA_LOKI"}, {"prometheus", "GRAFANA_PROM"}}

// secrets makes expressions that read secrets from where the environment has them.
type secrets struct {
	*cli
	components strings.Builder
	files      map[string]bool // nodes whose token is in a file
}

// file adds a component that reads the token of a node from a file, if a variable names one.
func (s *secrets) file(node, variable string) {
	if s.env(variable) == "" {
		return
	}
	if s.files == nil {
		s.files = map[string]bool{}
	}
	s.files[node] = true
	fmt.Fprintf(&s.components, "\nlocal.file %q {\n\tfilename  = sys.env(%q)\n\tis_secret = true\n}\n", node+"_token", variable)
}

// expression implements alloy.PrintOptions.Secret.
func (s *secrets) expression(node, what string) string {
	var prefix string
	for _, b := range backends {
		if b.node == node {
			prefix = b.prefix
		}
	}
	switch {
	case what == "proxy":
		variable := s.proxyVariable(s.env(prefix + "_URL"))
		if !strings.Contains(s.env(variable), "://") {
			return fmt.Sprintf("\"http://\" + sys.env(%q)", variable)
		}
		return fmt.Sprintf("sys.env(%q)", variable)
	case s.files[node]:
		return fmt.Sprintf("string.trim_space(convert.nonsensitive(local.file.%s_token.content))", node)
	}
	return fmt.Sprintf("sys.env(%q)", prefix+"_TOKEN")
}

// proxyVariable returns the name of the variable with the proxy for an address.
func (s *secrets) proxyVariable(address string) string {
	name := "HTTP_PROXY"
	if strings.HasPrefix(strings.ToLower(address), "https:") {
		name = "HTTPS_PROXY"
	}
	if s.env(name) == "" {
		return strings.ToLower(name)
	}
	return name
}
