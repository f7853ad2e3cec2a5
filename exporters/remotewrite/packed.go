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

// packed is a block as it waits in memory and on disk: a byte of flags, and the block's
// body as a snappy block. On disk it has a header (package stored).
type packed struct {
	body    []byte
	samples int
	tenant  string // that it is sent for
}

// The flags of a block. What a later version adds is not known here.
const (
	flagStartTimes = 1 << iota // samples have start timestamps
	flagsEnd
)

// item is a block that waits, or is taken.
type item struct {
	packed
	key     uint64
	number  uint64 // of the push, over all shards
	arrived time.Time

	onDisk bool
	stored queue.Record // if onDisk
}

// itemOverhead is what an item in memory costs beside its body.
const itemOverhead = 160

// appendPacked appends a block in the form in which it waits.
func appendPacked(dst []byte, b lighter.Block) []byte {
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

// known reports whether the block is one of ours: what is on disk may be of a later version.
func (r packed) known() bool {
	if len(r.body) == 0 || r.body[0] >= flagsEnd {
		return false
	}
	_, err := snappy.DecodedLen(r.body[1:])
	return err == nil
}

// startTimes reports whether the block has start timestamps.
func (r packed) startTimes() bool { return r.body[0]&flagStartTimes != 0 }

// unpack appends the block's body to dst[:0].
func (r packed) unpack(dst []byte) ([]byte, error) { return snappy.Decode(dst[:cap(dst)], r.body[1:]) }

// elements returns the block, compressed, without the length that a snappy block begins
// with, and that length.
//
// A snappy block is the length of the data and then elements, which are literals and
// copies from what they themselves gave before. Elements of several blocks, one after
// another, are thus the elements of the joined data: blocks are compressed once, when they
// come, and a request of several needs only a new length in front.
func (r packed) elements() (elements []byte, length int) {
	n, k := binary.Uvarint(r.body[1:])
	return r.body[1+max(k, 0):], int(n)
}

// appendCut appends a block, or if it is of more than n samples, blocks of at most so many
// that are together the same.
func appendCut(dst []packed, r packed, n int) ([]packed, error) {
	if r.samples <= n {
		return append(dst, r), nil
	}
	body, err := r.unpack(nil)
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
		dst = append(dst, packed{body: appendPacked(nil, head), samples: head.Samples, tenant: r.tenant})
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
