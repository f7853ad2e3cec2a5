// Command bench measures whole agents: the CPU time of shipping a million lines or samples, the peak
// memory, and the CPU time that the Docker Engine uses for it.
//
// lighter is built as it is released and runs in a separate process. It reads the logs of containers of
// this machine's Engine and scrapes pages that another process serves; it sends to the project's own
// receiver in a third process. The kernel therefore counts CPU time and peak memory separately for each.
// Every line and sample has a number, and the receiver reports which are missing, arrived twice, or differ
// from what was written. The figures are printed as Markdown tables and are not checked against limits,
// because times vary between machines.
//
// The same binary also plays all other roles: the receiver (receive), the pages (pages), targets that
// misbehave (hostile), and the program of the containers (write). It needs Linux, root to read the
// Engine's files, Go, and a Docker Engine with the docker command, but no image. Its containers and its
// image have a label and are removed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run plays the role that the first argument names; without one it measures.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "receive":
			return runReceiver(ctx, os.Stdin, os.Stdout)
		case "pages":
			return runPages(ctx, args[1:], os.Stdin, os.Stdout)
		case "hostile":
			return runHostile(ctx, args[1:], os.Stdin, os.Stdout)
		case "write":
			return runWriter(ctx, args[1:], os.Stdout)
		}
	}
	o, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	return measure(ctx, o, os.Stdout, os.Stderr)
}

// options are the options of the command line.
type options struct {
	only       *regexp.Regexp // workloads to measure
	length     time.Duration  // of each measurement with a fixed duration
	lines      int            // written by each container of the backlog
	lighter    string         // path of a binary; if empty, it is built
	vmagent    string         // path of a binary; if empty, it is not measured
	prometheus string         // likewise
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&only, "run", "", "measure the workloads that this regular expression matches")
	f.DurationVar(&o.length, "for", time.Minute, "length of each measurement with a fixed duration")
	f.IntVar(&o.lines, "lines", 200_000, "lines written by each of the backlog's ten containers")
	f.StringVar(&o.lighter, "lighter", "", "the lighter `binary` to measure; built if empty")
	f.StringVar(&o.vmagent, "vmagent", "", "a vmagent `binary` to measure in comparison")
	f.StringVar(&o.prometheus, "prometheus", "", "a prometheus `binary` to measure in comparison, in agent mode")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.length <= 0 || o.lines <= 0 {
		return o, errors.New("-for and -lines must be above zero")
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, err
	}
	if !slices.ContainsFunc(workloads[:], func(w workload) bool { return o.only.MatchString(w.name) }) {
		return o, fmt.Errorf("-run %q matches no workload", only)
	}
	return o, nil
}
