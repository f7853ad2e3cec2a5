package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// start measures the time from the start of the process until the first line is received.
func (b *bench) start(ctx context.Context) error {
	const containers, lines, runs = 10, 100, 11
	if err := b.engine.runWriters(ctx, containers, "-count", fmt.Sprint(lines)); err != nil {
		return err
	}
	if err := b.engine.waitWritten(ctx, containers, lines); err != nil {
		return err
	}
	header := []string{"start of the process to the first line received", "read from", "median of 11", "slowest"}
	b.out.table(header)
	for _, source := range sources {
		b.say("start: %s", source)
		var took []time.Duration
		for range runs {
			one, err := b.firstLine(ctx, source)
			if errors.Is(err, errEnded) {
				b.out.skip(header, "10 containers", source, err)
				break
			}
			if err != nil {
				return err
			}
			took = append(took, one)
		}
		if len(took) == runs {
			slices.Sort(took)
			b.out.row([]string{"10 containers", source, took[runs/2].Round(time.Millisecond).String(), took[runs-1].Round(time.Millisecond).String()})
		}
	}
	return b.engine.removeContainers(ctx)
}

// firstLine starts lighter once.
func (b *bench) firstLine(ctx context.Context, source string) (time.Duration, error) {
	s, err := b.ship(source)
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.close() }()
	if err := s.wait(ctx, func(r report) bool { return r.Lines.First != 0 }); err != nil {
		return 0, err
	}
	r, err := s.to.report(ctx)
	if err != nil {
		return 0, err
	}
	return time.Duration(r.Lines.First - s.began.UnixNano()), s.close()
}
