package logmetrics

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"unicode/utf8"
)

// The format of a state is
//
//	version byte
//	included, bytes, number of levels, entries of each level
//	for each metric that has series: signature (8 bytes), number of series, their size in bytes, and for each series
//		size of the key, the key
//		count: n; sum and gauge: the float64; histogram: each bucket, the sum as float64
//	checksum of everything before it (4 bytes)
//
// Numbers are varints unless a size is given; those with a size are little-endian.

// version is the first byte of a state. States of other versions are not read.
const version = 1

const checksumBytes = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // not changed

// append appends the state to b.
func (c *counts) append(b []byte) []byte {
	start := len(b)
	b = append(b, version)
	b = binary.AppendUvarint(b, c.included)
	b = binary.AppendUvarint(b, c.bytes)
	b = binary.AppendUvarint(b, uint64(levels))
	for _, n := range c.lines {
		b = binary.AppendUvarint(b, n)
	}
	for _, t := range c.tables {
		if len(t.series) == 0 {
			continue
		}
		size := 0
		for _, s := range t.series {
			if s.stale {
				t.encode(s)
			}
			size += len(s.encoded)
		}
		b = binary.LittleEndian.AppendUint64(b, t.signature)
		b = binary.AppendUvarint(b, uint64(len(t.series)))
		b = binary.AppendUvarint(b, uint64(size))
		for _, s := range t.series {
			b = append(b, s.encoded...)
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// encode updates the encoded form of a series.
func (t *table) encode(s *series) {
	b := append(binary.AppendUvarint(s.encoded[:0], uint64(len(s.key))), s.key...)
	for _, n := range s.buckets {
		b = binary.AppendUvarint(b, n)
	}
	if t.kind == count {
		b = binary.AppendUvarint(b, s.n)
	} else {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.f))
	}
	s.encoded, s.stale = b, false
}

// decode reads a state. It skips the series of metrics that are not in metrics. It returns false if the
// state is damaged or has another version.
func decode(b []byte, metrics []*metric) (*counts, bool) {
	if len(b) <= checksumBytes || b[0] != version {
		return nil, false
	}
	sum := binary.LittleEndian.Uint32(b[len(b)-checksumBytes:])
	b = b[:len(b)-checksumBytes]
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, false
	}
	c := newCounts(metrics)
	d := decoder{rest: b[1:]}
	c.included, c.bytes = d.number(), d.number()
	for i := range d.number() {
		n := d.number()
		if d.bad {
			return nil, false
		}
		if i < uint64(levels) {
			c.lines[i] = n
		}
	}
	for len(d.rest) > 0 && !d.bad {
		signature, n := d.fixed(), d.number()
		of := decoder{rest: d.take(d.number())}
		for _, t := range c.tables {
			if t.signature != signature {
				continue
			}
			for range n {
				if of.series(t); of.bad {
					return nil, false
				}
			}
			d.bad = d.bad || len(of.rest) > 0
		}
	}
	return c, !d.bad
}

// decoder reads from rest. bad is set by the first read that fails; all later reads return zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number() uint64 {
	n, w := binary.Uvarint(d.rest)
	if w <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[w:]
	return n
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) fixed() uint64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// series reads a series into a table.
func (d *decoder) series(t *table) {
	key := string(d.take(d.number()))
	labels, ok := values(key, len(t.labels))
	ok = ok && t.byKey[key] == nil && !slices.ContainsFunc(labels, func(v string) bool { return !utf8.ValidString(v) })
	if !ok {
		d.bad = true
		return
	}
	s := t.add(key)
	for i := range s.buckets {
		s.buckets[i] = d.number()
	}
	if t.kind == count {
		s.n = d.number()
	} else {
		s.f = math.Float64frombits(d.fixed())
	}
}
