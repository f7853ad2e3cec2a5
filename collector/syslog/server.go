package syslog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/incoming"
)

// The formats of messages.
const (
	RFC5424 = "rfc5424"
	RFC3164 = "rfc3164"
	Raw     = "raw" // plain lines; only a priority at the beginning of a line is parsed
)

const (
	defaultIdleTimeout = 2 * time.Minute
	defaultMaxMessage  = 8192

	// moreTime is how long a message waits for a further line that may belong to it.
	moreTime = 50 * time.Millisecond

	// A Server that stops goes on reading until nothing has come for drainTime, but no longer than drainAtMost.
	// Until stopTimeout after the stop has begun, it waits until the endpoints have room for what it has read.
	drainTime   = 100 * time.Millisecond
	drainAtMost = time.Second
	stopTimeout = 2 * time.Second
)

// Options are what a Server works with; it owns none of it. Metrics and Logger are required.
type Options struct {
	Listeners []Listener
	Rules     []*relabel.Config
	Logs      []lighter.Logs // each takes all entries
	Metrics   *Metrics
	Logger    *slog.Logger
}

// Listener is one address at which messages are taken.
type Listener struct {
	Address                   string        // host:port; port 0 means any free port
	Protocol                  string        // "tcp" or "udp"; empty is "tcp"
	Format                    string        // RFC5424, RFC3164 or Raw; empty is RFC5424
	IdleTimeout               time.Duration // of a TCP connection; 0 is 2 minutes
	LabelStructuredData       bool          // RFC5424: the parameters of the structured data become labels __syslog_message_sd_…
	Labels                    labels.Labels // set on every message before the rules are applied
	UseIncomingTimestamp      bool          // keep the time of a message; otherwise, or if it has no year, an entry gets the time of its arrival
	UseRFC5424Message         bool          // RFC5424: the line is the whole message and not only its text
	RFC3164DefaultToYear      bool          // RFC3164: a time, which never has a year, is of the current year
	MaxMessageBytes           int           // a longer message is cut there; 0 is 8192
	NullDelimiter             bool          // Raw: messages end with a zero byte and not with a newline
	CertFile, KeyFile, CAFile string        // TLS; with CAFile a sender must have a certificate of that authority

	AllowEmpty bool  // RFC5424: messages without a text are sent too
	Cisco      Cisco // RFC3164: what Cisco devices put in front of the time
}

// Cisco says which fields a Cisco device puts in front of the time of a message. It must match the configuration of
// the device.
type Cisco struct {
	MessageCounter, SequenceNumber, Hostname, SecondFractions bool
}

// Server receives syslog messages. Run may be called once, and Listen before it.
type Server struct {
	o         Options
	streams   *incoming.Streams
	names     *names // nil if no rule reads the names of hosts
	clock     incoming.Clock
	gatherer  *gatherer
	listeners []*listener
}

// New returns a Server that does nothing until Listen or Run.
func New(o Options) *Server {
	s := &Server{o: o, streams: incoming.NewStreams(o.Rules), gatherer: newGatherer(o.Logs)}
	if wantsHostname(o.Rules) {
		s.names = newNames()
	}
	for _, l := range o.Listeners {
		if l.Protocol == "" {
			l.Protocol = "tcp"
		}
		if l.Format == "" {
			l.Format = RFC5424
		}
		if l.IdleTimeout <= 0 {
			l.IdleTimeout = defaultIdleTimeout
		}
		if l.MaxMessageBytes <= 0 {
			l.MaxMessageBytes = defaultMaxMessage
		}
		s.listeners = append(s.listeners, &listener{Listener: l, s: s, logger: o.Logger.With("address", l.Address, "protocol", l.Protocol)})
	}
	return s
}

// Listen listens at all addresses without receiving anything yet. So whoever builds the Server learns that a port is
// in use before anything else starts.
func (s *Server) Listen() error {
	for _, l := range s.listeners {
		if err := l.listen(); err != nil {
			_ = s.Close()
			return fmt.Errorf("listen on %s/%s for syslog messages: %w", l.Address, l.Protocol, err)
		}
	}
	return nil
}

// Addrs returns the addresses at which the Server listens, in the order of its Listeners; nil before Listen.
func (s *Server) Addrs() []net.Addr {
	var all []net.Addr
	for _, l := range s.listeners {
		if a := l.addr(); a != nil {
			all = append(all, a)
		}
	}
	return all
}

// Close stops listening. It is for a Server whose Run is never called.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// Run implements collector.Runner. It receives messages until ctx ends, and returns nil then.
func (s *Server) Run(ctx context.Context) error {
	if len(s.Addrs()) < len(s.listeners) {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	// waiting ends stopTimeout after ctx. Until then messages wait for room in the endpoints.
	waiting, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(stopTimeout, stop) })

	var senders, takers sync.WaitGroup
	senders.Go(func() { s.gatherer.run(waiting) })
	for _, l := range s.listeners {
		l.logger.Info("listening for syslog messages", "format", l.Format, "tls", l.CertFile != "")
		takers.Go(func() { l.run(ctx, waiting) })
	}
	takers.Wait()
	s.gatherer.close()
	senders.Wait()
	if lost := s.gatherer.lost(); lost > 0 {
		s.o.Metrics.dropped.Add(float64(lost))
		s.o.Logger.Error("syslog messages are lost because the endpoints had no room for them when the source stopped", "messages", lost)
	}
	return nil
}
