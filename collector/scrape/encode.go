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

// blocks are what one scrape gives, for each sink.
type blocks struct {
	sinks []blockWriter
	point []byte // scratch memory: a sample or histogram and its exemplars, encoded
	time  []byte // the time field of samples that have the scrape's
}

func (b *blocks) reset() {
	for i := range b.sinks {
		b.sinks[i].reset()
	}
}

// setTime sets the time of the samples that addOrdinary appends, Unix milliseconds.
func (b *blocks) setTime(t int64) { b.time = appendTime(b.time[:0], t) }

// addOrdinary appends a sample of the scrape's time to all sinks that do not drop the
// series. encoded is its labels for each.
func (b *blocks) addOrdinary(encoded [][]byte, v float64) {
	value := math.Float64bits(v)
	for i, labels := range encoded {
		if len(labels) > 0 {
			b.sinks[i].addOrdinary(labels, value, b.time)
		}
	}
}

// addPoint likewise appends what is in point.
func (b *blocks) addPoint(encoded [][]byte, hasStart bool) {
	for i, labels := range encoded {
		if len(labels) > 0 {
			b.sinks[i].add(labels, b.point, hasStart)
		}
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
	w.open.startTimes = w.open.startTimes || hasStart
	w.count()
}

// addOrdinary is add for a sample without anything, in one go. time is its time field.
func (w *blockWriter) addOrdinary(labels []byte, value uint64, time []byte) {
	size := len(time)
	if value != 0 {
		size += 1 + 8
	}
	b := append(w.buf, 1<<3|2)
	b = binary.AppendUvarint(b, uint64(len(labels)+2+size))
	b = append(b, labels...)
	b = append(b, 2<<3|2, byte(size))
	if value != 0 { // proto3 leaves out zero, but not its negative
		b = append(b, 1<<3|1)
		b = binary.LittleEndian.AppendUint64(b, value)
	}
	w.buf = append(b, time...)
	w.count()
}

func (w *blockWriter) count() {
	if w.open.samples++; w.open.samples == blockSamples {
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
