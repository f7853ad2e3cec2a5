package syslog

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/relabel"
)

const (
	maxNames = 1024
	keepName = 10 * time.Minute

	// lookupTimeout is short, because messages wait meanwhile. After a lookup that took longer nobody is
	// asked for for lookupPause, so that a DNS server that is away costs little.
	lookupTimeout = 250 * time.Millisecond
	lookupPause   = 10 * time.Second
)

// names is what hosts are called, by their addresses. It asks DNS once for each address and keepName.
type names struct {
	lookup func(ctx context.Context, address string) ([]string, error)

	mu     sync.Mutex
	known  map[string]name
	paused time.Time // until when DNS is not asked
}

type name struct {
	text  string // empty if DNS has none
	until time.Time
}

func newNames() *names {
	return &names{lookup: net.DefaultResolver.LookupAddr, known: map[string]name{}}
}

// of returns the names of a host, with commas between them; it is empty if DNS has none, or does not answer
// within lookupTimeout.
func (n *names) of(ctx context.Context, address string) string {
	now := time.Now()
	n.mu.Lock()
	known, ok := n.known[address]
	paused := now.Before(n.paused)
	n.mu.Unlock()
	switch {
	case ok && now.Before(known.until):
		return known.text
	case paused:
		return known.text // what it was called last
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	all, _ := n.lookup(ctx, address) // without an answer the host has no name
	text := strings.Join(all, ",")
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() != nil {
		n.paused = time.Now().Add(lookupPause)
		return known.text
	}
	if len(n.known) >= maxNames {
		clear(n.known)
	}
	n.known[address] = name{text, now.Add(keepName)}
	return text
}

// wantsHostname reports whether rules may read what the host of a connection is called. DNS is asked only then.
func wantsHostname(rules []*relabel.Config) bool {
	for _, r := range rules {
		switch r.Action {
		case relabel.LabelMap:
			if r.Regex.Regexp != nil && r.Regex.MatchString(labelHostname) {
				return true
			}
		case relabel.KeepEqual, relabel.DropEqual:
			if r.TargetLabel == labelHostname {
				return true
			}
		}
		for _, source := range r.SourceLabels {
			if source == labelHostname {
				return true
			}
		}
	}
	return false
}
