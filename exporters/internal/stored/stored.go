// Package stored defines the form of requests, or their parts, on disk: a header with what the backend's
// protocol lacks, and the body.
//
//	1 version | items, uvarint | length of the tenant, uvarint | tenant | body
package stored

import (
	"encoding/binary"
	"errors"
)

// version is the first byte. Records without a version begin differently: with a byte of flags (0 or 1), or
// with the length of a request (more than 2).
const version = 2

// ReasonFormat is the reason for dropping a record in another form.
const ReasonFormat = "buffer_format"

// ErrFormat reports that another version of lighter wrote a record in another form.
var ErrFormat = errors.New("another version of lighter wrote it in a form that this one does not know")

// Header precedes a body.
type Header struct {
	Items  int    // in the body
	Tenant string // the tenant to send it for; empty means none
}

// Append appends a header and a body to dst.
func Append(dst []byte, h Header, body []byte) []byte {
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(h.Items))
	dst = binary.AppendUvarint(dst, uint64(len(h.Tenant)))
	dst = append(dst, h.Tenant...)
	return append(dst, body...)
}

// Parse parses a record with the given number of items. The body uses the record's memory. The only error
// is ErrFormat.
func Parse(record []byte, items int) (h Header, body []byte, err error) {
	if len(record) == 0 || record[0] != version {
		return h, nil, ErrFormat
	}
	rest := record[1:]
	n, k := binary.Uvarint(rest)
	if k <= 0 || n != uint64(items) {
		return h, nil, ErrFormat
	}
	rest = rest[k:]
	length, k := binary.Uvarint(rest)
	if k <= 0 || length > uint64(len(rest)-k) {
		return h, nil, ErrFormat
	}
	rest = rest[k:]
	return Header{Items: items, Tenant: string(rest[:length])}, rest[length:], nil
}
