package loki

import (
	"fmt"
	"net/http"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"lighter/exporters/send"
)

// protocol is Loki's push API, version 1, in protobuf with snappy's block format.
type protocol struct{ userAgent string }

func (p protocol) Header() http.Header {
	return http.Header{
		"Content-Type":     {"application/x-protobuf"},
		"Content-Encoding": {"snappy"},
		"User-Agent":       {p.userAgent},
	}
}

// Split divides a request by entries into two halves. Each stream keeps its order, because all of the first
// half is sent before the second.
func (protocol) Split(r send.Request) (send.Request, send.Request, error) {
	if r.Items < 2 {
		return send.Request{}, send.Request{}, send.ErrOneItem
	}
	return splitAt(r, r.Items/2)
}

// splitAt returns a request with the first n entries of r, and one with the others. The streams keep their
// order, in which the last is the one most likely over its limit (see largest).
func splitAt(r send.Request, n int) (first, rest send.Request, err error) {
	req, err := decode(r.Body)
	if err != nil {
		return send.Request{}, send.Request{}, err
	}
	var a, b push.PushRequest
	for _, s := range req.Streams {
		here := min(n, len(s.Entries))
		n -= here
		if here > 0 {
			a.Streams = append(a.Streams, push.Stream{Labels: s.Labels, Entries: s.Entries[:here]})
		}
		if here < len(s.Entries) {
			b.Streams = append(b.Streams, push.Stream{Labels: s.Labels, Entries: s.Entries[here:]})
		}
	}
	if first, err = request(&a); err != nil {
		return send.Request{}, send.Request{}, err
	}
	rest, err = request(&b)
	return first, rest, err
}

func request(p *push.PushRequest) (send.Request, error) {
	b, err := proto.Marshal(p)
	if err != nil {
		return send.Request{}, fmt.Errorf("encode a part of a push request: %w", err)
	}
	n := 0
	for _, s := range p.Streams {
		n += len(s.Entries)
	}
	return send.Request{Body: snappy.Encode(nil, b), Items: n}, nil
}

func decode(body []byte) (*push.PushRequest, error) {
	b, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("decompress a push request: %w", err)
	}
	var req push.PushRequest
	if err := proto.Unmarshal(b, &req); err != nil {
		return nil, fmt.Errorf("decode a push request: %w", err)
	}
	return &req, nil
}
