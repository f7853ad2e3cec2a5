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

	// lookupTimeout is short because messages wait for the lookup. After a lookup that took longer, DNS is not
	// asked for lookupPause, so that a DNS server that is away costs little.
	lookupTimeout = 250 * time.Millisecond
	lookupPause   = 10 * time.Second
)

// names finds the names of hosts by their addresses. It asks DNS about each address once in keepName.
type names struct {
	lookup func(ctx context.Context, address string) ([]string, error)

	mu     sync.Mutex
	known  map[string]name
	paused time.Time // until when DNS is not asked
}

type name struct {
	text  string // several names have commas between them; empty if DNS has none
	until time.Time
}

func newNames() *names {
	return &names{lookup: net.DefaultResolver.LookupAddr, known: map[string]name{}}
}

// of returns the names of a host, with commas between them. While DNS does not answer within lookupTimeout, it
// returns the names that were found last. It returns an empty string if no name is known.
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
		return known.text // the names that were found last
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	all, _ := n.lookup(ctx, address) // with an error the host has no name
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

// wantsHostname reports whether rules may read the label with the name of the host. DNS is asked only then.
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
