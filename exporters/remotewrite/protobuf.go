package remotewrite

import (
	"encoding/binary"
	"errors"
)

// Tags of the messages in a block, of remote write 1.0, and of the corresponding messages of 2.0. They all
// fit in one byte.
const (
	bytesType  = 2 // the wire type of strings and messages
	varintType = 0

	tagTimeSeries = 1<<3 | bytesType // of WriteRequest

	tagLabels     = 1<<3 | bytesType // of TimeSeries, and of Exemplar
	tagSamples    = 2<<3 | bytesType
	tagExemplars  = 3<<3 | bytesType
	tagHistograms = 4<<3 | bytesType

	tagName  = 1<<3 | bytesType // of Label
	tagValue = 2<<3 | bytesType

	// What 2.0 adds to two messages that otherwise are the same as in 1.0.
	tagSampleStart    = 3<<3 | varintType
	tagHistogramStart = 17<<3 | varintType

	tagV2Symbols    = 4<<3 | bytesType // of Request
	tagV2TimeSeries = 5<<3 | bytesType

	tagV2LabelsRefs = 1<<3 | bytesType // of TimeSeries, and of Exemplar
	tagV2Samples    = 2<<3 | bytesType
	tagV2Histograms = 3<<3 | bytesType
	tagV2Exemplars  = 4<<3 | bytesType
	tagV2Metadata   = 5<<3 | bytesType

	tagV2Type    = 1<<3 | varintType // of Metadata
	tagV2HelpRef = 3<<3 | varintType
	tagV2UnitRef = 4<<3 | varintType
)

var errNoFields = errors.New("it is not made of protobuf fields")

// field is a field of a message. Its slices use the message's memory.
type field struct {
	tag     uint64
	whole   []byte // including tag and length
	content []byte // of a string or message; empty for other wire types
}

// nextField splits the first field off a message, which must not be empty.
func nextField(b []byte) (f field, rest []byte, err error) {
	tag, k := binary.Uvarint(b)
	if k <= 0 {
		return f, b, errNoFields
	}
	from, end := k, k
	switch tag & 7 {
	case varintType:
		_, n := binary.Uvarint(b[k:])
		if n <= 0 {
			return f, b, errNoFields
		}
		end += n
	case 1:
		end += 8
	case 5:
		end += 4
	case bytesType:
		size, n := binary.Uvarint(b[k:])
		if n <= 0 || size > uint64(len(b)-k-n) {
			return f, b, errNoFields
		}
		from += n
		end = from + int(size)
	default:
		return f, b, errNoFields
	}
	if end > len(b) {
		return f, b, errNoFields
	}
	f = field{tag: tag, whole: b[:end]}
	if tag&7 == bytesType {
		f.content = b[from:end]
	}
	return f, b[end:], nil
}

// appendField appends a string or message field.
func appendField(dst []byte, tag byte, content []byte) []byte {
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(content)))
	return append(dst, content...)
}
