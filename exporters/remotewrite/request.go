package remotewrite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"lighter/exporters/send"
)

// requests makes requests from items, in either version of the protocol. Waiting items can be sent in both,
// because an endpoint may turn out not to support 2.0 while items wait.
type requests struct {
	protocol *protocol
	metadata *metadata
	encoders sync.Pool // of *encoder
}

// encoder is the memory for making one request.
type encoder struct {
	transcoder transcoder
	body       []byte // of the request, uncompressed
	block      []byte // of one block, uncompressed
	packed     []byte
}

func (q *requests) make(items []item, v2 bool) (send.Request, error) {
	e, _ := q.encoders.Get().(*encoder)
	if e == nil {
		e = &encoder{transcoder: transcoder{lookup: q.metadata.of}}
	}
	defer q.encoders.Put(e)
	r := send.Request{Header: q.protocol.v1, Tenant: items[0].tenant}
	for _, it := range items {
		r.Items += it.samples
	}
	var err error
	if v2 {
		r.Header = q.protocol.v2
		r.Body, err = e.encodeV2(items)
	} else {
		r.Body, err = e.encodeV1(items)
	}
	if err != nil {
		return send.Request{}, fmt.Errorf("make a request of %d samples: %w", r.Items, err)
	}
	return r, nil
}

// encodeV1 joins blocks unchanged, except for the start timestamps that 1.0 does not have. The body is new
// memory, because it is being sent while another shard uses the encoder.
func (e *encoder) encodeV1(items []item) ([]byte, error) {
	length, size := 0, binary.MaxVarintLen64
	for _, it := range items {
		if it.startTimes() {
			return e.encodeV1Anew(items)
		}
		elements, n := it.elements()
		length += n
		size += len(elements)
	}
	body := binary.AppendUvarint(make([]byte, 0, size), uint64(length))
	for _, it := range items {
		elements, _ := it.elements()
		body = append(body, elements...)
	}
	return body, nil
}

func (e *encoder) encodeV1Anew(items []item) ([]byte, error) {
	e.body = e.body[:0]
	for _, it := range items {
		block, err := e.decode(it)
		if err == nil {
			e.body, err = withoutStarts(e.body, block)
		}
		if err != nil {
			return nil, err
		}
	}
	return e.pack(), nil
}

func (e *encoder) encodeV2(items []item) ([]byte, error) {
	e.transcoder.reset()
	for _, it := range items {
		block, err := e.decode(it)
		if err == nil {
			err = e.transcoder.add(block)
		}
		if err != nil {
			return nil, err
		}
	}
	e.body = e.transcoder.appendRequest(e.body[:0])
	return e.pack(), nil
}

// decode returns an item's block, which is valid until the next call.
func (e *encoder) decode(it item) ([]byte, error) {
	block, err := it.unpack(e.block)
	if err == nil {
		e.block = block
	}
	return block, err
}

func (e *encoder) pack() []byte {
	e.packed = appendCompressed(e.packed[:0], e.body)
	return bytes.Clone(e.packed)
}
