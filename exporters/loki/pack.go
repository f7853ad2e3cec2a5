package loki

import (
	"encoding/binary"
	"slices"

	"github.com/golang/snappy"

	"lighter"
	"lighter/exporters/send"
)

// packer makes requests from batches. It reuses its memory for the next request, and is not safe for
// concurrent use.
type packer struct {
	encoder encoder
	out     compressed
}

// Limits of the memory that a packer retains, so that one huge line does not cost memory forever.
const (
	keepRaw  = 1 << 20
	keepBody = 4 << 20
)

// pack returns the request with the batches. Its body is valid until the next call, which must come after
// Deliver has returned: from then on package send does not read it.
func (p *packer) pack(batches []*lighter.Batch, text func(*lighter.Stream) string) send.Request {
	if cap(p.out.raw) > keepRaw || cap(p.out.body) > keepBody {
		p.out = compressed{}
	}
	p.encoder.encode(&p.out, batches, text)
	return send.Request{Body: p.out.body, Items: entriesIn(batches)}
}

// pieceBytes is how much snappy compresses at a time: a longer block consists of independent pieces.
const pieceBytes = 64 << 10

// compressed is a snappy block of bytes that arrive a few at a time. The result equals that of
// snappy.Encode for all of them, but no more than a piece and a line are held uncompressed.
type compressed struct {
	raw  []byte // not yet compressed; the writer appends to it
	body []byte // the block so far
}

// begin begins a block of size bytes.
func (b *compressed) begin(size int) {
	b.raw = b.raw[:0]
	b.body = binary.AppendUvarint(b.body[:0], uint64(size))
}

// compress compresses the complete pieces at the beginning of raw.
func (b *compressed) compress() {
	rest := b.raw
	for len(rest) >= pieceBytes {
		b.piece(rest[:pieceBytes])
		rest = rest[pieceBytes:]
	}
	b.raw = append(b.raw[:0], rest...)
}

// end compresses the rest.
func (b *compressed) end() {
	b.compress()
	if len(b.raw) > 0 {
		b.piece(b.raw)
		b.raw = b.raw[:0]
	}
}

// piece appends one piece, encoded like a block but without the length at its beginning.
func (b *compressed) piece(raw []byte) {
	n, room := len(b.body), snappy.MaxEncodedLen(len(raw))
	b.body = slices.Grow(b.body, room)
	own := snappy.Encode(b.body[n:n+room], raw)
	_, length := binary.Uvarint(own)
	b.body = append(b.body, own[length:]...)
}
