package scrape

import (
	"encoding/binary"

	"lighter"
)

// blockSamples is where a block is cut: what one remote-write request carries at most by
// default, so that a block fits in one, and few enough that a block of long label sets
// stays below a megabyte.
const blockSamples = 2000

// blocks are what one scrape gives, for each sink.
type blocks struct {
	sinks []blockWriter
	point []byte // scratch memory: a sample or histogram and its exemplars, encoded
}

func (b *blocks) reset() {
	for i := range b.sinks {
		b.sinks[i].reset()
	}
}

// add appends a sample to all sinks that do not drop the series. encoded is what
// encodeLabels returned.
func (b *blocks) add(encoded []byte, v float64, t int64) {
	b.point = appendSample(b.point[:0], v, t, 0)
	b.addPoint(encoded, false)
}

// addPoint likewise appends what is in point.
func (b *blocks) addPoint(encoded []byte, hasStart bool) {
	for i := range b.sinks {
		n, k := binary.Uvarint(encoded)
		end := k + int(n)
		if n > 0 {
			b.sinks[i].add(encoded[k:end], b.point, hasStart)
		}
		encoded = encoded[end:]
	}
}

// blockWriter gathers the samples of one scrape for one sink, encoded. Its memory is used
// again by the next scrape.
type blockWriter struct {
	buf  []byte
	cuts []cut           // the blocks that are complete
	open cut             // the block that is not; its end is not set
	out  []lighter.Block // what finish returned
}

type cut struct {
	end        int // in buf
	samples    int
	startTimes bool
}

// add appends a prompb TimeSeries as a field of a WriteRequest. labels are the series'
// Label fields, point the fields that follow them: one Sample or Histogram, and Exemplars.
func (w *blockWriter) add(labels, point []byte, hasStart bool) {
	b := append(w.buf, 1<<3|2) // field timeseries of WriteRequest
	b = binary.AppendUvarint(b, uint64(len(labels)+len(point)))
	b = append(b, labels...)
	w.buf = append(b, point...)
	w.open.samples++
	w.open.startTimes = w.open.startTimes || hasStart
	if w.open.samples == blockSamples {
		w.cut()
	}
}

func (w *blockWriter) cut() {
	w.open.end = len(w.buf)
	w.cuts = append(w.cuts, w.open)
	w.open = cut{}
}

// finish returns the blocks. They are valid until reset.
func (w *blockWriter) finish(at int64) []lighter.Block {
	if w.open.samples > 0 {
		w.cut()
	}
	w.out = w.out[:0]
	start := 0
	for _, c := range w.cuts {
		w.out = append(w.out, lighter.Block{Body: w.buf[start:c.end:c.end], Samples: c.samples, StartTimes: c.startTimes, Time: at})
		start = c.end
	}
	return w.out
}

func (w *blockWriter) reset() {
	w.buf, w.cuts, w.out, w.open = w.buf[:0], w.cuts[:0], w.out[:0], cut{}
}
