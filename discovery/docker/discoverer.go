package docker

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

const (
	// settle is how long the Discoverer waits for further events after an event, because docker compose up
	// causes a burst of them. It is well below the limit of 50 ms for a change.
	settle = 20 * time.Millisecond
	// minBackoff is short because an Engine that restarts is away for about a second.
	minBackoff = 100 * time.Millisecond
	// maxBackoff is short enough to see containers within seconds of the Engine's return.
	maxBackoff = 2 * time.Second
	// minStream is the shortest life of a stream of events that a proxy ended because it was quiet.
	// A stream that ends sooner is a failure.
	minStream = time.Second
	// steady is how long a connection must last for its end not to count as one more failure in a row.
	steady = 10 * time.Second
)

// Discoverer turns the containers of an Engine into targets.
type Discoverer struct {
	// EventsSince returns the time, in Unix nanoseconds, from which events are wanted; 0 means from now on.
	// It is called at the start of Run. It may be nil.
	EventsSince func() int64

	cfg    Config
	client *Client
	logger *slog.Logger

	inspector inspector
	networks  networks
	history   eventHistory
	self      SelfFinder
	endedSoon bool             // the last stream of events ended before minStream
	lastEvent int64            // time of the newest event, Unix nanoseconds on the Engine's clock
	hostName  lighter.Failures // to get the name of the Engine's host
}

// New returns a Discoverer that does nothing until Run or List. It does not own the client.
func New(cfg Config, c *Client, logger *slog.Logger) *Discoverer {
	cfg.Refresh = cmp.Or(cfg.Refresh, DefaultConfig().Refresh)
	return &Discoverer{
		cfg:       cfg,
		client:    c,
		logger:    logger,
		inspector: newInspector(c, logger),
		networks:  networks{client: c, logger: logger, pause: cfg.Refresh * 9 / 10}, // shorter than Refresh, so that each full list requests the networks
		self:      SelfFinder{Self: c.self, Logger: logger},
	}
}

// Run implements discovery.Source. It first calls update when the Engine has listed its containers. While
// the Engine cannot be reached, Run keeps trying and does not call update.
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
		if errors.Is(err, errEnded) && time.Since(start) > minStream {
			// A proxy before the socket ends streams that are idle or old. That is only a failure if no
			// other stream can be opened. Idle connections may be as old, so they are closed.
			d.client.transport.CloseIdleConnections()
			d.endedSoon, tries = false, -1
			continue
		}
		d.endedSoon = errors.Is(err, errEnded)
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

// List returns the present targets. It must not be called while Run runs.
func (d *Discoverer) List(ctx context.Context) ([]lighter.Target, error) {
	api, host, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.networks.reset()
	return d.targets(ctx, api, host, &background, networkPatienceOnce)
}

// session connects to the Engine, lists its containers and follows its events until something fails, and
// returns the error.
func (d *Discoverer) session(ctx context.Context, changed func([]lighter.Target)) error {
	api, host, err := d.connect(ctx)
	if err != nil {
		return err
	}
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	retried, retrying := make(chan []description), false
	events := d.openEvents(ctx, api) // before the list, so that nothing is missed between the two
	defer func() { d.lastEvent = max(d.lastEvent, events.close()) }()
	d.networks.reset()
	d.inspector.invalidateAll() // events were missed while there was no connection

	// After a stream that ended too soon, the Engine only counts as reachable when this stream has
	// lasted for minStream. probation is nil if it has, or need not.
	var probation <-chan time.Time
	if d.endedSoon {
		probation = time.After(minStream)
	}
	refresh := time.NewTicker(d.cfg.Refresh)
	defer refresh.Stop()
	for {
		targets, err := d.targets(ctx, api, host, &background, networkPatience)
		if err != nil {
			return err
		}
		changed(targets)
		select {
		case <-events.ended: // or could not be opened
			return events.err
		default:
			if probation == nil {
				d.client.health.up()
			}
		}

		select {
		case <-events.changed:
			select {
			case <-time.After(settle):
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-refresh.C:
			if failed := d.inspector.failed(); len(failed) > 0 && !retrying {
				retrying = true
				background.Go(func() { d.inspector.retry(ctx, failed, retried) })
			}
		case described := <-retried:
			retrying = false
			d.inspector.store(described)
		case response := <-d.networks.pending: // nil, which never delivers, if there is no request
			d.networks.store(response)
		case <-probation:
			probation = nil
		case <-events.ended:
			return events.err
		case <-ctx.Done():
			return ctx.Err()
		}
		for id := range events.takeChanged() {
			d.inspector.invalidate(id)
		}
	}
}

// connect connects to the Engine, and requests its host's name, which does not change during a connection.
func (d *Discoverer) connect(ctx context.Context) (api *client.Client, host string, err error) {
	if api, err = d.client.connect(ctx); err != nil {
		return nil, "", err
	}
	d.client.health.versions(api.ClientVersion(), d.client.engineVersion())
	if d.cfg.HostNameSet {
		return api, "", nil
	}
	host, err = d.client.fetchHostName(ctx)
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	switch news := d.hostName.Set(err); { // the containers are followed nevertheless
	case news && err != nil:
		d.logger.Warn("the Docker Engine does not report its host's name, so the host label of streams is the host name of the agent's own system; set "+lighter.SettingHost+" to choose the label", "error", err)
	case news:
		d.logger.Info("the Docker Engine now reports its host's name", "host", host)
	}
	return api, host, nil
}

// targets lists and inspects the Engine's containers and returns their targets. See fetchList for g
// and patience.
func (d *Discoverer) targets(ctx context.Context, api *client.Client, host string, g *sync.WaitGroup, patience time.Duration) ([]lighter.Target, error) {
	listed, err := d.fetchList(ctx, api, g, patience)
	if err != nil {
		return nil, err
	}
	containers, err := d.inspector.describe(ctx, listed.wanted)
	if err != nil {
		return nil, err
	}
	self := d.findSelf(listed)
	e := newExpander(d.cfg, host, listed, func(id string) bool { return id == self || d.self.Self.OwnsNetwork(id) })
	var targets []lighter.Target
	for i, c := range listed.wanted {
		if containers[i] == nil {
			continue // the container was removed after it was listed
		}
		described := containers[i]
		if c.ID == self {
			own := *described // earlier targets share the container that the inspector remembers
			own.Self = true
			described = &own
		}
		for _, l := range e.expand(c) {
			targets = append(targets, lighter.Target{Labels: l, Container: described})
		}
	}
	return targets, nil
}

// findSelf returns the ID of the agent's own container, or "" if it is uncertain.
func (d *Discoverer) findSelf(listed list) string {
	all := make([]Candidate, 0, len(listed.all))
	for id, c := range listed.all {
		candidate := Candidate{ID: id, Name: strings.TrimPrefix(nameOf(c), "/"), NetworkMode: c.HostConfig.NetworkMode}
		if known := d.inspector.known[id]; known != nil {
			// Podman lists every container with the network mode "host", so the inspected one is better.
			candidate.NetworkMode = cmp.Or(known.networkMode, candidate.NetworkMode)
			candidate.UpperDir = known.upperDir
		}
		all = append(all, candidate)
	}
	return d.self.Find(all)
}

// same reports whether two sets of targets are equal. Equal sets are in the same order.
func same(a, b []lighter.Target) bool {
	return slices.EqualFunc(a, b, func(a, b lighter.Target) bool {
		return *a.Container == *b.Container && labels.Equal(a.Labels, b.Labels)
	})
}

// backoff returns how long to wait after the given number of failures in a row. It varies by up to a
// quarter in both directions.
func backoff(tries int) time.Duration {
	d := min(minBackoff<<min(tries, 10), maxBackoff)
	return d*3/4 + rand.N(d/2)
}
