package main

import (
	"context"
	"fmt"
	"time"
)

// paced measures ten containers that together write 2,000 lines a second.
func (b *bench) paced(ctx context.Context) error {
	return b.steady(ctx, steadyLoad{name: "10 × 200 lines/s", containers: 10, rate: 200})
}

// hundred measures a hundred containers that write little, and 10,000 series.
func (b *bench) hundred(ctx context.Context) error {
	return b.steady(ctx, steadyLoad{name: "100 × 5 lines/s and 10 × 1,000 series every 10 s", containers: 100, rate: 5, targets: 10, series: 1000, every: 10 * time.Second})
}

// idle measures ten containers that write nothing.
func (b *bench) idle(ctx context.Context) error {
	return b.steady(ctx, steadyLoad{name: "idle, 10 containers", containers: 10})
}

// steadyLoad is a load that continues while it is measured.
type steadyLoad struct {
	name       string
	containers int
	rate       int // lines a second of each container
	targets    int // number of pages; may be 0
	series     int // of each
	every      time.Duration
}

// steady measures a continuing load: dockerd without an agent, then each source, while the same containers
// write.
func (b *bench) steady(ctx context.Context, load steadyLoad) error {
	b.say("%s: starting the containers", load.name)
	if err := b.engine.runWriters(ctx, load.containers, "-rate", fmt.Sprint(load.rate)); err != nil {
		return err
	}
	b.say("%s: without an agent", load.name)
	if !sleep(ctx, settle) {
		return ctx.Err()
	}
	before, err := b.take(ctx, nil, nil)
	if err != nil {
		return err
	}
	if !sleep(ctx, b.length) {
		return ctx.Err()
	}
	after, err := b.take(ctx, nil, nil)
	if err != nil {
		return err
	}
	alone := float64(after.dockerd-before.dockerd) / float64(after.at.Sub(before.at))
	b.out.table(logHeader)
	for _, source := range sources {
		b.say("%s: %s", load.name, source)
		if err := b.steadyFrom(ctx, load, source, alone); err != nil {
			return err
		}
	}
	return b.engine.removeContainers(ctx)
}

// steadyFrom measures one source. alone is the share of a core that dockerd uses without it.
func (b *bench) steadyFrom(ctx context.Context, load steadyLoad, source string, alone float64) error {
	more := []string{"LIGHTER_LOGS_SINCE=0"} // lines that were written before are not expected
	var scraped *scraped
	if load.targets > 0 {
		var err error
		if scraped, err = startScraped(load.targets, load.series); err != nil {
			return err
		}
		defer scraped.stop()
		more = append(more, scrapeEnv(scraped.to, scraped.targets, load.every)...)
	}
	s, err := b.ship(source, more...)
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	if err := s.wait(ctx, func(r report) bool { return load.rate == 0 || r.Lines.Streams == load.containers }); err != nil && s.alive() == nil {
		return err
	}
	if !sleep(ctx, settle) {
		return ctx.Err()
	}
	if err := s.alive(); err != nil {
		b.out.skip(logHeader, load.name, source, err)
		return nil
	}
	before, err := b.take(ctx, s.process, s.to)
	if err != nil {
		return err
	}
	if !sleep(ctx, b.length) {
		return ctx.Err()
	}
	after, err := b.take(ctx, s.process, s.to)
	if err != nil {
		return err
	}
	took := after.at.Sub(before.at)
	row := logRow{
		workload: load.name, source: source, took: took,
		lines: after.report.Lines.Items - before.report.Lines.Items,
		cpu:   after.program - before.program, dockerd: after.dockerd - before.dockerd - time.Duration(alone*float64(took)),
	}
	if row.peak, err = s.peak(); err != nil {
		return err
	}
	row.verdict = after.report.Lines.verdict(after.report.Lines.Missing)
	if err := s.close(); err != nil {
		return err
	}
	if scraped != nil {
		samples, verdict, err := scraped.outcome(ctx)
		if err != nil {
			return err
		}
		row.verdict += fmt.Sprintf("; of %s samples %s", thousands(samples), verdict)
	}
	b.out.row(row.cells())
	return nil
}
