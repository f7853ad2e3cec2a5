package remotewrite

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/golang/snappy"

	"lighter"
	"lighter/exporters/send"
)

// item is a block that waits, compressed.
//
// A snappy block is the length of the data and then elements, which are literals and
// copies from what they themselves gave before. Elements of several blocks, one after
// another, are thus the elements of the joined data: blocks are compressed once, when they
// come, and a request of several needs only a new length in front.
type item struct {
	elements []byte // snappy, without the length
	length   int    // uncompressed
	samples  int
	number   uint64 // of the push, over all shards
	arrived  time.Time
}

// itemOverhead is what an item costs beside its elements.
const itemOverhead = 80

func (it item) size() int { return len(it.elements) + itemOverhead }

// newItem compresses a block. buf is scratch memory, which grows.
func newItem(b lighter.Block, buf *[]byte) item {
	if n := snappy.MaxEncodedLen(len(b.Body)); len(*buf) < n {
		*buf = make([]byte, n)
	}
	encoded := snappy.Encode(*buf, b.Body)
	_, n := binary.Uvarint(encoded)
	return item{
		elements: append([]byte(nil), encoded[n:]...),
		length:   len(b.Body),
		samples:  b.Samples,
	}
}

// join makes one request of items. Its body is new memory: the HTTP client may read it
// still when an answer came early.
func join(items []item) send.Request {
	length, samples, size := 0, 0, binary.MaxVarintLen64
	for _, it := range items {
		length += it.length
		samples += it.samples
		size += len(it.elements)
	}
	body := binary.AppendUvarint(make([]byte, 0, size), uint64(length))
	for _, it := range items {
		body = append(body, it.elements...)
	}
	return send.Request{Body: body, Items: samples}
}

var errNoFields = errors.New("it is not made of protobuf fields")

// cutBlock splits off the first n samples of a block.
func cutBlock(b lighter.Block, n int) (head, rest lighter.Block, err error) {
	at, err := fieldEnd(b.Body, n)
	if err != nil {
		return b, b, err
	}
	head = lighter.Block{Body: b.Body[:at], Samples: n, Time: b.Time}
	rest = lighter.Block{Body: b.Body[at:], Samples: b.Samples - n, Time: b.Time}
	return head, rest, nil
}

// fieldEnd returns where the first n fields of a WriteRequest end. Its fields are all
// messages, and each TimeSeries holds one sample.
func fieldEnd(body []byte, n int) (int, error) {
	at := 0
	for range n {
		next, err := skipField(body[at:])
		if err != nil {
			return 0, err
		}
		at += next
	}
	return at, nil
}

// skipField returns the length of the field at the start of b.
func skipField(b []byte) (int, error) {
	tag, k := binary.Uvarint(b)
	if k <= 0 || tag&7 != 2 {
		return 0, errNoFields
	}
	size, n := binary.Uvarint(b[k:])
	if n <= 0 || size > uint64(len(b)-k-n) {
		return 0, errNoFields
	}
	return k + n + int(size), nil
}
