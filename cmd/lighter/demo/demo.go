// Package demo shows what the agent does on a machine where nothing else is installed. It has a host with
// containers, simulated or real, receivers for both push protocols, and the agent between them.
//
// Run plays a short story: containers write and are scraped, one of them crashes, and the backend
// refuses everything for two seconds. In the end Run compares what the containers produced with what
// arrived, line for line and sample for sample, and shows the difference. It leaves nothing behind:
// the data directory is a temporary one, and the Engine is only read. Only cmd/lighter calls this
// package, and passes the agent as a function.
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

// The times of the story. It begins when the agent listens.
const (
	outageAt  = 5 * time.Second // when the backend begins to refuse everything
	outageFor = 2 * time.Second // for how long

	// drainFor is how long the rest may take to arrive after the containers have stopped writing.
	// The agent's pauses between two attempts are much shorter after an outage of outageFor.
	drainFor = 20 * time.Second

	frameInterval   = 200 * time.Millisecond // between two drawings of the progress
	compareInterval = time.Second            // between two comparisons while the rest arrives
)

// The errors of Run.
var (
	// ErrLost means that something did not arrive.
	ErrLost = errors.New("not everything that was produced has arrived")
	// ErrStopped means that the demo was stopped before the comparison.
	ErrStopped = errors.New("stopped before the end: nothing was compared")
)

// Agent runs the whole agent with environ as its environment, and calls listening once with the URL of its
// status page. It returns nil when ctx has ended and the agent has stopped.
type Agent func(ctx context.Context, environ []string, logger *slog.Logger, listening func(url string)) error

// Host is the host whose containers the agent reads.
type Host interface {
	// Title describes the host in a few words.
	Title() string
	// Environ returns the settings by which the agent finds the host.
	Environ() []string
	// Run lets the containers write, and returns when they have finished or ctx has ended. The end
	// of ctx is not an error.
	Run(ctx context.Context, say func(string)) error
	// Progress counts what was produced and what has arrived. It is quick and may be inexact.
	Progress(arrived *receiver.Server) []Count
	// Compare counts exactly what was produced and what has arrived. It is called after Run.
	Compare(ctx context.Context, arrived *receiver.Server) (Result, error)
}

// Run plays the story on a host and shows it on a screen.
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
	began   time.Time // when the story began
}

func (d *demo) run(ctx context.Context) error {
	d.screen.Title("lighter demo", d.host.Title()+" → lighter → a Loki and a remote-write receiver")

	// The agent outlives ctx, so that lines and samples in progress can arrive.
	running, stopAgent := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAgent()
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- d.agent(running, d.environ(), d.screen.Logger(d.elapsed), func(url string) { listening <- url })
	}()
	var statusURL string
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("it ended at once")
		}
		return fmt.Errorf("start the agent: %w", err)
	case statusURL = <-listening:
	}
	d.began = time.Now()
	d.screen.Say("The agent's status page, while it runs: " + statusURL + "\n")

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
	return d.showResult(ctx, statusURL)
}

// environ returns the agent's environment. It contains only settings that a user can set, too.
func (d *demo) environ() []string {
	return slices.Concat([]string{
		"GRAFANA_LOKI_URL=" + d.backend.URL(),
		"GRAFANA_PROM_URL=" + d.backend.URL() + receiver.WritePath,
		"ENVIRONMENT=demo",
		"LIGHTER_SCRAPE_INTERVAL=1s",
		"LIGHTER_DATA_DIR=" + d.dir,
		"LIGHTER_LISTEN=127.0.0.1:0",
		// Each line is compared with what was written, so lines are not joined, and events of containers,
		// which nobody has written, are left out.
		"LIGHTER_MULTILINE=off",
		"LIGHTER_CONTAINER_METRICS=off",
	}, d.host.Environ())
}

// play lets the containers write and the backend fail once, and shows the progress meanwhile.
func (d *demo) play(ctx context.Context) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	var story errgroup.Group
	story.Go(func() error {
		defer done()
		return d.host.Run(ctx, d.say)
	})
	story.Go(func() error {
		d.failBackend(ctx)
		return nil
	})
	for d.show(); sleep(ctx, frameInterval); d.show() {
	}
	return story.Wait()
}

// failBackend makes the backend refuse everything for a while.
func (d *demo) failBackend(ctx context.Context) {
	if !sleep(ctx, outageAt) {
		return
	}
	d.say(fmt.Sprintf("Both backends go away: they respond with 503 for %s.", outageFor))
	d.backend.Respond(unavailable)
	sleep(ctx, outageFor)
	d.backend.Respond(nil)
	d.say("Both backends are back.")
}

// unavailable simulates a backend that is down. It ignores the request.
func unavailable(*http.Request, []byte) (status int, header http.Header, text string, handled bool) {
	return http.StatusServiceUnavailable, nil, "the demo has taken the backend away", true
}

// drain waits until everything has arrived, but not longer than drainFor.
func (d *demo) drain(ctx context.Context) {
	d.say("From here on, nothing new is counted. The demo waits for what is under way.")
	ctx, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	var compared time.Time
	for ; ; d.show() {
		if time.Since(compared) >= compareInterval {
			if r, err := d.host.Compare(ctx, d.backend); err == nil && r.Lost() == 0 {
				return
			}
			compared = time.Now()
		}
		if !sleep(ctx, frameInterval) {
			return
		}
	}
}

// show draws the progress.
func (d *demo) show() { d.screen.Draw(d.elapsed(), d.host.Progress(d.backend)) }

// showResult compares for the last time, now that the agent has stopped, and shows the result.
func (d *demo) showResult(ctx context.Context, statusURL string) error {
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
	d.screen.Say("The status page was at " + statusURL + "; lighter run serves it at 127.0.0.1:12345 for as long as it runs.")
	if r.Lost() > 0 {
		return ErrLost
	}
	return nil
}

func (d *demo) elapsed() time.Duration { return time.Since(d.began) }

// say shows a line with the time of the story before it.
func (d *demo) say(text string) { d.screen.Say(stamp(d.elapsed()) + text) }

// sleep waits for t. It returns false if ctx ends first.
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
