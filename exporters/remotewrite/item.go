package remotewrite

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/s2"

	"lighter"
	"lighter/exporters/queue"
)

// record is a block as it waits in memory and on disk: a byte of flags, and the block's
// body as a snappy block.
type record struct {
	body    []byte
	samples int
}

// The flags of a record. What a later version adds is not known here.
const (
	flagStartTimes = 1 << iota // samples have start timestamps
	flagsEnd
)

// item is a record that waits, or is taken.
type item struct {
	record
	key     uint64
	number  uint64 // of the push, over all lines
	arrived time.Time

	onDisk bool
	stored queue.Record // if onDisk
}

// itemOverhead is what an item in memory costs beside its body.
const itemOverhead = 160

// appendRecord appends the body of a block's record.
func appendRecord(dst []byte, b lighter.Block) []byte {
	flags := byte(0)
	if b.StartTimes {
		flags |= flagStartTimes
	}
	return appendCompressed(append(dst, flags), b.Body)
}

// appendCompressed appends b as a snappy block. The encoder is not golang/snappy's, whose
// tables lie on the stack: a hundred loops would have 64 KiB of it each. Package s2 has its own
// in a pool; what it makes is read by golang/snappy here and by every backend.
func appendCompressed(dst, b []byte) []byte {
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(b)))
	return dst[:len(dst)+len(s2.EncodeSnappy(dst[len(dst):cap(dst)], b))]
}

// known says whether the record is one of ours: what is on disk may be of a later version.
func (r record) known() bool {
	if len(r.body) == 0 || r.body[0] >= flagsEnd {
		return false
	}
	_, err := snappy.DecodedLen(r.body[1:])
	return err == nil
}

// startTimes says whether the block has start timestamps.
func (r record) startTimes() bool { return r.body[0]&flagStartTimes != 0 }

// block appends the block's body to dst[:0].
func (r record) block(dst []byte) ([]byte, error) { return snappy.Decode(dst[:cap(dst)], r.body[1:]) }

// elements returns the block, compressed, without the length that a snappy block begins
// with, and that length.
//
// A snappy block is the length of the data and then elements, which are literals and
// copies from what they themselves gave before. Elements of several blocks, one after
// another, are thus the elements of the joined data: blocks are compressed once, when they
// come, and a request of several needs only a new length in front.
func (r record) elements() (elements []byte, length int) {
	n, k := binary.Uvarint(r.body[1:])
	return r.body[1+max(k, 0):], int(n)
}

// appendCut appends a record, or if it is of more than n samples, records of at most so many
// that are together the same.
func appendCut(dst []record, r record, n int) ([]record, error) {
	if r.samples <= n {
		return append(dst, r), nil
	}
	body, err := r.block(nil)
	if err != nil {
		return dst, err
	}
	rest := lighter.Block{Body: body, Samples: r.samples, StartTimes: r.startTimes()}
	for rest.Samples > 0 {
		head := rest
		if rest.Samples > n {
			if head, rest, err = cutBlock(rest, n); err != nil {
				return dst, err
			}
		} else {
			rest = lighter.Block{}
		}
		dst = append(dst, record{body: appendRecord(nil, head), samples: head.Samples})
	}
	return dst, nil
}

// cutBlock splits off the first n samples of a block.
func cutBlock(b lighter.Block, n int) (head, rest lighter.Block, err error) {
	at, err := fieldEnd(b.Body, n)
	if err != nil {
		return b, b, err
	}
	head, rest = b, b
	head.Body, head.Samples = b.Body[:at], n
	rest.Body, rest.Samples = b.Body[at:], b.Samples-n
	return head, rest, nil
}

// fieldEnd returns where the first n fields of a message end.
func fieldEnd(body []byte, n int) (int, error) {
	rest := body
	for range n {
		if len(rest) == 0 {
			return 0, errNoFields
		}
		var err error
		if _, rest, err = nextField(rest); err != nil {
			return 0, err
		}
	}
	return len(body) - len(rest), nil
}
