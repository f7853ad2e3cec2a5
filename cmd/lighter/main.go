// Command lighter ships the logs of Docker containers to Loki and their metrics to a
// remote-write backend.
//
// main turns arguments, environment and signals into a context and a config.Plan. Each command has a file;
// package agent is the one place where the parts of the agent are put together.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := withSignals(context.Background())
	code := run(ctx, os.Args[1:], &cli{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()})
	stop()
	os.Exit(code)
}

// stopSignal is the cause of a context that a signal cancelled.
type stopSignal struct{ os.Signal }

func (s stopSignal) Error() string { return s.name() }

// name returns the usual name of the signal.
func (s stopSignal) name() string {
	switch s.Signal {
	case syscall.SIGTERM:
		return "SIGTERM"
	case os.Interrupt:
		return "SIGINT"
	default:
		return fmt.Sprint(s.Signal)
	}
}

// cause returns the signal that cancelled ctx, if one did.
func cause(ctx context.Context) (name string, ok bool) {
	var by stopSignal
	if !errors.As(context.Cause(ctx), &by) {
		return "", false
	}
	return by.name(), true
}

// withSignals returns a context that SIGTERM or SIGINT cancels, with a stopSignal as its cause. A second
// signal then ends the process immediately, as it would without a handler. The returned function stops the
// handling of signals and waits for its goroutine.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(stopSignal{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}
