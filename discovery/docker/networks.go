package docker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"lighter"
)

const (
	// networkPatience is how long a list of containers waits for the list of networks, which is requested
	// at the same time. It is well below the second within which a container must be seen.
	networkPatience = 500 * time.Millisecond
	// networkPatienceOnce is that time for List, which is called once.
	networkPatienceOnce = 5 * time.Second
)

// networks holds the last list of an Engine's networks. They add labels to targets. Logs and addresses do
// not need them, so nothing waits for an Engine that does not list them. A networks belongs to the Run or
// List of a Discoverer.
type networks struct {
	client *Client
	logger *slog.Logger
	pause  time.Duration // between two requests while they fail

	known    map[string]network.Summary // by id
	pending  chan networksResponse      // delivers the response to a request; nil if there is no request
	late     bool                       // the last response did not come within the patience
	next     time.Time                  // the earliest time of the next request after a failure
	failures lighter.Failures
}

type networksResponse struct {
	all []network.Summary
	err error
}

// reset discards the request that was made on an earlier connection.
func (n *networks) reset() { n.pending, n.next = nil, time.Time{} }

// request requests the list in a goroutine of g, unless a request is in progress or has just failed.
func (n *networks) request(ctx context.Context, api *client.Client, g *sync.WaitGroup) {
	now := time.Now()
	if n.pending != nil || now.Before(n.next) {
		return
	}
	n.next = now.Add(n.pause)
	pending := make(chan networksResponse, 1)
	n.pending = pending
	g.Go(func() {
		var r networksResponse
		r.err = n.client.call(ctx, callTimeout, "list the Engine's networks", "/networks", func(ctx context.Context) (err error) {
			r.all, err = api.NetworkList(ctx, network.ListOptions{})
			return err
		})
		pending <- r
	})
}

// wait waits for the response to the request, but not longer than patience. It does not wait if the last
// response was late.
func (n *networks) wait(ctx context.Context, patience time.Duration) {
	if n.pending == nil || n.late {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-n.pending:
		n.store(r)
	case <-timer.C:
		n.late = true
	case <-ctx.Done():
	}
}

// store stores the networks of a response. If the request failed, it keeps the previous ones.
func (n *networks) store(r networksResponse) {
	n.pending = nil
	switch news := n.failures.Set(r.err); {
	case news && r.err != nil:
		n.logger.Warn("the Engine's networks cannot be listed: targets have the labels of networks that were known before, and lack those of others", "error", r.err)
	case news:
		n.logger.Info("the Engine's networks are listed again")
	}
	if r.err != nil {
		return
	}
	if !n.late {
		n.next = time.Time{}
	}
	n.late = false
	n.known = make(map[string]network.Summary, len(r.all))
	for _, s := range r.all {
		n.known[s.ID] = s
	}
}
