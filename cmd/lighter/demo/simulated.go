package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"lighter/discovery/dockersim"
	"lighter/exporters/receiver"
)

// writeFor is how long the simulated containers write.
const writeFor = 12 * time.Second

// Simulated is a host with a simulated Engine and the three containers of a shop: an API that is
// scraped, a worker that crashes once, and a database with a terminal.
type Simulated struct {
	engine          *dockersim.Engine
	api, worker, db *writer
	page            *page
	pages           *http.Server
	served          chan error // receives the error with which pages ends
}

// NewSimulated starts the Engine and the containers. The caller has to close it.
func NewSimulated() (*Simulated, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the metrics of a simulated container: %w", err)
	}
	h := &Simulated{engine: dockersim.New(dockersim.Options{Name: "demo-host"}), page: &page{}, served: make(chan error, 1)}
	h.pages = &http.Server{Handler: h.page, ReadHeaderTimeout: time.Second}
	go func() { h.served <- h.pages.Serve(l) }()
	if err := h.engine.Listen("tcp://127.0.0.1:0"); err != nil {
		return nil, errors.Join(fmt.Errorf("start the simulated Engine: %w", err), h.Close())
	}
	port := l.Addr().(*net.TCPAddr).Port
	h.api = h.create("api", dockersim.Spec{
		Labels: map[string]string{"lighter.scrape": "true", "lighter.port": strconv.Itoa(port)},
		Ports:  []dockersim.Port{{Private: uint16(port)}},
	})
	h.worker = h.create("worker", dockersim.Spec{})
	h.db = h.create("db", dockersim.Spec{TTY: true})
	return h, nil
}

// create creates and starts a container of the shop. Its network has this machine's address, so that the
// agent can scrape it.
func (h *Simulated) create(service string, s dockersim.Spec) *writer {
	s.Name = "shop-" + service + "-1"
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	s.Labels["com.docker.compose.project"] = "shop"
	s.Labels["com.docker.compose.service"] = service
	s.Networks = []dockersim.Endpoint{{Network: "shop_default", IP: "127.0.0.1"}}
	w := &writer{container: h.engine.Create(s)}
	w.container.Start()
	w.write(dockersim.Stdout, "started before the agent") // the agent must ship this line too
	return w
}

// Close ends the Engine and its containers.
func (h *Simulated) Close() error {
	err := errors.Join(h.engine.Close(), h.pages.Close())
	if e := <-h.served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// Title implements Host.
func (h *Simulated) Title() string { return "3 simulated containers" }

// Environ implements Host.
func (h *Simulated) Environ() []string { return []string{"DOCKER_HOST=" + h.engine.Host()} }

// Run implements Host.
func (h *Simulated) Run(ctx context.Context, say func(string)) error {
	writing, done := context.WithTimeout(ctx, writeFor)
	defer done()
	var shop errgroup.Group
	shop.Go(func() error { h.api.serveOrders(writing); return nil })
	shop.Go(func() error { h.worker.work(writing, say); return nil })
	shop.Go(func() error { h.db.checkpoint(writing); return nil })
	err := shop.Wait()
	h.page.close()
	return err
}

func (h *Simulated) writers() []*writer { return []*writer{h.api, h.worker, h.db} }

// Progress implements Host.
func (h *Simulated) Progress(arrived *receiver.Server) []Count {
	var counts []Count
	for _, w := range h.writers() {
		c := Count{Name: w.container.Name(), Produced: w.count()}
		for _, s := range arrived.Streams(matcher("container", c.Name)) {
			c.Delivered += len(s.Entries)
		}
		counts = append(counts, c)
	}
	return append(counts, h.page.compare(arrived, h.api.container.Name()))
}

// Compare implements Host. It compares lines by their bytes and times, and samples by their values.
func (h *Simulated) Compare(_ context.Context, arrived *receiver.Server) (Result, error) {
	r := Result{Samples: h.page.compare(arrived, h.api.container.Name())}
	extra := 0
	for _, w := range h.writers() {
		c := Count{Name: w.container.Name()}
		for stream, want := range w.lines() {
			c.Produced += len(want)
			for _, s := range arrived.Streams(matcher("container", c.Name), matcher("stream", stream)) {
				got := make([]receiver.LogEntry, 0, len(s.Entries))
				for _, e := range s.Entries {
					got = append(got, receiver.LogEntry{Time: e.Time, Line: e.Line}) // without the level that is sent beside it
				}
				n := arrivedOf(want, got)
				c.Delivered += n
				extra += len(got) - n
			}
		}
		r.Lines = append(r.Lines, c)
	}
	if extra > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s lines arrived that no container wrote.", number(extra)))
	}
	if n := arrived.PushStats().OutOfOrder; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s lines arrived out of order.", number(n)))
	}
	return r, nil
}

func matcher(name, value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}
