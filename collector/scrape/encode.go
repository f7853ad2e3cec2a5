package scrape

import (
	"encoding/binary"
	"math"

	"lighter"
)

// blockSamples is where a block is cut: what one remote-write request carries at most by
// default, so that a block fits in one, and few enough that a block of long label sets
// stays below a megabyte.
const blockSamples = 2000

// blockWriter gathers the samples of one scrape for one sink, encoded. Its memory is used
// again by the next scrape.
type blockWriter struct {
	buf     []byte
	cuts    []cut           // the blocks that are complete
	samples int             // in the block that is not
	out     []lighter.Block // what finish returned
}

type cut struct {
	end     int // in buf
	samples int
}

// add appends a prompb TimeSeries of one sample as a field of a WriteRequest. encoded are
// the series' Label fields. This is the one place that knows the sample's wire format;
// exemplars and native histograms of a series would follow its sample here.
func (w *blockWriter) add(encoded []byte, v float64, t int64) {
	var sample [2 + 9 + 11]byte
	s := sample[:2]
	if bits := math.Float64bits(v); bits != 0 { // proto3 leaves out zero, but not its negative
		s = append(s, 1<<3|1)
		s = binary.LittleEndian.AppendUint64(s, bits)
	}
	if t != 0 {
		s = append(s, 2<<3|0)
		s = binary.AppendUvarint(s, uint64(t))
	}
	s[0], s[1] = 2<<3|2, byte(len(s)-2) // field samples of TimeSeries

	b := append(w.buf, 1<<3|2) // field timeseries of WriteRequest
	b = binary.AppendUvarint(b, uint64(len(encoded)+len(s)))
	b = append(b, encoded...)
	w.buf = append(b, s...)
	if w.samples++; w.samples == blockSamples {
		w.cut()
	}
}

func (w *blockWriter) cut() {
	w.cuts = append(w.cuts, cut{len(w.buf), w.samples})
	w.samples = 0
}

// finish returns the blocks. They are valid until reset.
func (w *blockWriter) finish(at int64) []lighter.Block {
	if w.samples > 0 {
		w.cut()
	}
	w.out = w.out[:0]
	start := 0
	for _, c := range w.cuts {
		w.out = append(w.out, lighter.Block{Body: w.buf[start:c.end:c.end], Samples: c.samples, Time: at})
		start = c.end
	}
	return w.out
}

func (w *blockWriter) reset() {
	w.buf, w.cuts, w.out, w.samples = w.buf[:0], w.cuts[:0], w.out[:0], 0
}

// blocks are the writers of one scrape, one a sink.
type blocks struct {
	sinks []blockWriter
}

func (b *blocks) reset() {
	for i := range b.sinks {
		b.sinks[i].reset()
	}
}

// add appends a sample to all sinks that do not drop the series. encoded is what
// encodeLabels returned.
func (b *blocks) add(encoded []byte, v float64, t int64) {
	for i := range b.sinks {
		n, k := binary.Uvarint(encoded)
		end := k + int(n)
		if n > 0 {
			b.sinks[i].add(encoded[k:end], v, t)
		}
		encoded = encoded[end:]
	}
}
