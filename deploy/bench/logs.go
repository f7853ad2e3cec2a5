package main

import (
	"context"
	"fmt"
	"time"
)

// sources are the two ways to read logs, LIGHTER_LOG_SOURCE.
var sources = [...]string{"socket", "file"}

const (
	settle   = 3 * time.Second  // after everything has started, before a measurement begins
	patience = 30 * time.Second // if nothing new arrives for this long, nothing more is expected
	poll     = 50 * time.Millisecond
)

var logHeader = []string{"workload", "read from", "lines", "lines/s", "CPU s per million lines", "dockerd's, over the writers' alone", "CPU of a core", "peak RSS", "received"}

// logRow is the result of a measurement of logs.
type logRow struct {
	workload string
	source   string
	lines    int // in the time
	took     time.Duration
	cpu      time.Duration // of the program
	dockerd  time.Duration // in addition to what it uses alone; noise can make it negative
	peak     int64
	verdict  string
}

func (r logRow) cells() []string {
	return []string{r.workload, r.source, thousands(r.lines), rate(r.lines, r.took), perMillion(r.cpu, r.lines), perMillion(max(r.dockerd, 0), r.lines),
		share(r.cpu, r.took), mebibytes(r.peak), r.verdict}
}

// shipping is a lighter process that ships logs to its own backend.
type shipping struct {
	*process
	to *backend
}

func (b *bench) ship(source string, more ...string) (*shipping, error) {
	dir, err := b.freshDir()
	if err != nil {
		return nil, err
	}
	to, err := startBackend()
	if err != nil {
		return nil, err
	}
	p, err := start("lighter", lighterEnv(dir, append(logEnv(b.engine, to, source), more...)...), b.lighter, "run")
	if err != nil {
		_ = to.stop()
		return nil, err
	}
	return &shipping{p, to}, nil
}

// close stops both and may be called again. It returns an error if lighter does not stop cleanly.
func (s *shipping) close() error {
	err := s.stop()
	_ = s.to.stop() // it has nothing to lose
	if err != nil {
		return fmt.Errorf("lighter did not stop cleanly: %w: %s", err, s.said)
	}
	return nil
}

// wait polls until ok returns true, and fails if nothing new arrives for a while.
func (s *shipping) wait(ctx context.Context, ok func(report) bool) error {
	for items, changed := -1, time.Now(); ; {
		r, err := s.to.report(ctx)
		if err != nil {
			return err
		}
		if ok(r) {
			return nil
		}
		if err := s.alive(); err != nil {
			return err
		}
		if r.Lines.Items != items {
			items, changed = r.Lines.Items, time.Now()
		}
		if time.Since(changed) > patience {
			return fmt.Errorf("nothing arrived for %s, after %d lines of %d streams", patience, r.Lines.Items, r.Lines.Streams)
		}
		if !sleep(ctx, poll) {
			return ctx.Err()
		}
	}
}

// backlog measures ten containers that have written their logs before the agent starts.
func (b *bench) backlog(ctx context.Context) error {
	const containers = 10
	want := containers * b.lines
	name := fmt.Sprintf("backlog, %d × %s", containers, thousands(b.lines))
	b.say("%s: writing", name)
	if err := b.engine.runWriters(ctx, containers, "-count", fmt.Sprint(b.lines)); err != nil {
		return err
	}
	if err := b.engine.waitWritten(ctx, containers, b.lines); err != nil {
		return err
	}
	b.out.table(logHeader)
	for _, source := range sources {
		b.say("%s: %s", name, source)
		if !sleep(ctx, settle) {
			return ctx.Err()
		}
		if err := b.backlogFrom(ctx, name, source, want); err != nil {
			return err
		}
	}
	return b.engine.removeContainers(ctx)
}

// backlogFrom measures one source.
func (b *bench) backlogFrom(ctx context.Context, name, source string, want int) error {
	before, err := b.take(ctx, nil, nil)
	if err != nil {
		return err
	}
	s, err := b.ship(source)
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	waited := s.wait(ctx, func(r report) bool { return r.Lines.Items+r.Lines.Wrong >= want })
	if err := s.alive(); err != nil {
		b.out.skip(logHeader, name, source, err)
		return ctx.Err()
	}
	// A line that is sent twice arrives within the next second.
	if !sleep(ctx, time.Second) {
		return ctx.Err()
	}
	after, err := b.take(ctx, s.process, s.to)
	if err != nil {
		return err
	}
	got := after.report.Lines
	row := logRow{
		workload: name, source: source,
		lines: got.Items, took: time.Duration(got.Last - s.began.UnixNano()),
		cpu: after.program, dockerd: after.dockerd - before.dockerd,
		verdict: got.verdict(want - got.Items),
	}
	if row.peak, err = s.peak(); err != nil {
		return err
	}
	if waited != nil {
		row.verdict += " (" + waited.Error() + ")"
	}
	b.out.row(row.cells())
	return s.close()
}
