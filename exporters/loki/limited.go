package loki

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/grafana/loki/pkg/push"

	"lighter/exporters/endpoint"
	"lighter/exporters/internal/changes"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
	"lighter/exporters/send"
)

// Loki limits single streams: how fast one may grow (per_stream_rate_limit), and how many there may be
// (max_global_streams_per_user). At a limit it responds with 429 and names a stream, and has stored the
// request's other streams (pkg/ingester/instance.go, Push). The entries of the named stream wait on disk,
// in a separate lane. They are sent again by themselves, in order and with backoff, and later entries of
// the stream are queued behind them, while all other streams continue.
//
// Loki names one stream even if it has refused several, and it responds with 204 if it has refused some but
// stored the last stream of a request. Streams that it refuses silently are lost: no response reveals them.
// Therefore the largest stream of a request is the last one.

const (
	// limitedLane is the lane of the queue on disk for limited streams. Each of its records belongs to one
	// stream.
	limitedLane = 1
	// limitedShare is the part of the disk, 1/limitedShare, that they may use before reading stops.
	limitedShare = 4
	// limitedBytes is the approximate size of a stream's data in one record, before compression. Loki takes
	// or refuses a stream's entries together, so a request must not exceed the burst that it allows a
	// stream.
	limitedBytes = 128 << 10
)

// limitWords occur in Loki's message about a limited stream, in lower case.
var limitWords = []string{"per stream rate limit exceeded", "maximum active stream limit exceeded"}

// Limited implements send.StreamLimiter.
func (protocol) Limited(r send.Request, text string) (streams []string, items int) {
	lower := strings.ToLower(text)
	if !slices.ContainsFunc(limitWords, func(words string) bool { return strings.Contains(lower, words) }) {
		return nil, 0
	}
	sent := streamsIn(r)
	if len(sent) == 1 {
		return []string{sent[0].labels}, sent[0].entries
	}
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		if one, ok := sent.named(m[1]); ok && !slices.Contains(streams, one.labels) {
			streams = append(streams, one.labels)
			items += one.entries
		}
	}
	return streams, items
}

// part is the data of one stream in a request.
type part struct {
	labels string
	send.Request
}

func (p part) key() streamKey { return streamKey{p.Tenant, p.labels} }

// takeOut returns a request without the streams for which out returns true, and their data, in order, as
// requests of about limitedBytes.
func takeOut(r send.Request, out func(labels string) bool) (rest send.Request, parts []part, err error) {
	req, err := decode(r.Body)
	if err != nil {
		return r, nil, err
	}
	var kept push.PushRequest
	for _, s := range req.Streams {
		if !out(s.Labels) {
			kept.Streams = append(kept.Streams, s)
			continue
		}
		for len(s.Entries) > 0 {
			n, size := 0, 0
			for n < len(s.Entries) && size < limitedBytes {
				size += s.Entries[n].Size()
				n++
			}
			one, err := request(&push.PushRequest{Streams: []push.Stream{{Labels: s.Labels, Entries: s.Entries[:n]}}})
			if err != nil {
				return r, nil, err
			}
			one.Tenant = r.Tenant
			parts = append(parts, part{s.Labels, one})
			s.Entries = s.Entries[n:]
		}
	}
	if parts == nil {
		return r, nil, nil
	}
	if len(kept.Streams) > 0 {
		i := largest(len(kept.Streams), func(i int) int { return kept.Streams[i].Size() })
		last := kept.Streams[i]
		kept.Streams = append(slices.Delete(kept.Streams, i, i+1), last)
	}
	rest, err = request(&kept)
	rest.Tenant, rest.Refused = r.Tenant, r.Refused
	return rest, parts, err
}

// deliver sends a request until the endpoint has taken all of it, has refused it for good, or its rest
// waits as data of a limited stream.
func (e *Endpoint) deliver(ctx context.Context, r send.Request) error {
	for left := []send.Request{r}; len(left) > 0; {
		err := e.sender.Deliver(ctx, left[0])
		limited := (*send.LimitedError)(nil)
		switch {
		case errors.As(err, &limited):
			again, err := e.hold(ctx, limited)
			if err != nil {
				return err
			}
			left = append(again, left[1:]...)
		case err != nil:
			return err
		default:
			left = left[1:]
		}
	}
	return nil
}

// hold moves the entries of the streams that Loki refuses to disk, where they wait. It returns the requests
// that are left to send. If the disk does not accept the entries, they are among these.
func (e *Endpoint) hold(ctx context.Context, limited *send.LimitedError) (left []send.Request, err error) {
	_, parts, err := takeOut(limited.Part, func(labels string) bool { return slices.Contains(limited.Streams, labels) })
	if err != nil {
		return nil, err
	}
	for len(parts) > 0 {
		if e.store(parts[0], limited) {
			parts = parts[1:]
			continue
		}
		if !send.Pause(ctx, max(readAgain, limited.RetryAfter)) {
			return nil, ctx.Err()
		}
		if e.limits.holds(parts[0].key()) {
			continue // its first parts wait on disk, and later ones must not overtake them
		}
		for _, p := range parts {
			p.Refused = limited.Part.Refused
			left = append(left, p.Request)
		}
		break
	}
	for _, r := range limited.Rest {
		if r, err = e.withoutLimited(ctx, r); err != nil {
			return nil, err
		}
		if r.Items > 0 {
			left = append(left, r)
		}
	}
	return left, nil
}

// withoutLimited moves a request's data of waiting streams behind their waiting data, and returns the rest
// of the request. It blocks while the disk does not accept the data, until ctx ends.
func (e *Endpoint) withoutLimited(ctx context.Context, r send.Request) (send.Request, error) {
	if !e.limits.any() {
		return r, nil
	}
	rest, parts, err := takeOut(r, func(labels string) bool { return e.limits.holds(streamKey{r.Tenant, labels}) })
	if err != nil {
		return r, nil //nolint:nilerr // it is not one of our requests, so Loki's response decides
	}
	for _, p := range parts {
		for !e.store(p, nil) {
			if !send.Pause(ctx, readAgain) {
				return r, ctx.Err()
			}
		}
	}
	return rest, nil
}

// store writes a part of a stream to disk, behind the stream's waiting data. why is not nil if Loki has
// just refused the part. Only the goroutine of runSend calls it.
func (e *Endpoint) store(p part, why *send.LimitedError) bool {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.save(limitedLane, p.Request) {
		return false
	}
	if r, ok, err := d.queue.TryNext(limitedLane); ok && err == nil {
		e.limits.add(p.key(), r, why)
	}
	return true
}

// loadLimited takes over the data of limited streams that an earlier process has left.
func (e *Endpoint) loadLimited() {
	for {
		r, ok, err := e.disk.queue.TryNext(limitedLane)
		if !ok || err != nil {
			return
		}
		var k streamKey // zero if unknown; runLimited handles whatever is wrong with the record
		if body, err := r.Body(nil); err == nil {
			if h, body, err := stored.Parse(body, r.Items); err == nil {
				if sent := streamsIn(send.Request{Body: body}); len(sent) > 0 {
					k = streamKey{h.Tenant, sent[0].labels}
				}
			}
		}
		e.limits.add(k, r, nil)
	}
}

// runLimited sends the waiting data of limited streams, one request at a time, until ctx ends. A request in
// progress then continues until sending ends.
func (e *Endpoint) runLimited(ctx, sending context.Context) {
	var body []byte
	for ctx.Err() == nil {
		s, r, wait := e.limits.next()
		if s != nil {
			body = e.sendLimited(sending, s, r, body[:0])
			continue
		}
		endpoint.Await(ctx, e.limits.more, wait)
	}
}

// sendLimited makes an attempt with the oldest record of a stream. It returns the memory for the next one.
func (e *Endpoint) sendLimited(ctx context.Context, s *limitedStream, r queue.Record, body []byte) []byte {
	body, err := r.Body(body)
	if err != nil {
		e.unreadLimited(s, r, err)
		return body
	}
	e.disk.readLimited()
	request, err := e.disk.parse(r, body)
	if err == nil {
		err = e.sender.Deliver(ctx, request)
	}
	limited := (*send.LimitedError)(nil)
	switch {
	case errors.As(err, &limited):
		e.limits.refused(s, limited)
	case err == nil, errors.Is(err, stored.ErrFormat):
		e.disk.mu.Lock()
		e.disk.settle(r, true)
		e.disk.mu.Unlock()
		e.limits.done(s)
	}
	return body
}

// readLimited records that data of limited streams can be read.
func (d *disk) readLimited() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if after, _, ok := d.reads.Works(); ok {
		d.logger.Info("the data that waits on disk can be read again", "after", after.Round(time.Millisecond))
	}
}

// unreadLimited returns a record that could not be read. It drops a damaged one.
func (e *Endpoint) unreadLimited(s *limitedStream, r queue.Record, err error) {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue.Return(r)
	again, ok, _ := d.queue.TryNext(limitedLane)
	if !ok {
		e.limits.done(s)
		d.common.Damaged(r.Items, err)
		return
	}
	e.limits.replace(s, again)
	e.limits.postpone(s, readAgain)
	if _, ok := d.reads.Failed(changes.WithoutPath(err)); ok {
		d.logger.Error("log lines of a stream that Loki limits cannot be read from the disk: they are retried every second, and other streams continue", "error", err)
	}
}
