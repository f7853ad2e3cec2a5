package push

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/incoming"
)

// Options are what a Server works with; it owns none of it. Metrics and Logger are required.
type Options struct {
	Listen               string            // host:port; port 0 means any free port
	Labels               labels.Labels     // set on every stream; they replace labels of the same name
	Rules                []*relabel.Config // applied to the streams of push requests, not to raw lines
	UseIncomingTimestamp bool              // keep the sender's times; otherwise an entry gets the time of its arrival
	MaxBodyBytes         int64             // of a request, compressed and decompressed; 0 is 100 MiB
	Memory               int64             // limit of the process's memory; 0 if there is none
	Logs                 []lighter.Logs    // each takes all entries
	Metrics              *Metrics
	Logger               *slog.Logger
}

const defaultMaxBodyBytes = 100 << 20

// Server receives entries through Loki's push API. Run may be called once, and Listen before it.
type Server struct {
	o       Options
	streams *incoming.Streams // of push requests
	plain   *incoming.Streams // of raw lines
	clock   incoming.Clock
	http    http.Server

	listener net.Listener // nil until Listen

	room       room
	requests   atomic.Int32 // number of requests that are being served
	unanswered unanswered
	failing    atomic.Bool // the log says that entries are not acknowledged in time

	deliveries chan *delivery // unbuffered, so that each delivery waits in the goroutine of its request
	stopping   chan struct{}  // closed when requests must not wait any longer
}

// New returns a Server that does nothing until Listen or Run.
func New(o Options) *Server {
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = defaultMaxBodyBytes
	}
	alone := o.Memory / 2
	if alone > 0 {
		alone = max(alone, maxHeldBytes)
	}
	s := &Server{
		room:       room{alone: alone},
		o:          o,
		streams:    incoming.NewStreams(o.Rules),
		plain:      incoming.NewStreams(nil),
		deliveries: make(chan *delivery),
		stopping:   make(chan struct{}),
	}
	s.http = http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      readTimeout + AckTimeout + time.Second,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Listen listens on the address without serving yet. So whoever builds the Server learns that the port is in use
// before anything else starts.
func (s *Server) Listen() error {
	l, err := net.Listen("tcp", s.o.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s for the push API: %w", s.o.Listen, err)
	}
	s.listener = l
	return nil
}

// Addr returns the address on which the Server listens; nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close stops listening. It is for a Server whose Run is never called.
func (s *Server) Close() error {
	if s.listener == nil {
		return nil
	}
	return s.listener.Close()
}

// Run implements collector.Runner. It serves until ctx ends, and returns nil then. Requests that still wait for the
// acknowledgement of their entries may go on waiting for stopTimeout.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	s.o.Logger.Info("listening for Loki's push API", "address", s.listener.Addr().String())
	delivering, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var background sync.WaitGroup
	background.Go(func() { s.deliver(delivering) })
	served := make(chan error, 1)
	background.Go(func() { served <- s.http.Serve(s.listener) })

	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("serve the push API on %s: %w", s.listener.Addr(), err)
	case <-ctx.Done():
		err = s.shutdown(delivering)
	}
	stop()
	background.Wait()
	return err
}

// shutdown waits for the requests that are being served. After stopTimeout they are answered at once.
func (s *Server) shutdown(ctx context.Context) error {
	timer := time.AfterFunc(stopTimeout, func() { close(s.stopping) })
	defer timer.Stop()
	grace, cancel := context.WithTimeout(ctx, 2*stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		_ = s.http.Close() // some senders do not read their response
	}
	return nil
}

// deliver hands on the entries of one request after the other until ctx ends. At the end of each request it has the
// stages hand on what they hold back, because the sender may wait for that before it sends more. If ctx ends
// before, nothing is lost: the request is not acknowledged, and its sender sends it again.
func (s *Server) deliver(ctx context.Context) {
	paths := incoming.Paths(s.o.Logs)
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-s.deliveries:
			for _, b := range d.batches {
				entries := len(b.Entries)
				if err := paths.HandOn(ctx, b, func(refused int) { s.o.Metrics.refused.Add(float64(refused)); d.acknowledge(refused) }); err != nil {
					return
				}
				s.o.Metrics.entries.Add(float64(entries))
			}
			if err := paths.Release(ctx); err != nil {
				return
			}
		}
	}
}
