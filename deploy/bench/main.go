// Command bench measures whole agents: what shipping a million lines or samples costs them in
// CPU time, what memory they reach, and what it costs the Docker Engine beside them.
//
// lighter is built as it is released and runs as a process of its own. What it reads comes from
// containers of this machine's Engine and from pages that another process serves; what it
// sends goes to the project's own receiver in a third one. So the figures of a process are its
// own: CPU time and peak memory come from the kernel. Every line and sample has a number, and
// the receiver says which are missing, came twice, or are not what was written. The figures
// are printed as tables of Markdown and are never judged: times vary between machines.
//
// The same binary is all other roles too: the receiver (receive), the pages (pages), targets that
// send what they should not (hostile), and what the containers run (write). It needs Linux, root to read the Engine's files, Go, and a Docker
// Engine with its command; no image. Containers and the image carry a label and are removed.
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

// options are the command line.
type options struct {
	only       *regexp.Regexp // workloads to measure
	length     time.Duration  // of each measurement that goes on for a time
	lines      int            // that each container of the backlog has written
	lighter    string         // path of a binary; empty: built
	vmagent    string         // path of a binary; empty: not measured
	prometheus string         // likewise
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&only, "run", "", "measure the workloads that this regular expression matches")
	f.DurationVar(&o.length, "for", time.Minute, "length of each measurement that goes on for a time")
	f.IntVar(&o.lines, "lines", 200_000, "lines that each of the backlog's ten containers has written")
	f.StringVar(&o.lighter, "lighter", "", "the lighter `binary` to measure; built if empty")
	f.StringVar(&o.vmagent, "vmagent", "", "a vmagent `binary` to measure beside it")
	f.StringVar(&o.prometheus, "prometheus", "", "a prometheus `binary` to measure beside it, as an agent")
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
