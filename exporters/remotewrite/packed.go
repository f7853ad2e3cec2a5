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

// packed is a block as it waits in memory and on disk: a byte of flags, and the block's body compressed
// with snappy. On disk it has a header (package stored).
type packed struct {
	body    []byte
	samples int
	tenant  string // the tenant to send it for
}

// The flags of a block. Flags of later versions are unknown here.
const (
	flagStartTimes = 1 << iota // samples have start timestamps
	flagsEnd
)

// item is a block that waits or is taken.
type item struct {
	packed
	key     uint64
	number  uint64 // of the push, in all shards
	arrived time.Time

	onDisk bool
	stored queue.Record // if onDisk
}

// itemOverhead is the memory of an item besides its body.
const itemOverhead = 160

// appendPacked appends a block in the form in which it waits.
func appendPacked(dst []byte, b lighter.Block) []byte {
	flags := byte(0)
	if b.StartTimes {
		flags |= flagStartTimes
	}
	return appendCompressed(append(dst, flags), b.Body)
}

// appendCompressed appends b as a snappy block. It does not use golang/snappy's encoder, whose tables are
// on the stack: a hundred loops would take 64 KiB each. Package s2 keeps its tables in a pool;
// golang/snappy and every backend can decode its output.
func appendCompressed(dst, b []byte) []byte {
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(b)))
	return dst[:len(dst)+len(s2.EncodeSnappy(dst[len(dst):cap(dst)], b))]
}

// known reports whether this version knows the block's form, because a block on disk may come from a later
// version.
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

// elements returns the elements of the compressed block, without the length at its beginning, and that
// length.
//
// A snappy block consists of the length of the data and elements, which are literals and copies of earlier
// output of the same elements. Therefore the concatenated elements of several blocks are the elements of
// the concatenated data: blocks are compressed once, when they arrive, and a request of several blocks only
// needs a new length at its beginning.
func (r packed) elements() (elements []byte, length int) {
	n, k := binary.Uvarint(r.body[1:])
	return r.body[1+max(k, 0):], int(n)
}

// appendCut appends a block. It splits a block of more than n samples into equivalent blocks of at most n.
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
