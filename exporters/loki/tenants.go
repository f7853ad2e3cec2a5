package loki

import (
	"cmp"
	"context"
	"slices"
	"time"

	"lighter"
)

// A request belongs to one tenant. A label of a stream names its tenant; other streams belong to the
// endpoint's tenant. A batch with entries of several tenants is divided when it arrives, so that every
// waiting batch belongs to one tenant. The order within streams is kept, because all entries of a stream
// are in batches of its tenant.

func (e *Endpoint) tenantOf(s *lighter.Stream) string {
	return cmp.Or(s.Labels.Get(lighter.LabelTenant), e.Tenant)
}

// tenants returns the tenant of a batch. mixed reports whether its streams belong to several tenants.
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

// appendEach is Append for a batch whose streams belong to several tenants.
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
	if len(parts) == 0 { // the batch has no entries
		e.room.release(int64(b.Bytes))
		return nil
	}
	parts[len(parts)-1].Bytes = b.Bytes // all of the memory is retained until the last part is released
	for i, p := range parts {
		e.enqueue(p, tenants[i])
	}
	return nil
}

// part returns the part of a batch that belongs to a tenant, held. The part holds the batch until it is
// itself released.
func (e *Endpoint) part(b *lighter.Batch, tenant string) *lighter.Batch {
	p := &lighter.Batch{}
	stream := make([]int32, len(b.Streams)) // by stream of b: 1 + the index in p, or 0 if none
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

// toFront moves the batches, which are in the queue in this order, to its front, and returns their number.
// The caller holds e.mu.
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

// lastRequests records when each tenant's last request was made.
type lastRequests map[string]time.Time

// manyTenants is the number of tenants up to which outdated times are kept.
const manyTenants = 100

// set records a request. Times older than wait are no longer needed.
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
