package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
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

	"lighter/config/env"
)

// Limits of a health check, which Docker runs every half minute.
const (
	healthcheckTimeout = 5 * time.Second
	healthcheckBody    = 64 << 10 // limit for reading the response
)

func (c *cli) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck [ADDRESS]",
		Short: "Ask the running agent whether it is ready, for a Docker HEALTHCHECK",
		Args:  usageArgs(atMostOne),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthcheckTimeout)
			defer cancel()
			addr, err := c.agentAddress(args)
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

// agentAddress returns the address of the agent's server: the argument, the address that the agent has written into
// its data directory, or LIGHTER_LISTEN, in this order. It reads no other setting, so that a mistake
// in one does not make the agent look unhealthy.
func (c *cli) agentAddress(args []string) (string, error) {
	if len(args) > 0 {
		if args[0] == "" {
			return "", usageError{errors.New("the address is empty, want host:port")}
		}
		return args[0], nil
	}
	s, err := c.healthSettings()
	if err != nil {
		return "", err
	}
	if addr, err := os.ReadFile(addressFile(s.DataDir)); err == nil && len(bytes.TrimSpace(addr)) > 0 {
		return string(bytes.TrimSpace(addr)), nil
	}
	return s.Listen, nil
}

// healthSettings are the settings that a health check reads.
func (c *cli) healthSettings() (*env.Settings, error) {
	s, _, err := env.ReadSettings([]string{"LIGHTER_LISTEN=" + c.env("LIGHTER_LISTEN"), "LIGHTER_DATA_DIR=" + c.env("LIGHTER_DATA_DIR")}, os.ReadFile)
	return s, err
}

// addressFile is where a running agent has written the address of its server, for its health check.
func addressFile(dataDir string) string { return filepath.Join(dataDir, "address") }

// writeAddress writes the address of the agent's server into directories where its health check may look, and
// returns a function that removes it. A failure does not prevent the agent from running: the health check then uses
// LIGHTER_LISTEN.
func writeAddress(addr string, dirs ...string) (remove func()) {
	for _, dir := range dirs {
		file := addressFile(dir)
		if err := os.WriteFile(file, []byte(addr+"\n"), 0o644); err != nil {
			_ = os.Remove(file)
		}
	}
	return func() {
		for _, dir := range dirs {
			_ = os.Remove(addressFile(dir))
		}
	}
}

// readyURL returns the URL of /ready for an agent that listens on addr, host:port. For an agent that
// listens on every address, it uses the loopback address.
func readyURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("the address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port) + "/ready", nil
}

// askReady returns nil if the agent reports that it is ready, and otherwise the reason. It uses TLS if the
// agent requires it.
func askReady(ctx context.Context, url string) error {
	status, body, err := ask(ctx, url)
	if rest, plain := strings.CutPrefix(url, "http://"); plain && err == nil && status == "400 Bad Request" && bytes.HasPrefix(body, []byte(wantsTLS)) {
		status, body, err = ask(ctx, "https://"+rest)
	}
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(status, "200 "):
		return nil
	}
	return fmt.Errorf("the agent is not ready: %s", whyNotReady(status, body))
}

// wantsTLS is the beginning of the response of Go's server to a request without TLS if it requires TLS.
const wantsTLS = "Client sent an HTTP request to an HTTPS server"

// ask returns the status and the beginning of the body of a response.
func ask(ctx context.Context, url string) (status string, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, fmt.Errorf("ask %s: %w", url, err)
	}
	// This is a separate client: the agent is local, so no proxy of the environment is used. The certificate is not
	// verified, because it is for the name that other clients use, and no secret is sent.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Do(req)
	if err != nil {
		return "", nil, fmt.Errorf("the agent does not answer: %w", err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, healthcheckBody))
	if err != nil {
		return "", nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return resp.Status, body, nil
}

// whyNotReady returns the failed checks of a degraded /ready, sorted by name, or the status line if the
// response is not that of our /ready.
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
