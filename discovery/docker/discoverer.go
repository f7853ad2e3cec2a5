package docker

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/client"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

const (
	// settle is how long further events are waited for after one: docker compose up is a
	// burst of them. It is well below the 50 ms that a change may take.
	settle = 20 * time.Millisecond
	// minBackoff is short: an Engine that restarts is away for about a second.
	minBackoff = 100 * time.Millisecond
	// maxBackoff keeps a container within seconds of the Engine's return.
	maxBackoff = 2 * time.Second
	// steady is how long a connection lasts that was none of a row of failures.
	steady = 10 * time.Second
)

// Discoverer turns the containers of an Engine into targets.
type Discoverer struct {
	cfg    Config
	client *Client
	logger *slog.Logger
	facts  facts

	lastEvent      int64 // Unix nanoseconds on the Engine's clock
	networksHidden bool  // /networks is refused, and that is said
}

// New returns a Discoverer that does nothing until Run or List. It does not own the client.
func New(cfg Config, c *Client, logger *slog.Logger) *Discoverer {
	cfg.Refresh = cmp.Or(cfg.Refresh, DefaultConfig().Refresh)
	return &Discoverer{cfg: cfg, client: c, logger: logger, facts: newFacts(c, logger)}
}

// Run calls update with all targets there are, at first when the Engine has been listed
// for the first time, then at each change, until ctx ends, which it reports as nil. It
// tries for ever to reach an Engine that is away, and calls nothing meanwhile. It waits for
// update to return before the next call, and makes none after it has returned itself.
func (d *Discoverer) Run(ctx context.Context, update func([]lighter.Target)) error {
	var last []lighter.Target
	first := true
	changed := func(targets []lighter.Target) {
		if first || !same(last, targets) {
			first, last = false, targets
			update(targets)
		}
	}
	for tries := 0; ; tries++ {
		start := time.Now()
		err := d.session(ctx, changed)
		if ctx.Err() != nil {
			return nil
		}
		d.client.health.down(err)
		if time.Since(start) > steady {
			tries = 0
		}
		delay := backoff(tries)
		if errors.Is(err, errRefused) {
			delay = d.cfg.Refresh // somebody must change a setting first
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
	}
}

// List returns the targets as they are now. It is not for use beside Run.
func (d *Discoverer) List(ctx context.Context) ([]lighter.Target, error) {
	api, host, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	return d.list(ctx, api, host)
}

// session connects, lists, and follows events until something breaks, and says what.
func (d *Discoverer) session(ctx context.Context, changed func([]lighter.Target)) error {
	api, host, err := d.connect(ctx)
	if err != nil {
		return err
	}
	var retries sync.WaitGroup
	defer retries.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	retried, retrying := make(chan []*lighter.Container), false
	events := d.watch(ctx, api) // before the list, so that nothing falls between the two
	defer func() { d.lastEvent = max(d.lastEvent, events.close()) }()
	d.facts.doubtAll() // what was missed while there was no connection

	refresh := time.NewTicker(d.cfg.Refresh)
	defer refresh.Stop()
	for {
		targets, err := d.list(ctx, api, host)
		if err != nil {
			return err
		}
		changed(targets)
		select {
		case <-events.broken: // or never opened
			return events.err
		default:
			d.client.health.up()
		}

		select {
		case <-events.news:
			select {
			case <-time.After(settle):
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-refresh.C:
			if failed := d.facts.failed(); len(failed) > 0 && !retrying {
				retrying = true
				retries.Go(func() { d.facts.retry(ctx, failed, retried) })
			}
		case found := <-retried:
			retrying = false
			d.facts.learn(found)
		case <-events.broken:
			return events.err
		case <-ctx.Done():
			return ctx.Err()
		}
		for id := range events.take() {
			d.facts.doubt(id)
		}
	}
}

// connect also asks for what does not change while connected.
func (d *Discoverer) connect(ctx context.Context) (api *client.Client, host string, err error) {
	if api, err = d.client.connect(ctx); err != nil {
		return nil, "", err
	}
	var engine string
	err = d.client.call(ctx, callTimeout, "ask the Engine for its version", "/version", func(ctx context.Context) error {
		v, err := api.ServerVersion(ctx)
		engine = v.Version
		return err
	})
	if err != nil && !errors.Is(err, errRefused) {
		return nil, "", err
	}
	d.client.health.versions(api.ClientVersion(), engine)
	if host, err = d.client.askHostName(ctx); err != nil {
		return nil, "", err
	}
	return api, host, nil
}

// list asks for what there is and makes targets of it.
func (d *Discoverer) list(ctx context.Context, api *client.Client, host string) ([]lighter.Target, error) {
	found, err := d.ask(ctx, api)
	if err != nil {
		return nil, err
	}
	containers, err := d.facts.of(ctx, found.wanted)
	if err != nil {
		return nil, err
	}
	e := newExpander(d.cfg, host, found, d.client.isSelf)
	var targets []lighter.Target
	for i, c := range found.wanted {
		if containers[i] == nil {
			continue // removed since it was listed
		}
		for _, l := range e.expand(c) {
			targets = append(targets, lighter.Target{Labels: l, Container: containers[i]})
		}
	}
	return targets, nil
}

// same reports whether two sets of targets are equal. They are in the same order if they are.
func same(a, b []lighter.Target) bool {
	return slices.EqualFunc(a, b, func(a, b lighter.Target) bool {
		return *a.Container == *b.Container && labels.Equal(a.Labels, b.Labels)
	})
}

// backoff returns how long to wait after the given number of failures, give or take a quarter.
func backoff(tries int) time.Duration {
	d := min(minBackoff<<min(tries, 10), maxBackoff)
	return d*3/4 + rand.N(d/2)
}
