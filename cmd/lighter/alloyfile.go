package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lighter/config"
	"lighter/config/alloy"
	"lighter/config/alloy/lint"
	"lighter/config/env"
)

// defaultFile is the path of the configuration in Alloy's image. A container whose image was changed from Alloy's
// to lighter's has its configuration there.
const defaultFile = "/etc/alloy/config.alloy"

// defaultDataDir is where Alloy's image stores data by default. A volume that is mounted there has Alloy's
// positions.
const defaultDataDir = "/var/lib/alloy/data"

// stdin is the name of the standard input on a command line.
const stdin = "-"

// loadFile reads an Alloy file, a directory of them, or stdin, with the environment's settings that apply together
// with it. unset is true for a file that is only examined, perhaps on another machine than the one that runs it. An
// error in the file is an alloy.Diagnostics.
func (c *cli) loadFile(ctx context.Context, flags runFlags, path string, unset bool) (*alloy.File, []string, error) {
	s, warnings, err := env.ForFile(flags.environ(c.environ), fileReader(ctx))
	if err != nil {
		return nil, nil, err
	}
	o := alloy.Options{
		Getenv:   c.lookup,
		ReadFile: func(name string) ([]byte, error) { return c.readFile(ctx, name) },
		Hostname: cmp.Or(s.Host, c.env("HOSTNAME")),
		Version:  currentBuild().Version,
		Unset:    unset,
		Agent: config.Agent{
			Listen:       s.Listen,
			DataDir:      s.DataDir,
			BufferMax:    s.BufferMaxBytes,
			Host:         s.Host,
			LogLevel:     s.LogLevel,
			LogFormat:    s.LogFormat,
			BudgetLogs:   s.BudgetLogs,
			BudgetSeries: s.BudgetSeries,
			Auth:         s.ServerAuth(),
			TLS:          s.ServerTLS(),
		},
		LogsSince:    s.LogsSince,
		MaxLineBytes: int(s.MaxLineBytes),
		DockerRoot:   s.LogRoot(),
	}
	f, err := alloy.Load(path, o)
	if err != nil {
		return nil, nil, err
	}
	return f, warnings, nil
}

// mostOfFile limits how much of a file is read. It is larger than the largest configuration that is allowed.
const mostOfFile = 8 << 20

// readFile reads up to mostOfFile bytes of a file, until ctx ends. stdin is read only once, and its content is kept.
func (c *cli) readFile(ctx context.Context, name string) ([]byte, error) {
	if name != stdin {
		return fileReader(ctx)(name)
	}
	if c.piped == nil {
		text, err := unlessStopped(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(c.stdin, mostOfFile)) })
		if err != nil {
			return nil, err
		}
		c.piped = text
	}
	return bytes.Clone(c.piped), nil
}

// fileReader returns a function that reads up to mostOfFile bytes of a file, until ctx ends.
func fileReader(ctx context.Context) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		return unlessStopped(ctx, func() ([]byte, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return io.ReadAll(io.LimitReader(f, mostOfFile))
		})
	}
}

// unlessStopped returns the result of read, or an error if ctx ends first. A read of stdin, or of a named pipe that
// nobody writes to, may block forever and cannot be interrupted, so read may still be running after the return.
func unlessStopped(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		content []byte
		err     error
	}
	done := make(chan result, 1)
	go func() {
		content, err := read()
		done <- result{content, err}
	}()
	select {
	case r := <-done:
		return r.content, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("stopped by %w before it was read completely", context.Cause(ctx))
	}
}

// fileArgument checks arguments as check does, and refuses an empty file name, which usually comes from a shell
// variable that is not set.
func fileArgument(check cobra.PositionalArgs) cobra.PositionalArgs {
	return usageArgs(func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return err
		}
		if slices.Contains(args, "") {
			return errors.New("the name of the file is empty")
		}
		return nil
	})
}

// lookup returns the last variable with a name, and reports whether there is one.
func (c *cli) lookup(name string) (string, bool) {
	i := slices.IndexFunc(c.environ, func(kv string) bool { return len(kv) > len(name) && kv[:len(name)] == name && kv[len(name)] == '=' })
	return c.env(name), i >= 0
}

// warnings returns the warnings about a file that can be run, in the order of its lines. It does not repeat
// that a component does not run if that follows from a finding of lint.
func warnings(f *alloy.File) alloy.Diagnostics {
	all := slices.Clone(f.Warnings)
	for _, found := range lint.Check(f.Files...) {
		if found.Rule == "forward-nowhere" || found.Rule == "no-targets" {
			all = slices.DeleteFunc(all, func(d alloy.Diagnostic) bool {
				return d.File == found.Start.Filename && d.Line == found.Start.Line && strings.HasSuffix(d.Message, alloy.DoesNotRun)
			})
		}
		all = append(all, alloy.NewWarning(found.Start, found.End, f.Sources[found.Start.Filename], found.Message+" ("+found.Rule+")", "Instead: "+found.Instead))
	}
	return all.Sort()
}

// watchInterval is how often the files of a plan are checked for changes.
const watchInterval = 2 * time.Second

// watchFiles calls changed when one of the files changes, until ctx ends. files returns their names, and is
// called at each check.
func watchFiles(ctx context.Context, files func() []string, changed func()) {
	last := stamps(files())
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := stamps(files())
		differs := false
		for name, stamp := range now {
			before, known := last[name]
			differs = differs || known && before != stamp
		}
		if last = now; differs {
			changed()
			last = stamps(files()) // the plan may use other files now
		}
	}
}

// watchPolls calls changed when the content of one of the addresses differs from that in the plan, until
// ctx ends. polls returns the addresses, and is called each second.
func watchPolls(ctx context.Context, polls func() []*alloy.Poll, logger *slog.Logger, changed func()) {
	asked := map[*alloy.Poll]time.Time{}
	failures := map[string]string{} // by address; each is logged once
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now, differs := time.Now(), false
		all := polls()
		maps.DeleteFunc(asked, func(p *alloy.Poll, _ time.Time) bool { return !slices.Contains(all, p) })
		for _, p := range all {
			last, known := asked[p]
			if !known { // the address was read when the plan was made
				asked[p] = now
			}
			if !known || now.Sub(last) < p.Every {
				continue
			}
			asked[p] = now
			is, err := p.Changed(ctx)
			switch {
			case err == nil:
				delete(failures, p.Shown)
			case ctx.Err() == nil && failures[p.Shown] != err.Error():
				failures[p.Shown] = err.Error()
				logger.Warn("the content of an address cannot be read; the previous content is used", "error", err)
			}
			differs = differs || is
		}
		if differs {
			changed()
		}
	}
}

// stamp distinguishes the contents of a file.
type stamp struct {
	size     int64
	modified time.Time
	gone     bool
}

func stamps(files []string) map[string]stamp {
	all := map[string]stamp{}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			all[name] = stamp{gone: true}
			continue
		}
		all[name] = stamp{info.Size(), info.ModTime(), false}
	}
	return all
}

// sideFiles returns the files that a plan uses besides the configuration itself, which is read again only
// on request.
func sideFiles(f *alloy.File, path string) []string {
	return slices.DeleteFunc(slices.Clone(f.Reads), func(name string) bool {
		return name == path || filepath.Dir(name) == filepath.Clean(path) && filepath.Ext(name) == ".alloy"
	})
}

// sayDiagnostics prints the diagnostics about a file, and returns an error that means that they were printed. It
// returns other errors unchanged.
func (c *cli) sayDiagnostics(err error) error {
	var all alloy.Diagnostics
	if !errors.As(err, &all) {
		return err
	}
	if err := alloy.Fprint(c.stderr, all); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "\n%s\n", counted(all))
	return errSaid
}

// counted returns a text with the numbers of errors and warnings.
func counted(all alloy.Diagnostics) string {
	errs, warnings := 0, 0
	for _, d := range all {
		if d.Severity == alloy.Error {
			errs++
		} else {
			warnings++
		}
	}
	return plural(errs, "error") + ", " + plural(warnings, "warning")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
