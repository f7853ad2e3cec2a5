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
	lookupTimeout = 2 * time.Second
	maxNames      = 1024
	keepName      = 10 * time.Minute
)

// names is what hosts are called, by their addresses. It asks DNS once for each address and keepName.
type names struct {
	lookup func(ctx context.Context, address string) ([]string, error)

	mu    sync.Mutex
	known map[string]name
}

type name struct {
	text  string // empty if DNS has none
	until time.Time
}

func newNames() *names {
	return &names{lookup: net.DefaultResolver.LookupAddr, known: map[string]name{}}
}

// of returns the names of a host, with commas between them. It waits for DNS for lookupTimeout.
func (n *names) of(ctx context.Context, address string) string {
	n.mu.Lock()
	known, ok := n.known[address]
	n.mu.Unlock()
	now := time.Now()
	if ok && now.Before(known.until) {
		return known.text
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	all, _ := n.lookup(ctx, address) // without an answer the host has no name
	text := strings.Join(all, ",")
	n.mu.Lock()
	defer n.mu.Unlock()
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
