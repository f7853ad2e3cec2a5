package memo

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A delta is how a string differs from its predecessor. It begins with a byte.
//
// Neighbours on a page mostly have the same length. Then the byte is one more than the number of runs of
// bytes that differ. For each run follow two varints, the number of equal bytes before it and the number of
// bytes in it, and its bytes. From a{x="12",y="2"} to a{x="13",y="3"} that is 3, 6 1 3, 5 1 3.
//
// Otherwise the byte is shifted. The lengths of the common prefix, the common suffix and the middle follow,
// and then the middle.
const shifted = 0

// maxRuns is the largest number of runs in a delta.
const maxRuns = 100

// appendDelta appends the delta from old to now.
func appendDelta(dst, old, now []byte) []byte {
	if len(old) != len(now) {
		return appendShifted(dst, old, now)
	}
	head, runs := len(dst), 0
	dst = append(dst, 0)
	for at := 0; ; {
		same := sharedPrefix(old[at:], now[at:])
		from := at + same
		if from == len(now) {
			break
		}
		if runs++; runs > maxRuns {
			return appendShifted(dst[:head], old, now)
		}
		at = from + runLength(old[from:], now[from:])
		dst = binary.AppendUvarint(dst, uint64(same))
		dst = binary.AppendUvarint(dst, uint64(at-from))
		dst = append(dst, now[from:at]...)
	}
	dst[head] = byte(runs + 1)
	return dst
}

// runLength returns the length of the run that a and b, which have the same length, begin with. A few equal
// bytes do not end it, because another run costs two bytes.
func runLength(a, b []byte) int {
	end := 1
	for i := 1; i < len(a) && i-end <= 2; i++ {
		if a[i] != b[i] {
			end = i + 1
		}
	}
	return end
}

func appendShifted(dst, old, now []byte) []byte {
	prefix := sharedPrefix(old, now)
	suffix := sharedSuffix(old[prefix:], now[prefix:])
	middle := now[prefix : len(now)-suffix]
	dst = append(dst, shifted)
	dst = binary.AppendUvarint(dst, uint64(prefix))
	dst = binary.AppendUvarint(dst, uint64(suffix))
	dst = binary.AppendUvarint(dst, uint64(len(middle)))
	return append(dst, middle...)
}

// patch applies the delta at b[at:] to old, in old's memory, and returns where the delta ends.
func patch(old, b []byte, at int) (now []byte, end int) {
	runs := int(b[at])
	at++
	if runs == shifted {
		return patchShifted(old, b, at)
	}
	pos := 0
	for range runs - 1 {
		var same, n int
		same, at = length(b, at)
		n, at = length(b, at)
		pos += same
		if n == 1 {
			old[pos] = b[at]
		} else {
			copy(old[pos:], b[at:at+n])
		}
		pos += n
		at += n
	}
	return old, at
}

func patchShifted(old, b []byte, at int) (now []byte, end int) {
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

// length reads a varint that appendDelta wrote, which mostly is one byte.
func length(b []byte, at int) (n, end int) {
	if c := b[at]; c < 0x80 {
		return int(c), at + 1
	}
	return longLength(b, at)
}

func longLength(b []byte, at int) (n, end int) {
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
