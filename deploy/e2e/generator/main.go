// Command generator is the container that the tests watch: it writes numbered log
// lines in every shape that Docker can carry, serves metrics, and counts what it
// said.
//
// A line names its run and its number, so a test can tell which one is missing. With "say" it
// writes what its arguments tell it to instead.
//
// /metrics serves counters that move with the lines; /count is the generator's own
// word on what it wrote, as JSON. It keeps nothing and promises nothing beyond its
// last line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// run writes all lines, then lingers if asked, and returns the exit code to end with.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	if len(args) > 0 && args[0] == "say" {
		return say(ctx, starts, args[1:], stdout, stderr)
	}
	o, err := parse(args)
	if err != nil {
		return 0, err
	}
	said := newSaid()
	failed := make(chan error, 1)
	if o.listen != "" {
		srv := &http.Server{Addr: o.listen, Handler: handler(said, o.series), ReadHeaderTimeout: 10 * time.Second}
		defer srv.Close()
		go func() { failed <- srv.ListenAndServe() }() // ends with Close
	}
	if err := write(ctx, o, said, stdout, stderr); err != nil {
		return 0, fmt.Errorf("write lines: %w", err)
	}
	if o.linger {
		select {
		case <-ctx.Done():
		case err := <-failed:
			return 0, fmt.Errorf("serve on %s: %w", o.listen, err)
		}
	}
	return o.exit, nil
}

// options are the command line.
type options struct {
	run        string        // named in every line
	format     string        // json, plain, or mix: in turn
	count      int           // lines to write; 0 is no end
	duration   time.Duration // for how long to write; 0 is no end
	rate       int           // lines a second; 0 is as fast as they are taken
	size       int           // lines are padded to this many bytes
	stderr     int           // every Nth line goes to stderr; 0 is none
	empty      int           // every Nth line is empty; 0 is none
	long       []int         // one line of each of these sizes, at line 10, 20, …
	unfinished bool          // the last line has no newline
	linger     bool          // stay after the last line, until a signal
	exit       int           // exit code
	listen     string        // address to serve on; empty is none
	series     int           // how many series /metrics has at least
}

func parse(args []string) (options, error) {
	var o options
	var long string
	f := flag.NewFlagSet("generator", flag.ContinueOnError)
	f.StringVar(&o.run, "run", "r", "name of the run, in every line")
	f.StringVar(&o.format, "format", "json", "json, plain or mix")
	f.IntVar(&o.count, "count", 0, "lines to write; 0 is no end")
	f.DurationVar(&o.duration, "for", 0, "for how long to write; 0 is no end")
	f.IntVar(&o.rate, "rate", 0, "lines a second; 0 is a flood")
	f.IntVar(&o.size, "size", 0, "bytes that a line is padded to")
	f.IntVar(&o.stderr, "stderr", 0, "every Nth line goes to stderr")
	f.IntVar(&o.empty, "empty", 0, "every Nth line is empty")
	f.StringVar(&long, "long", "", "sizes of long lines, comma-separated, written as line 10, 20, …")
	f.BoolVar(&o.unfinished, "unfinished", false, "end the last line without a newline")
	f.BoolVar(&o.linger, "linger", false, "stay after the last line, until a signal")
	f.IntVar(&o.exit, "exit", 0, "exit code")
	f.StringVar(&o.listen, "listen", "", "address to serve /metrics and /count on")
	f.IntVar(&o.series, "series", 0, "how many series /metrics has at least")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.format != "json" && o.format != "plain" && o.format != "mix" {
		return o, fmt.Errorf("format is %q, not json, plain or mix", o.format)
	}
	if o.unfinished && o.count == 0 {
		return o, errors.New("unfinished needs count: without one there is no last line")
	}
	for _, s := range strings.FieldsFunc(long, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return o, fmt.Errorf("long: %w", err)
		}
		o.long = append(o.long, n)
	}
	return o, nil
}
