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

	"lighter/config"
	"lighter/config/alloy"
	"lighter/config/alloy/lint"
	"lighter/config/env"
)

// defaultFile is where Alloy's image has its configuration. A container whose image is changed to lighter's
// has it there.
const defaultFile = "/etc/alloy/config.alloy"

// defaultDataDir is where Alloy's image stores data unless its command says something else. A volume that is
// mounted there has Alloy's positions.
const defaultDataDir = "/var/lib/alloy/data"

// stdin is what a command line calls the standard input.
const stdin = "-"

// loadFile reads an Alloy file, a directory of them, or stdin, with the environment's settings that hold
// beside it. unset is of a file that is only looked at, perhaps elsewhere than where it runs. An error of the
// file is an alloy.Diagnostics.
func (c *cli) loadFile(flags runFlags, path string, unset bool) (*alloy.File, []string, error) {
	s, warnings, err := env.ForFile(flags.environ(c.environ), os.ReadFile)
	if err != nil {
		return nil, nil, err
	}
	o := alloy.Options{
		Getenv:   c.lookup,
		ReadFile: c.readFile,
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

// mostOfFile is how much of a file is read, which is more than a configuration may have.
const mostOfFile = 8 << 20

// readFile reads a file, or as much of it as is taken for one. stdin is read once, and has the same content ever
// after.
func (c *cli) readFile(name string) ([]byte, error) {
	if name != stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, mostOfFile))
	}
	if c.piped == nil {
		text, err := io.ReadAll(io.LimitReader(c.stdin, mostOfFile))
		if err != nil {
			return nil, err
		}
		c.piped = text
	}
	return bytes.Clone(c.piped), nil
}

// lookup returns a variable, the last of that name.
func (c *cli) lookup(name string) (string, bool) {
	i := slices.IndexFunc(c.environ, func(kv string) bool { return len(kv) > len(name) && kv[:len(name)] == name && kv[len(name)] == '=' })
	return c.env(name), i >= 0
}

// warnings returns what deserves a look in a file that can be run, in the order of its lines. That a component
// does not run, which follows from what lint finds, is not said again.
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

// watchInterval is how often the files are looked at that a plan was made of.
const watchInterval = 2 * time.Second

// watchFiles calls changed when one of the files is another than it was, until ctx ends. files returns their
// names, and is asked at each look.
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
			last = stamps(files()) // the plan may be made of other files now
		}
	}
}

// watchPolls calls changed when one of the addresses gives something else than a plan was made of, until ctx
// ends. polls returns them, and is asked each second.
func watchPolls(ctx context.Context, polls func() []*alloy.Poll, logger *slog.Logger, changed func()) {
	asked := map[*alloy.Poll]time.Time{}
	failures := map[string]string{} // by the address; each is said once
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
			if !known { // it was asked when the plan was made
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
				logger.Warn("the content of an address is not known; the one before is used", "error", err)
			}
			differs = differs || is
		}
		if differs {
			changed()
		}
	}
}

// stamp is what tells one content of a file from another one.
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

// sideFiles are the files that a plan was made of beside the configuration itself, which is read again only
// when somebody asks for it.
func sideFiles(f *alloy.File, path string) []string {
	return slices.DeleteFunc(slices.Clone(f.Reads), func(name string) bool {
		return name == path || filepath.Dir(name) == filepath.Clean(path) && filepath.Ext(name) == ".alloy"
	})
}

// sayDiagnostics prints what is wrong with a file, and returns the error that says that it is said; other
// errors it returns as they are.
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

// counted says how many errors and warnings there are.
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
