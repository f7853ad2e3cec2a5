package loki

import (
	"encoding/binary"
	"slices"

	"github.com/golang/snappy"

	"lighter"
	"lighter/exporters/send"
)

// packer makes requests of batches, in memory that it keeps for the next one. It is not safe
// for concurrent use.
type packer struct {
	encoder encoder
	out     compressed
}

// What a packer keeps of its memory at most: one huge line must not be paid for ever after.
const (
	keepRaw  = 1 << 20
	keepBody = 4 << 20
)

// pack returns the request that carries the batches. Its body is valid until the next call, which
// must come after Deliver has returned: from then on package send does not read it.
func (p *packer) pack(batches []*lighter.Batch, text func(*lighter.Stream) string) send.Request {
	if cap(p.out.raw) > keepRaw || cap(p.out.body) > keepBody {
		p.out = compressed{}
	}
	p.encoder.encode(&p.out, batches, text)
	return send.Request{Body: p.out.body, Items: entriesIn(batches)}
}

// pieceBytes is what snappy compresses at a time: a longer block is made of pieces that know
// nothing of each other.
const pieceBytes = 64 << 10

// compressed is a snappy block of bytes that come a few at a time: to the byte what snappy.Encode
// makes of them all, but no more than a piece and a line of them are held uncompressed.
type compressed struct {
	raw  []byte // what is not compressed yet; the writer appends to it
	body []byte // the block so far
}

// begin begins the block of size bytes.
func (b *compressed) begin(size int) {
	b.raw = b.raw[:0]
	b.body = binary.AppendUvarint(b.body[:0], uint64(size))
}

// compress compresses the whole pieces that raw begins with.
func (b *compressed) compress() {
	rest := b.raw
	for len(rest) >= pieceBytes {
		b.piece(rest[:pieceBytes])
		rest = rest[pieceBytes:]
	}
	b.raw = append(b.raw[:0], rest...)
}

// end compresses what is left.
func (b *compressed) end() {
	b.compress()
	if len(b.raw) > 0 {
		b.piece(b.raw)
		b.raw = b.raw[:0]
	}
}

// piece appends one piece, as a block of its own without the length that blocks begin with.
func (b *compressed) piece(raw []byte) {
	n, room := len(b.body), snappy.MaxEncodedLen(len(raw))
	b.body = slices.Grow(b.body, room)
	own := snappy.Encode(b.body[n:n+room], raw)
	_, length := binary.Uvarint(own)
	b.body = append(b.body, own[length:]...)
}
