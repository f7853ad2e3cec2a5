package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lighter"
	"lighter/collector"
	"lighter/collector/stage"
	"lighter/collector/tail"
)

// server receives log entries from clients. It passes them to one Logs after another, in one goroutine.
type server interface {
	collector.Runner
	// Listen listens on the addresses. After an error it may be called again.
	Listen() error
}

// listener runs the server of a source. If the server cannot listen because its address is in use, the
// listener tries again.
type listener struct {
	name   string // of the source
	server func() server
	logs   []*countedLogs // one per path
	logger *slog.Logger

	mu     sync.Mutex
	failed error // why it does not listen, or nil
}

// Pauses before a server that cannot listen is tried again. They double each time.
const (
	minListenPause = time.Second
	maxListenPause = 30 * time.Second
)

// listener returns the listener of a source, with a server made for the Logs of its paths.
func (a *Agent) listener(g *graph, r reading, made func(logs []lighter.Logs, logger *slog.Logger) server) *listener {
	l := &listener{name: r.source.Name, logger: a.o.Logger.With("source", r.source.Name)}
	var logs []lighter.Logs
	for _, p := range r.paths {
		one := &countedLogs{chain: a.readingChain(g, r, p, 0)}
		l.logs, logs = append(l.logs, one), append(logs, one)
	}
	l.server = func() server { return made(logs, l.logger) }
	return l
}

// Run listens until ctx ends, and then returns nil.
func (l *listener) Run(ctx context.Context) error {
	defer func() {
		for _, one := range l.logs {
			one.Drop()
		}
	}()
	for pause := minListenPause; ; pause = min(2*pause, maxListenPause) {
		s := l.server()
		err := s.Listen()
		if err == nil {
			l.note(nil)
			pause = minListenPause
			err = s.Run(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = errEnded
		}
		l.note(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// errEnded means that a server has ended without being told to.
var errEnded = errors.New("the server stopped unexpectedly")

// note records why the server does not listen, and logs it if it is new.
func (l *listener) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && (l.failed == nil || l.failed.Error() != err.Error()) {
		l.logger.Error("the source cannot accept log entries; trying again", "error", err)
	}
	l.failed = err
}

// err returns why the source receives nothing, or nil if it does.
func (l *listener) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return fmt.Errorf("%s: %w", l.name, l.failed)
	}
	return nil
}

// Status returns the listener's state. Lines count as delivered once they are delivered on all paths.
func (l *listener) Status() tail.Status {
	st := l.logs[0].status("listening")
	for _, one := range l.logs[1:] {
		st.Delivered = min(st.Delivered, one.delivered.Load())
	}
	if err := l.err(); err != nil {
		st.State, st.LastError = tail.Broken, err.Error()
	}
	return st
}

// countedLogs counts the lines that reach the stages of a path, and those that are delivered.
type countedLogs struct {
	chain *stage.Chain
	counts
}

// Append implements lighter.Logs.
func (c *countedLogs) Append(ctx context.Context, b *lighter.Batch) error {
	n := len(b.Entries)
	if n == 0 {
		return c.chain.Append(ctx, b)
	}
	last, acknowledged := b.Entries[n-1].Time, &lighter.Batch{}
	acknowledged.Begin(func() { c.delivered.Add(int64(n - b.Undelivered())) })
	b.After([]*lighter.Batch{acknowledged})
	if err := c.chain.Append(ctx, b); err != nil {
		return err
	}
	c.read.Add(int64(n))
	c.last.Store(last)
	return nil
}

// Release implements stage.Holder.
func (c *countedLogs) Release(ctx context.Context) error { return c.chain.Release(ctx) }

// Held implements stage.Holder.
func (c *countedLogs) Held() int { return c.chain.Held() }

// Drop implements stage.Holder.
func (c *countedLogs) Drop() { c.chain.Drop() }
