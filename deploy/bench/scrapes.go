package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

var scrapeHeader = []string{"workload", "program", "samples", "CPU s per million samples", "of the second half alone", "peak RSS", "received"}

// scrapeMany measures a hundred targets of 1,000 series, scraped every second.
func (b *bench) scrapeMany(ctx context.Context) error {
	return b.scrape(ctx, "100 × 1,000 series every 1s", 100, 1000, time.Second)
}

// scrapeLarge measures twenty targets of 50,000 series, scraped every ten seconds.
func (b *bench) scrapeLarge(ctx context.Context) error {
	return b.scrape(ctx, "20 × 50,000 series every 10s", 20, 50_000, 10*time.Second)
}

// scrape measures each program in turn, from its start, so that the cost of the first scrape of each
// series is included. The addresses in others are scraped too, but nothing is expected from them.
func (b *bench) scrape(ctx context.Context, name string, targets, series int, every time.Duration, others ...string) error {
	b.out.table(scrapeHeader)
	for _, p := range scrapers(b.options) {
		b.say("%s: %s", name, p.name)
		if err := b.scrapeWith(ctx, p, name, targets, series, every, others); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) scrapeWith(ctx context.Context, by scraper, name string, targets, series int, every time.Duration, others []string) (err error) {
	s, err := startScraped(targets, series)
	if err != nil {
		return err
	}
	defer s.stop()
	dir, err := b.freshDir()
	if err != nil {
		return err
	}
	p, err := by.start(dir, s.to, slices.Concat(s.targets, others), every)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	if !sleep(ctx, b.length/2) {
		return ctx.Err()
	}
	half, err := b.take(ctx, p, s.to)
	if err != nil {
		return errors.Join(err, p.alive())
	}
	if !sleep(ctx, b.length/2) {
		return ctx.Err()
	}
	end, err := b.take(ctx, p, s.to)
	if err != nil {
		return errors.Join(err, p.alive())
	}
	peak, err := p.peak()
	if err != nil {
		return errors.Join(err, p.alive())
	}
	stopErr := p.stop() // it still sends what it has scraped
	_, verdict, err := s.outcome(ctx)
	if err != nil {
		return err
	}
	if stopErr != nil {
		verdict += ", " + stopErr.Error()
	}
	samples := end.report.Samples.Items
	b.out.row([]string{name, by.name, thousands(samples), perMillion(end.program, samples),
		perMillion(end.program-half.program, samples-half.report.Samples.Items), mebibytes(peak), verdict})
	return nil
}

// scraped is the pages and the backend that is to receive their samples.
type scraped struct {
	pages   *process
	to      *backend
	targets []string
	series  int // of each
}

func startScraped(targets, series int) (*scraped, error) {
	s := &scraped{series: series}
	var err error
	if s.pages, err = startRole(&s.targets, "pages", "-targets", fmt.Sprint(targets), "-series", fmt.Sprint(series)); err != nil {
		return nil, err
	}
	if s.to, err = startBackend(); err != nil {
		_ = s.pages.stop()
		return nil, err
	}
	return s, nil
}

// stop stops both; neither has data to lose.
func (s *scraped) stop() {
	_ = s.pages.stop()
	_ = s.to.stop()
}

// outcome returns how many samples arrived and what is wrong with them, once the program has stopped.
func (s *scraped) outcome(ctx context.Context) (samples int, verdict string, err error) {
	var scrapes map[string]int
	if err := ask(ctx, "http://"+s.targets[0]+scrapesPath, &scrapes); err != nil {
		return 0, "", err
	}
	r, err := s.to.report(ctx)
	if err != nil {
		return 0, "", err
	}
	verdict = r.Samples.verdict(r.Samples.lost(scrapes, s.series))
	if len(r.Refused) > 0 {
		verdict += fmt.Sprintf(", %d requests refused: %s", len(r.Refused), r.Refused[0])
	}
	return r.Samples.Items, verdict, nil
}

// lost returns how many samples of each target's scrapes are missing: between those that arrived, before
// the first one and after the last one. The stop may cut off the last scrape.
func (r sampleReport) lost(scrapes map[string]int, series int) int {
	n := r.Missing
	for target, had := range scrapes {
		t := r.Targets[target]
		missing := max(had-1-int(t.Last), 0)
		if t.First > 1 {
			missing += int(t.First - 1)
		}
		n += (series-t.Series)*had + t.Series*missing
	}
	return n
}
