package scrape

import (
	"encoding/binary"
	"math"

	"lighter"
	"lighter/collector/scrape/memo"
)

// blockSamples is the number of samples at which a block is cut. It is the default maximum of one
// remote-write request, so that a block fits in one, and keeps a block of long label sets below a megabyte.
const blockSamples = 2000

// blocks are the samples of one scrape, encoded for each sink.
type blocks struct {
	sinks []blockWriter
	point []byte // scratch memory: a sample or histogram and its exemplars, encoded
	time  []byte // the encoded time field of samples that carry the scrape's time
}

func (b *blocks) reset() {
	for i := range b.sinks {
		b.sinks[i].reset()
	}
}

// release drops the references to the sinks.
func (b *blocks) release() {
	for i := range b.sinks {
		b.sinks[i].packer = nil
	}
}

// setTime sets the time, in Unix milliseconds, of the samples that addOrdinary appends.
func (b *blocks) setTime(t int64) { b.time = appendTime(b.time[:0], t) }

// addOrdinary appends a sample with the scrape's time to every sink that keeps the series. encoded holds
// the series' labels for each sink.
func (b *blocks) addOrdinary(encoded [][]byte, v float64) {
	value := math.Float64bits(v)
	for i, labels := range encoded {
		if len(labels) > 0 {
			b.sinks[i].addOrdinary(labels, value, b.time)
		}
	}
}

// addPoint appends what is in point to every sink that keeps the series. kind is the point's kind, and the
// first bare bytes of point are the point without its exemplars.
func (b *blocks) addPoint(encoded [][]byte, kind memo.Kind, bare int, hasStart bool) {
	for i, labels := range encoded {
		w := &b.sinks[i]
		switch {
		case len(labels) == 0 || kind != memo.Float && w.noHistograms:
		case w.noExemplars:
			w.add(labels, b.point[:bare], hasStart)
		default:
			w.add(labels, b.point, hasStart)
		}
	}
}

// blockWriter encodes the samples of one scrape for one sink. Its memory is reused by the next scrape.
type blockWriter struct {
	packer                    Packer          // the sink's; if nil, blocks stay as they are encoded
	noExemplars, noHistograms bool            // the sink does not take them
	packed                    []byte          // scratch memory for the packer, which asks for more than it fills
	buf                       []byte          // the body of the open block
	open                      lighter.Block   // the open block, without Body and Time
	blocks                    []lighter.Block // complete blocks, each in memory of its own, without Time
	spare                     [][]byte        // memory of delivered blocks
}

// add appends a prompb TimeSeries as a field of a WriteRequest. labels are the series'
// Label fields, point the fields that follow them: one Sample or Histogram, and Exemplars.
func (w *blockWriter) add(labels, point []byte, hasStart bool) {
	b := append(w.buf, 1<<3|2) // field timeseries of WriteRequest
	b = binary.AppendUvarint(b, uint64(len(labels)+len(point)))
	b = append(b, labels...)
	w.buf = append(b, point...)
	w.open.StartTimes = w.open.StartTimes || hasStart
	w.count()
}

// addOrdinary is a faster add for a sample without exemplars or a start time. time is its encoded time
// field.
func (w *blockWriter) addOrdinary(labels []byte, value uint64, time []byte) {
	size := len(time)
	if value != 0 {
		size += 1 + 8
	}
	b := append(w.buf, 1<<3|2)
	b = binary.AppendUvarint(b, uint64(len(labels)+2+size))
	b = append(b, labels...)
	b = append(b, 2<<3|2, byte(size))
	if value != 0 { // proto3 omits zero, but not negative zero
		b = append(b, 1<<3|1)
		b = binary.LittleEndian.AppendUint64(b, value)
	}
	w.buf = append(b, time...)
	w.count()
}

func (w *blockWriter) count() {
	if w.open.Samples++; w.open.Samples == blockSamples {
		w.cut()
	}
}

// cut completes the open block.
func (w *blockWriter) cut() {
	w.open.Body = w.buf
	if w.packer != nil {
		w.packed = w.packer.AppendPacked(w.packed[:0], w.open)
		w.open.Body = append(w.takeSpare(), w.packed...)
		w.buf = w.buf[:0]
	} else if w.buf = w.takeSpare(); w.buf == nil {
		size := len(w.open.Body)
		w.buf = make([]byte, 0, size+size/16) // the next block is about as large
	}
	w.blocks = append(w.blocks, w.open)
	w.open = lighter.Block{}
}

func (w *blockWriter) takeSpare() []byte {
	n := len(w.spare)
	if n == 0 {
		return nil
	}
	b := w.spare[n-1]
	w.spare = w.spare[:n-1]
	return b
}

// finish returns the blocks. They are valid until reset, which the caller must call next.
func (w *blockWriter) finish(at int64) []lighter.Block {
	if w.open.Samples > 0 {
		w.cut()
	}
	for i := range w.blocks {
		w.blocks[i].Time = at
	}
	return w.blocks
}

func (w *blockWriter) reset() {
	for i := range w.blocks {
		w.spare = append(w.spare, w.blocks[i].Body[:0])
		w.blocks[i].Body = nil
	}
	w.blocks, w.open, w.buf = w.blocks[:0], lighter.Block{}, w.buf[:0]
}
