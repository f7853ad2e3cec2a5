package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxConnections is how many connections one listener has at a time. Further ones are closed at once.
	maxConnections = 1000
	// maxDatagram is the size of the largest datagram that UDP can carry.
	maxDatagram = 64 << 10
	// At most maxWaiting datagrams wait in memory, and at most maxWaitingBytes of them. A datagram counts
	// datagramBytes more than its content.
	maxWaiting      = 8192
	maxWaitingBytes = 4 << 20
	datagramBytes   = 64
	// readBuffer is the size of the operating system's buffer for datagrams, the same as Alloy's.
	readBuffer = 1 << 20
	// complainEvery is how often the same problem is logged while it lasts.
	complainEvery = 10 * time.Minute
)

// listener receives the messages at one address.
type listener struct {
	Listener
	s      *Server
	logger *slog.Logger

	tcp net.Listener
	udp *net.UDPConn

	complaints complaints
}

func (l *listener) listen() error {
	switch l.Format {
	case RFC5424, RFC3164, Raw:
	default:
		return fmt.Errorf("%q is not a format of messages", l.Format)
	}
	if l.Protocol == "udp" {
		addr, err := net.ResolveUDPAddr("udp", l.Address)
		if err != nil {
			return err
		}
		l.udp, err = net.ListenUDP("udp", addr)
		if err != nil {
			return err
		}
		_ = l.udp.SetReadBuffer(readBuffer)
		return nil
	}
	if l.Protocol != "tcp" {
		return fmt.Errorf("%q is neither tcp nor udp", l.Protocol)
	}
	secured, err := l.tlsConfig()
	if err != nil {
		return err
	}
	l.tcp, err = net.Listen("tcp", l.Address)
	if err != nil {
		return err
	}
	if secured != nil {
		l.tcp = tls.NewListener(l.tcp, secured)
	}
	return nil
}

// tlsConfig returns the TLS configuration of the listener; nil if it does not use TLS.
func (l *listener) tlsConfig() (*tls.Config, error) {
	if l.CertFile == "" && l.KeyFile == "" && l.CAFile == "" {
		return nil, nil
	}
	if l.CertFile == "" || l.KeyFile == "" {
		return nil, errors.New("TLS needs both a certificate and its key")
	}
	cert, err := tls.LoadX509KeyPair(l.CertFile, l.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load the certificate %s with the key %s: %w", l.CertFile, l.KeyFile, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}}
	if l.CAFile != "" {
		pem, err := os.ReadFile(l.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA certificates for senders: %w", err)
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the file %s has no certificate", l.CAFile)
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

func (l *listener) addr() net.Addr {
	switch {
	case l.tcp != nil:
		return l.tcp.Addr()
	case l.udp != nil:
		return l.udp.LocalAddr()
	}
	return nil
}

func (l *listener) close() (err error) {
	switch {
	case l.tcp != nil:
		err, l.tcp = l.tcp.Close(), nil
	case l.udp != nil:
		err, l.udp = l.udp.Close(), nil
	}
	return err
}

// run receives messages until ctx ends, and then those that have arrived by then. When the endpoints have no room, it
// waits for that until waiting ends.
func (l *listener) run(ctx, waiting context.Context) {
	if l.udp != nil {
		l.runUDP(ctx, waiting)
		return
	}
	l.runTCP(ctx, waiting)
}

func (l *listener) runTCP(ctx, waiting context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = l.tcp.Close() })
	defer stop()
	var connections sync.WaitGroup
	defer connections.Wait()
	var open atomic.Int32
	pause := time.Duration(0)
	for {
		c, err := l.tcp.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			l.complain("connections cannot be accepted", err, "")
			pause = min(max(2*pause, 5*time.Millisecond), time.Second) // there may be no file descriptor left
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		if open.Add(1) > maxConnections {
			open.Add(-1)
			_ = c.Close()
			l.complain("connections are closed because too many are open", fmt.Errorf("%d connections are open", maxConnections), addressOf(c.RemoteAddr()))
			continue
		}
		connections.Go(func() {
			defer open.Add(-1)
			l.serve(ctx, waiting, c)
		})
	}
}

// serve reads one connection to its end. When ctx ends before, it reads what has arrived by then.
func (l *listener) serve(ctx, waiting context.Context, conn net.Conn) {
	defer conn.Close()
	c := &patient{Conn: conn, patience: l.IdleTimeout}
	stop := context.AfterFunc(ctx, c.drain)
	defer stop()
	r := newReceiver(l)
	from := addressOf(conn.RemoteAddr())
	f := newFramer(c, &l.Listener, nil)
	f.more = func() bool {
		c.patience = moreTime
		_, err := f.r.Peek(1)
		c.patience = l.IdleTimeout
		return err == nil
	}
	err := r.receive(waiting, f, r.connection(ctx, from))
	var network net.Error
	switch {
	case errors.Is(err, errFraming):
		l.s.o.Metrics.errors.Inc()
		l.complain("a connection is closed", err, from)
	case err == io.EOF, waiting.Err() != nil, errors.As(err, &network) && network.Timeout(), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		l.logger.Debug("a syslog connection broke", "from", from, "error", err)
	}
}

// patient is a connection of which each read may wait for the time patience.
type patient struct {
	net.Conn
	patience time.Duration // owned by the goroutine that reads

	mu  sync.Mutex
	end time.Time // when reading ends in any case; zero until drain
}

// Read implements net.Conn.
func (p *patient) Read(b []byte) (int, error) {
	p.mu.Lock()
	p.setDeadlineLocked()
	p.mu.Unlock()
	return p.Conn.Read(b)
}

// setDeadlineLocked sets the deadline of the next read. It uses patience only before drain was called, and so only
// in the goroutine that reads.
func (p *patient) setDeadlineLocked() {
	if p.end.IsZero() {
		_ = p.SetReadDeadline(time.Now().Add(p.patience))
		return
	}
	deadline := time.Now().Add(drainTime)
	if deadline.After(p.end) {
		deadline = p.end
	}
	_ = p.SetReadDeadline(deadline)
}

// drain makes the connection end for its reader once nothing has arrived for drainTime, and after drainAtMost at
// the latest.
func (p *patient) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = time.Now().Add(drainAtMost)
	p.setDeadlineLocked()
}

func addressOf(a net.Addr) string {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.String()
	case *net.UDPAddr:
		return a.IP.String()
	}
	return a.String()
}

// datagram is a UDP datagram.
type datagram struct {
	from string // address of the sender
	data []byte
}

func (l *listener) runUDP(ctx, waiting context.Context) {
	arrived := make(chan datagram, maxWaiting)
	var bytesWaiting atomic.Int64
	var handling sync.WaitGroup
	handling.Go(func() {
		r := newReceiver(l)
		for d := range arrived {
			bytesWaiting.Add(-int64(len(d.data) + datagramBytes))
			if waiting.Err() != nil {
				l.s.gatherer.failed(1)
				continue
			}
			f := newFramer(bytes.NewReader(d.data), &l.Listener, func() bool { return true })
			_ = r.receive(waiting, f, r.connection(ctx, d.from)) // always an error: io.EOF at the end of the datagram
		}
	})
	defer handling.Wait()
	defer close(arrived)
	stop := context.AfterFunc(ctx, func() { _ = l.udp.SetReadDeadline(time.Now().Add(drainTime)) })
	defer stop()
	defer l.udp.Close()
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := l.udp.ReadFromUDP(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			l.complain("messages cannot be read", err, "")
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		size := int64(n + datagramBytes)
		if bytesWaiting.Load()+size <= maxWaitingBytes {
			bytesWaiting.Add(size)
			select {
			case arrived <- datagram{from.IP.String(), bytes.Clone(buffer[:n])}:
				continue
			default:
				bytesWaiting.Add(-size)
			}
		}
		l.s.o.Metrics.dropped.Inc()
		l.complain("UDP messages are dropped", errors.New("they come faster than the endpoints take them"), "")
	}
}

// complaints remembers when each problem was logged last.
type complaints struct {
	mu    sync.Mutex
	last  map[string]time.Time
	count map[string]int // how often the problem has occurred since then
}

// complain logs a problem when it begins, and every complainEvery while it lasts. from is the address of the sender;
// it may be empty.
func (l *listener) complain(what string, err error, from string) {
	c := &l.complaints
	c.mu.Lock()
	if c.last == nil {
		c.last, c.count = map[string]time.Time{}, map[string]int{}
	}
	c.count[what]++
	n := c.count[what]
	now := time.Now()
	if last, ok := c.last[what]; ok && now.Sub(last) < complainEvery {
		c.mu.Unlock()
		return
	}
	c.last[what], c.count[what] = now, 0
	c.mu.Unlock()
	args := []any{"error", err, "times", n}
	if from != "" {
		args = append(args, "from", from)
	}
	l.logger.Warn("syslog: "+what, args...)
}
