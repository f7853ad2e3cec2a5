package main

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The whole agent between a simulated Engine and the receivers, as a new user sees it.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo takes a quarter of a minute")
	}
	t.Parallel()
	code, stdout, stderr := command(t, nil, "demo")
	if code != exitOK || stderr != "" {
		t.Fatalf("demo = %d, stderr %q:\n%s", code, stderr, stdout)
	}
	for _, want := range []string{
		`status page, while it runs: http://127\.0\.0\.1:\d+`,
		`Both backends go away`,
		`The worker crashes`,
		`(?m)^log lines +([\d,]+) +([\d,]+) +0 +0$`,
		`(?m)^  shop-(api|worker|db)-1 +([\d,]+) +([\d,]+) +0$`,
		`(?m)^samples +([\d,]+) +([\d,]+) +0 +0$`,
		`Nothing was lost`,
	} {
		m := regexp.MustCompile(want).FindStringSubmatch(stdout)
		if m == nil {
			t.Errorf("the demo does not say %q:\n%s", want, stdout)
		} else if n := len(m); n > 2 && (m[n-2] != m[n-1] || m[n-1] == "0") {
			t.Errorf("produced %s and delivered %s differ, or are none", m[n-2], m[n-1])
		}
	}
	if strings.ContainsRune(stdout, '\x1b') {
		t.Errorf("escape sequences in what is no terminal:\n%q", stdout)
	}
}

// A demo that is stopped proves nothing, and leaves nothing behind.
func TestDemoStopped(t *testing.T) {
	t.Parallel()
	out := &output{lines: make(chan string, 1000)}
	var stderr output
	ctx, cancel := context.WithCancelCause(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"demo"}, &cli{stdout: out, stderr: &stderr}) }()
	for line := range out.lines {
		if strings.Contains(line, "status page") {
			break
		}
	}
	cancel(stopSignal{syscall.SIGINT})
	if got := <-code; got != exitFailed || stderr.String() != "lighter: stopped before the end: nothing was compared\n" {
		t.Errorf("demo = %d %q", got, stderr.String())
	}
}
