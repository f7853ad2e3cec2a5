package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// life takes containers through everything that happens to containers, before the agent starts, while it runs
// and while it is stopped, with all kinds of output. If the agent uses the Engine, it does so through a
// recording socket, which must have seen only read requests.
func (l *lab) life(t *testing.T) {
	ctx := t.Context()
	exited := l.generate(t, "life-exited", generatorOptions{}, "-count", "100", "-format", "mix", "-stderr", "3", "-exit", "3")
	before := l.generate(t, "life-before", generatorOptions{}, "-rate", "50", "-stderr", "3", "-format", "mix")
	exited.waitExited(t, 3)

	socket := l.recordingSocket(t)
	a := l.agent(t, "life", agentOptions{include: "life-*", socket: socket.Path,
		env: []string{"LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SCRAPE_TIMEOUT=1s"}})

	restarted := l.generate(t, "life-restarted", generatorOptions{}, "-rate", "50", "-stderr", "4")
	stopped := l.generate(t, "life-stopped", generatorOptions{}, "-rate", "50", "-stderr", "4")
	recreated := l.generate(t, "life-recreated", generatorOptions{}, "-rate", "50", "-stderr", "4")
	tty := l.generate(t, "life-tty", generatorOptions{tty: true}, "-count", "300", "-rate", "50", "-format", "mix", "-long", "40960", "-empty", "9")
	long := l.generate(t, "life-long", generatorOptions{}, "-count", "60", "-rate", "20", "-format", "mix", "-stderr", "20",
		"-long", "40960,307200,16383,16384,16385,262144,262145")
	nowhere := l.generate(t, "life-no-network", generatorOptions{network: "none"}, "-count", "200", "-rate", "50", "-empty", "5")
	unfinished := l.generate(t, "life-unfinished", generatorOptions{}, "-count", "20", "-unfinished")
	silent := l.generate(t, "life-silent", generatorOptions{docker: []string{"--label", "lighter.logs=false"}}, "-count", "20")
	scraped := l.generate(t, "life-scraped", generatorOptions{docker: []string{"--label", "lighter.scrape=true", "--label", "lighter.port=3000"}},
		"-count", "20", "-listen", ":3000", "-linger")

	for _, g := range []*generator{restarted, stopped, recreated} {
		g.waitWritten(t, 50)
	}
	must(t, restarted.Restart(ctx))
	must(t, stopped.Stop(ctx))
	must(t, recreated.Stop(ctx))
	a.delivers(t, recreated) // lines that are not read before the removal are lost
	recreated = l.recreate(t, recreated, generatorOptions{}, "-rate", "50", "-stderr", "4")
	must(t, stopped.Start(ctx))
	unfinished.waitExited(t, 0)
	must(t, unfinished.Start(ctx)) // a new first line after an incomplete last one
	for _, g := range []*generator{restarted, stopped, recreated} {
		g.waitWritten(t, len(g.lines(t))+50)
	}
	if l.source != fromFiles && l.can(t, scraping) { // files contain no information about networks
		eventually(t, 20*time.Second, func(ctx context.Context) error {
			got, err := l.prom.Query(ctx, fmt.Sprintf(`up{environment=%q,container="life-scraped"}`, a.environment))
			if err == nil && (len(got) != 1 || got[0].Value != 1) {
				err = fmt.Errorf("up is %v", got)
			}
			return err
		})
	}

	// While the agent is stopped, they continue, one ends, and one starts and ends.
	a.stop(t)
	must(t, stopped.Stop(ctx))
	missed := l.generate(t, "life-missed", generatorOptions{}, "-count", "150", "-stderr", "2")
	missed.waitExited(t, 0)
	before.waitWritten(t, len(before.lines(t))+50)
	must(t, a.Start(ctx))
	a.waitReady(t)
	before.waitWritten(t, len(before.lines(t))+50)

	for _, g := range []*generator{tty, long, nowhere} {
		g.waitExited(t, 0)
	}
	all := []*generator{exited, before, restarted, stopped, recreated, tty, long, nowhere, unfinished, scraped, missed}
	for _, g := range all {
		must(t, g.Stop(ctx))
	}
	if n := len(silent.lines(t)); n != 20 {
		t.Errorf("life-silent wrote %d lines, not 20", n)
	}
	a.verify(t, time.Minute, all...)

	gets := 0
	for r, n := range socket.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("the agent asked the Engine to %s %s", r.Method, r.Path)
		}
		gets += n
	}
	if (gets > 0) != (l.source != fromFiles) {
		t.Errorf("the recording socket has seen %d requests of an agent that reads from %s", gets, l.source)
	}
	t.Logf("the Engine's socket got %d requests, only GET and HEAD", gets)
}

// delivers waits until all lines of a stopped generator are acknowledged.
func (a *agent) delivers(t *testing.T, g *generator) {
	t.Helper()
	want := a.streams(t, []*generator{g})
	eventually(t, 30*time.Second, func(context.Context) error {
		if c, _ := compare(want, a.pushes.Entries()); c.lost > 0 {
			return fmt.Errorf("%d lines of %s are not delivered", c.lost, g.Name)
		}
		return nil
	})
}

// shortLived runs fifty containers that live for a second, a few at a time.
func (l *lab) shortLived(t *testing.T) {
	a := l.agent(t, "short-lived", agentOptions{include: "short-*"})
	all := make([]*generator, 50)
	work, ctx := errgroup.WithContext(t.Context())
	work.SetLimit(5)
	for i := range all {
		work.Go(func() error {
			g, err := l.startGenerator(ctx, fmt.Sprintf("short-%02d", i), generatorOptions{}, "-for", "1s", "-rate", "40", "-stderr", "3", "-format", "mix")
			if err != nil {
				return err
			}
			all[i] = g
			_, err = g.Wait(ctx)
			return err
		})
	}
	err := work.Wait()
	t.Cleanup(func() {
		for _, g := range all {
			if g != nil {
				_ = g.Remove(context.Background())
			}
		}
	})
	must(t, err)
	a.verify(t, time.Minute, all...)
}
