// Package demo shows the agent's whole job with nothing else installed: receivers of both
// push protocols, a host with containers (simulated, or the real one), and the agent
// between them.
//
// Run goes through a short story: containers write and are scraped, one crashes, and for
// two seconds the backend refuses everything. In the end what the containers produced is
// compared, line for line and sample for sample, with what arrived, and the difference is
// the result. Nothing is left behind: the data directory is a temporary one, and the
// Engine is only read. Only cmd/lighter calls it, and passes the agent as a function.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lighter/exporters/receiver"
)

// The story, counted from the moment the agent is up.
const (
	plugAt  = 5 * time.Second // the backend stops taking anything …
	plugFor = 2 * time.Second // … for so long

	// drainFor is how long the rest may take to arrive, once the containers are quiet: many
	// times what the agent's pauses between two attempts grow to in plugFor.
	drainFor = 20 * time.Second

	frame      = 200 * time.Millisecond // between two looks at how far it is
	comparison = time.Second            // between two comparisons while the rest arrives
)

// What Run returns when the story was played, and when it was not.
var (
	ErrLost    = errors.New("not everything that was produced has arrived")
	ErrStopped = errors.New("stopped before the end: nothing was compared")
)

// Agent runs the whole agent in an environment of its own, and calls listening once with
// the address of its page. It returns nil when ctx has ended and it has stopped.
type Agent func(ctx context.Context, environ []string, logger *slog.Logger, listening func(url string)) error

// Host has the containers that the agent reads.
type Host interface {
	// Title says in a few words what it is.
	Title() string
	// Environ returns the settings by which the agent finds it.
	Environ() []string
	// Run has the containers do what they do, and returns when they are quiet or ctx has
	// ended, which is no error.
	Run(ctx context.Context, say func(string)) error
	// Progress counts roughly and at once what was produced and what of it has arrived.
	Progress(arrived *receiver.Server) []Count
	// Compare counts exactly, after Run.
	Compare(ctx context.Context, arrived *receiver.Server) (Result, error)
}

// Run plays the story on a host, and shows it on a screen.
func Run(ctx context.Context, host Host, agent Agent, screen *Screen) error {
	backend := receiver.New(receiver.Options{})
	if err := backend.Listen("127.0.0.1:0"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lighter-demo-")
	if err != nil {
		return errors.Join(fmt.Errorf("make a data directory: %w", err), backend.Close())
	}
	d := &demo{host: host, agent: agent, screen: screen, backend: backend, dir: dir, began: time.Now()}
	return errors.Join(d.run(ctx), backend.Close(), os.RemoveAll(dir))
}

// demo is one run of the story.
type demo struct {
	host    Host
	agent   Agent
	screen  *Screen
	backend *receiver.Server
	dir     string
	began   time.Time // since when the story's time counts
}

func (d *demo) run(ctx context.Context) error {
	d.screen.Title("lighter demo", d.host.Title()+" → lighter → a Loki and a remote-write receiver")

	// The agent stops last, so that what is under way can arrive.
	running, stopAgent := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAgent()
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- d.agent(running, d.environ(), d.screen.Logger(d.elapsed), func(url string) { listening <- url })
	}()
	var page string
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("it ended at once")
		}
		return fmt.Errorf("start the agent: %w", err)
	case page = <-listening:
	}
	d.began = time.Now()
	d.screen.Say("Its status page, while it runs: " + page + "\n")

	err := d.play(ctx)
	if err == nil && ctx.Err() == nil {
		d.drain(ctx)
	}
	stopAgent()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ErrStopped
	}
	return d.verdict(ctx, page)
}

// environ is what a user would set, and nothing that a user could not.
func (d *demo) environ() []string {
	return slices.Concat([]string{
		"GRAFANA_LOKI_URL=" + d.backend.URL(),
		"GRAFANA_PROM_URL=" + d.backend.URL() + receiver.WritePath,
		"ENVIRONMENT=demo",
		"LIGHTER_SCRAPE_INTERVAL=1s",
		"LIGHTER_DATA_DIR=" + d.dir,
		"LIGHTER_LISTEN=127.0.0.1:0",
	}, d.host.Environ())
}

// play has the containers write, and pulls the plug once, while it shows how far it is.
func (d *demo) play(ctx context.Context) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	var story errgroup.Group
	story.Go(func() error {
		defer done()
		return d.host.Run(ctx, d.say)
	})
	story.Go(func() error {
		d.pullPlug(ctx)
		return nil
	})
	for d.show(); sleep(ctx, frame); d.show() {
	}
	return story.Wait()
}

// pullPlug has the backend refuse everything for a while.
func (d *demo) pullPlug(ctx context.Context) {
	if !sleep(ctx, plugAt) {
		return
	}
	d.say(fmt.Sprintf("Both backends go away: they answer 503 for %s.", plugFor))
	d.backend.Respond(unavailable)
	sleep(ctx, plugFor)
	d.backend.Respond(nil)
	d.say("Both backends are back.")
}

// unavailable is a backend that is away: nothing of a request is looked at.
func unavailable(*http.Request, []byte) (status int, header http.Header, text string, handled bool) {
	return http.StatusServiceUnavailable, nil, "the demo has pulled the plug", true
}

// drain waits until all has arrived, or for as long as that may take.
func (d *demo) drain(ctx context.Context) {
	d.say("From here on nothing more is counted. What is under way arrives.")
	ctx, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	var compared time.Time
	for ; ; d.show() {
		if time.Since(compared) >= comparison {
			if r, err := d.host.Compare(ctx, d.backend); err == nil && r.Lost() == 0 {
				return
			}
			compared = time.Now()
		}
		if !sleep(ctx, frame) {
			return
		}
	}
}

// show draws the present state.
func (d *demo) show() { d.screen.Draw(d.elapsed(), d.host.Progress(d.backend)) }

// verdict compares once more, now that nothing moves, and prints the table.
func (d *demo) verdict(ctx context.Context, page string) error {
	d.screen.Clear()
	r, err := d.host.Compare(ctx, d.backend)
	if err != nil {
		return fmt.Errorf("compare what was produced with what has arrived: %w", err)
	}
	r.LinesTwice = d.backend.PushStats().Repeated
	r.SamplesTwice = d.backend.WriteStats().Repeated
	d.screen.Say("\n" + r.table() + "\n")
	for _, note := range append(r.Notes, d.backend.Violations()...) {
		d.screen.Say(note)
	}
	d.screen.Verdict(r.Lost())
	d.screen.Say("The status page was at " + page + "; lighter run serves it at 127.0.0.1:12345 for as long as it runs.")
	if r.Lost() > 0 {
		return ErrLost
	}
	return nil
}

func (d *demo) elapsed() time.Duration { return time.Since(d.began) }

// say says something with the time of the story before it.
func (d *demo) say(text string) { d.screen.Say(stamp(d.elapsed()) + text) }

// sleep waits, and tells whether it waited to the end.
func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
