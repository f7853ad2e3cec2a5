package queue

import (
	"encoding/binary"
	"hash/crc32"
)

// The format, which the package documentation describes.
const (
	version            = 1
	magic              = "lighterQ"
	segmentHeaderBytes = 16
	headerBytes        = 36
	marker             = "\xb7\x1cQ"
	stateAt            = len(marker) // in a record's header

	stateWaiting = 'w'
	stateDone    = 'd' // acknowledged, or dropped

	// maxBodyBytes limits the memory for one record; requests are a hundredth of it.
	maxBodyBytes = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // read-only

// header is the header of a record.
type header struct {
	done   bool
	length uint32 // of the body
	items  uint32
	key    uint64
	time   int64  // Unix milliseconds
	sum    uint32 // CRC-32C of the body
}

// append appends the header of a record at an offset of a segment.
func (h header) append(b []byte, segment uint64, offset int64) []byte {
	b = append(b, marker...)
	b = append(b, stateWaiting)
	summed := len(b)
	b = binary.LittleEndian.AppendUint32(b, h.length)
	b = binary.LittleEndian.AppendUint32(b, h.items)
	b = binary.LittleEndian.AppendUint64(b, h.key)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.time))
	b = binary.LittleEndian.AppendUint32(b, h.sum)
	return binary.LittleEndian.AppendUint32(b, placeSum(b[summed:], segment, offset))
}

// parseHeader parses headerBytes bytes. It returns false if no valid record begins there. An unknown state
// counts as waiting, because sending twice is better than never.
func parseHeader(b []byte, segment uint64, offset int64) (header, bool) {
	summed := b[stateAt+1 : headerBytes-4]
	if string(b[:len(marker)]) != marker || binary.LittleEndian.Uint32(b[headerBytes-4:]) != placeSum(summed, segment, offset) {
		return header{}, false
	}
	return header{
		done:   b[stateAt] == stateDone,
		length: binary.LittleEndian.Uint32(summed),
		items:  binary.LittleEndian.Uint32(summed[4:]),
		key:    binary.LittleEndian.Uint64(summed[8:]),
		time:   int64(binary.LittleEndian.Uint64(summed[16:])),
		sum:    binary.LittleEndian.Uint32(summed[24:]),
	}, true
}

// placeSum is a checksum that is valid in one place only.
func placeSum(b []byte, segment uint64, offset int64) uint32 {
	const spread = 0x9e3779b1 // so that close numbers and offsets do not collide
	return crc32.Update(uint32(segment)*spread^uint32(offset), castagnoli, b)
}

// appendSegmentHeader appends the header of a segment.
func appendSegmentHeader(b []byte, version uint32) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseSegmentHeader parses segmentHeaderBytes bytes. It returns false if they are damaged.
func parseSegmentHeader(b []byte) (version uint32, ok bool) {
	const summed = segmentHeaderBytes - 4
	if string(b[:len(magic)]) != magic || binary.LittleEndian.Uint32(b[summed:]) != crc32.Checksum(b[:summed], castagnoli) {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b[len(magic):]), true
}
