// Command generator is the program of the tests' containers: it writes numbered log lines of every kind that
// Docker supports, serves metrics, and counts what it wrote.
//
// A line contains its run and its number, so a test can determine which one is missing. With "say", it
// writes what its arguments specify instead.
//
// /metrics serves counters that grow with the lines; /count returns the generator's own count of its lines
// as JSON. The generator stores nothing.
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

// run writes all lines, then lingers if asked, and returns the exit code.
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
	format     string        // json, plain, or mix for both alternately
	count      int           // number of lines; 0 means no limit
	duration   time.Duration // how long to write; 0 means no limit
	rate       int           // lines a second; 0 means as fast as possible
	size       int           // lines are padded to this many bytes
	stderr     int           // every Nth line goes to stderr; 0 means none
	empty      int           // every Nth line is empty; 0 means none
	long       []int         // one line of each of these sizes, at line 10, 20, …
	unfinished bool          // the last line has no newline
	linger     bool          // stay after the last line, until a signal
	exit       int           // exit code
	listen     string        // address to serve on; may be empty
	series     int           // minimum number of series of /metrics
}

func parse(args []string) (options, error) {
	var o options
	var long string
	f := flag.NewFlagSet("generator", flag.ContinueOnError)
	f.StringVar(&o.run, "run", "r", "name of the run, in every line")
	f.StringVar(&o.format, "format", "json", "json, plain or mix")
	f.IntVar(&o.count, "count", 0, "number of lines; 0 means no limit")
	f.DurationVar(&o.duration, "for", 0, "how long to write; 0 means no limit")
	f.IntVar(&o.rate, "rate", 0, "lines a second; 0 means as fast as possible")
	f.IntVar(&o.size, "size", 0, "bytes to which each line is padded")
	f.IntVar(&o.stderr, "stderr", 0, "every Nth line goes to stderr")
	f.IntVar(&o.empty, "empty", 0, "every Nth line is empty")
	f.StringVar(&long, "long", "", "sizes of long lines, comma-separated, written as line 10, 20, …")
	f.BoolVar(&o.unfinished, "unfinished", false, "end the last line without a newline")
	f.BoolVar(&o.linger, "linger", false, "keep running after the last line, until a signal")
	f.IntVar(&o.exit, "exit", 0, "exit code")
	f.StringVar(&o.listen, "listen", "", "address on which to serve /metrics and /count")
	f.IntVar(&o.series, "series", 0, "minimum number of series of /metrics")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.format != "json" && o.format != "plain" && o.format != "mix" {
		return o, fmt.Errorf("format is %q, want json, plain or mix", o.format)
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
