package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// bench is one run of the command.
type bench struct {
	options
	engine *engine
	dir    string // temporary directory of this run
	out    *tables
	log    io.Writer // for progress messages
}

// workload is one thing that is measured.
type workload struct {
	name    string
	measure func(*bench, context.Context) error
}

var workloads = [...]workload{
	{"backlog", (*bench).backlog},
	{"paced", (*bench).paced},
	{"hundred", (*bench).hundred},
	{"idle", (*bench).idle},
	{"start", (*bench).start},
	{"scrape-100x1000", (*bench).scrapeMany},
	{"scrape-20x50000", (*bench).scrapeLarge},
	{"scrape-hostile", (*bench).scrapeHostile},
}

// measure runs the workloads one after the other and prints tables to out.
func measure(ctx context.Context, o options, out, log io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "lighter-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, out: &tables{out: out}, log: log}
	if b.lighter == "" {
		b.lighter = filepath.Join(dir, "bin-lighter")
		b.say("building lighter")
		if err := buildLighter(ctx, b.lighter); err != nil {
			return err
		}
	}
	if b.engine, err = openEngine(ctx); err != nil {
		return err
	}
	defer func() {
		if cleanErr := b.engine.clean(context.WithoutCancel(ctx)); err == nil {
			err = cleanErr
		}
	}()
	b.out.text(describeMachine(ctx))
	for _, w := range workloads {
		if !b.only.MatchString(w.name) {
			continue
		}
		if err := w.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// buildLighter builds the agent as it is released.
func buildLighter(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, "lighter/cmd/lighter")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build lighter: %w: %s", err, out)
	}
	return nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}

// freshDir returns an empty directory for a program's data.
func (b *bench) freshDir() (string, error) { return os.MkdirTemp(b.dir, "") }

// usage is what was used until a moment.
type usage struct {
	at      time.Time
	program time.Duration // CPU time
	dockerd time.Duration // likewise; 0 if it is not known
	report  report
}

// take reads the usage. The report comes last, because more data arrives until it is made.
func (b *bench) take(ctx context.Context, p *process, to *backend) (u usage, err error) {
	u.at = time.Now()
	if p != nil {
		if u.program, err = p.cpu(); err != nil {
			return u, err
		}
	}
	if u.dockerd, err = b.engine.cpu(); err != nil {
		return u, err
	}
	if to != nil {
		u.report, err = to.report(ctx)
	}
	return u, err
}

// verdict describes what is wrong with the received data; it is "all" if nothing is.
func (c count) verdict(lost int) string {
	var said []string
	for _, one := range []struct {
		n    int
		what string
	}{{lost, "lost"}, {c.Repeated, "twice"}, {c.Late, "out of order"}, {c.Wrong, "not as written"}} {
		if one.n != 0 {
			said = append(said, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	if len(said) == 0 {
		return "all"
	}
	return strings.Join(said, ", ")
}
