package scrape

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A delta is what a string has in the middle that its predecessor has not: the lengths of
// the prefix and the suffix that they share and of the middle, as varints, and the middle.

// appendDelta appends the delta from old to now.
func appendDelta(dst, old, now []byte) []byte {
	prefix := sharedPrefix(old, now)
	suffix := sharedSuffix(old[prefix:], now[prefix:])
	middle := now[prefix : len(now)-suffix]
	dst = binary.AppendUvarint(dst, uint64(prefix))
	dst = binary.AppendUvarint(dst, uint64(suffix))
	dst = binary.AppendUvarint(dst, uint64(len(middle)))
	return append(dst, middle...)
}

// patch makes old what the delta at b[at:] says, in its memory, and returns where that ends.
func patch(old, b []byte, at int) (now []byte, end int) {
	prefix, at := length(b, at)
	suffix, at := length(b, at)
	middle, at := length(b, at)
	size := prefix + middle + suffix
	if was := len(old); size != was {
		if size > cap(old) {
			old = slices.Grow(old, size-was)
		}
		old = old[:max(size, was)]
		copy(old[size-suffix:size], old[was-suffix:was])
		old = old[:size]
	}
	end = at + middle
	copy(old[prefix:], b[at:end])
	return old, end
}

// length reads a varint of our own, which is one byte mostly.
func length(b []byte, at int) (n, end int) {
	if c := b[at]; c < 0x80 {
		return int(c), at + 1
	}
	v, k := binary.Uvarint(b[at:])
	return int(v), at + k
}

func sharedPrefix(a, b []byte) int {
	most := min(len(a), len(b))
	n := 0
	for ; n+8 <= most; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < most && a[n] == b[n] {
		n++
	}
	return n
}

func sharedSuffix(a, b []byte) int {
	most := min(len(a), len(b))
	n := 0
	for ; n+8 <= most; n += 8 {
		if x := binary.LittleEndian.Uint64(a[len(a)-n-8:]) ^ binary.LittleEndian.Uint64(b[len(b)-n-8:]); x != 0 {
			return n + bits.LeadingZeros64(x)/8
		}
	}
	for n < most && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
