package loki

import (
	"cmp"
	"context"
	"slices"
	"time"

	"lighter"
)

// A request is of one tenant. A stream says by a label whose it is; others are of the endpoint's tenant. A
// batch that has entries of several tenants is taken apart when it comes, so that all that waits is of one.
// Streams are in order: the entries of each are in batches of its tenant alone.

func (e *Endpoint) tenantOf(s *lighter.Stream) string {
	return cmp.Or(s.Labels.Get(lighter.LabelTenant), e.Tenant)
}

// tenants returns the tenant of a batch, and whether its streams are of several.
func (e *Endpoint) tenants(b *lighter.Batch) (tenant string, mixed bool) {
	tenant = e.Tenant
	first := true
	for _, s := range b.Streams {
		if s == nil {
			continue
		}
		switch own := e.tenantOf(s); {
		case first:
			tenant, first = own, false
		case own != tenant:
			return "", true
		}
	}
	return tenant, false
}

// appendEach is Append for a batch whose streams are of several tenants.
func (e *Endpoint) appendEach(ctx context.Context, b *lighter.Batch) error {
	var tenants []string
	for _, entry := range b.Entries {
		if t := e.tenantOf(b.Streams[entry.Stream]); !slices.Contains(tenants, t) {
			tenants = append(tenants, t)
		}
	}
	if err := e.waitFor(ctx, b, tenants...); err != nil {
		return err
	}
	parts := make([]*lighter.Batch, len(tenants))
	for i, tenant := range tenants {
		parts[i] = e.part(b, tenant)
	}
	if len(parts) == 0 { // it has no entries
		e.room.release(int64(b.Bytes))
		return nil
	}
	parts[len(parts)-1].Bytes = b.Bytes // it keeps all the memory until the last of its parts is let go of
	for i, p := range parts {
		e.enqueue(p, tenants[i])
	}
	return nil
}

// part returns what a batch has of a tenant, held. It holds the batch for as long as it is held itself.
func (e *Endpoint) part(b *lighter.Batch, tenant string) *lighter.Batch {
	p := &lighter.Batch{}
	stream := make([]int32, len(b.Streams)) // by stream of b: 1 + that of p, 0 if it has none
	for i := range b.Entries {
		entry := b.Entries[i]
		of := entry.Stream
		if stream[of] == 0 {
			if e.tenantOf(b.Streams[of]) != tenant {
				continue
			}
			p.Streams = append(p.Streams, b.Streams[of])
			stream[of] = int32(len(p.Streams))
		}
		fields := b.Fields(&entry)
		entry.Stream, entry.Fields = stream[of]-1, 0
		p.SetFields(&entry, fields)
		p.Entries = append(p.Entries, entry)
	}
	b.Hold()
	p.Begin(func() {
		b.Refuse(p.Refused())
		b.Done()
	})
	return p
}

// toFront moves the batches, which are in the queue in this order, to its front, and returns how many they
// are. e.mu is held.
func (e *Endpoint) toFront(head []*lighter.Batch) int {
	taken, others := make([]queued, 0, len(e.queue)), make([]queued, 0, len(e.queue)-len(head))
	for _, q := range e.queue {
		if len(taken) < len(head) && q.batch == head[len(taken)] {
			taken = append(taken, q)
		} else {
			others = append(others, q)
		}
	}
	e.queue = append(taken, others...)
	return len(head)
}

// lastRequests are when the last request of each tenant was cut.
type lastRequests map[string]time.Time

// manyTenants is how many tenants are remembered whether or not their last requests matter any more.
const manyTenants = 100

// set notes a request. What is older than wait matters no more.
func (l lastRequests) set(tenant string, at time.Time, wait time.Duration) {
	l[tenant] = at
	if len(l) <= manyTenants {
		return
	}
	for t, last := range l {
		if at.Sub(last) > wait {
			delete(l, t)
		}
	}
}
