// Package backend builds, starts and queries a real Loki and a real Prometheus.
//
// Both are built from their Go modules at the versions in this module's go.mod (tool). They listen on
// loopback, keep their data in a directory of the caller, and end with Close. The types Loki and Prometheus
// query them as a user would, with LogQL and PromQL over HTTP.
package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a server that this package started.
type process struct {
	// URL is its base URL, on loopback.
	URL   string
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{}
}

// start runs the binary with its output in dir/log.
func start(dir, url, binary string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	// If the test is killed, its servers are killed too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p := &process{URL: url, cmd: cmd, log: log, ended: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.ended) }()
	return p, nil
}

// ready waits until GET path returns 200.
func (p *process) ready(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		_, err := get(ctx, p.URL+path, nil)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended immediately: see %s", filepath.Base(p.cmd.Path), p.log.Name())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: see %s", filepath.Base(p.cmd.Path), err, p.log.Name())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Close kills the server: nobody needs its data after the tests.
func (p *process) Close() error {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
	return p.log.Close()
}

// get returns the body of a 200, and an error for any other status.
func get(ctx context.Context, url string, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %.300s", url, res.Status, body)
	}
	return body, nil
}

// freePorts returns addresses on loopback that nobody listens on.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}
