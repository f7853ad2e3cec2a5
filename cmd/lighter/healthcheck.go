package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lighter/config"
)

// Limits of a health check: Docker runs it every half minute.
const (
	healthcheckTimeout = 5 * time.Second
	healthcheckBody    = 64 << 10 // bytes of the answer that are read
)

func (c *cli) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running agent's /ready; for a Docker HEALTHCHECK",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthcheckTimeout)
			defer cancel()
			addr, err := c.listenAddress()
			if err != nil {
				return err
			}
			url, err := readyURL(addr)
			if err != nil {
				return err
			}
			if err := askReady(ctx, url); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.stdout, "ok")
			return err
		},
	}
}

// listenAddress reads the one setting that a health check needs, so that a mistake in
// another one does not read as an agent that is ill. In a container the agent is process 1,
// and may have been told by a flag.
func (c *cli) listenAddress() (string, error) {
	value := c.env("LIGHTER_LISTEN")
	if flag, ok := listenFlag(commandLine("/proc/1/cmdline")); ok {
		value = flag
	}
	s, _, err := config.ReadSettings([]string{"LIGHTER_LISTEN=" + value}, os.ReadFile)
	if err != nil {
		return "", err
	}
	return s.Listen, nil
}

// commandLine returns the arguments of a process, as proc(5) gives them; none if they
// cannot be read.
func commandLine(file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// listenFlag returns the address that a command line of lighter gives by a flag. Before it may
// be that of an init which starts it, as docker run --init does.
func listenFlag(args []string) (addr string, ok bool) {
	program := slices.IndexFunc(args, func(arg string) bool { return filepath.Base(arg) == "lighter" })
	if program < 0 {
		return "", false
	}
	args = args[program:]
	for i, arg := range args {
		rest, found := strings.CutPrefix(arg, "--"+flagListen)
		switch {
		case !found:
		case strings.HasPrefix(rest, "="):
			addr, ok = rest[1:], true
		case rest == "" && i+1 < len(args):
			addr, ok = args[i+1], true
		}
	}
	return addr, ok
}

// readyURL returns the address of /ready for an agent that listens on addr, host:port; one
// that listens on every address is asked over the loopback.
func readyURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("LIGHTER_LISTEN=%q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port) + "/ready", nil
}

// askReady returns nil if the agent says that it is well, else why it is not.
func askReady(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	// A client of its own: the agent is local, so no proxy of the environment is asked.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, healthcheckBody))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("the agent is not ready: %s", whyNotReady(resp.Status, body))
}

// whyNotReady returns the failed checks of a degraded /ready in the order of their
// names, or the status line of something that is no /ready of ours.
func whyNotReady(status string, body []byte) string {
	var answer struct{ Checks map[string]string }
	if json.Unmarshal(body, &answer) != nil {
		return "it answered " + status
	}
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(answer.Checks)) {
		if why, ok := strings.CutPrefix(answer.Checks[name], "fail: "); ok {
			failed = append(failed, name+": "+why)
		}
	}
	if failed == nil {
		return "it answered " + status
	}
	return strings.Join(failed, "; ")
}
