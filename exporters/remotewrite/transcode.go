package remotewrite

import (
	"encoding/binary"
	"fmt"
	"slices"

	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"lighter"
)

// transcoder converts blocks, which are in the form of 1.0, to the body of a remote write 2.0 request.
// Strings become references to the request's symbols, samples and histograms stay byte for byte the same,
// and each series gets its family's metadata. It reuses its memory, so that a series costs no allocation.
type transcoder struct {
	lookup   func(name []byte) (lighter.Metadata, bool)
	symbols  symbols
	series   []byte         // fields timeseries of a Request
	metadata []metadataRefs // by reference of the metric's name

	// Scratch memory.
	message, exemplar, refs, text []byte
}

// metadataRefs is a family's metadata; the zero value has not been looked up yet.
type metadataRefs struct {
	found      bool
	none       bool
	kind       writev2.Metadata_MetricType
	help, unit uint32
}

func (t *transcoder) reset() {
	t.symbols.reset()
	t.series = t.series[:0]
	clear(t.metadata)
}

// add adds a block.
func (t *transcoder) add(body []byte) error {
	for rest := body; len(rest) > 0; {
		var f field
		var err error
		if f, rest, err = nextField(rest); err == nil && f.tag == tagTimeSeries {
			err = t.addSeries(f.content)
		}
		if err != nil {
			return fmt.Errorf("read a block at %d of %d: %w", len(body)-len(rest), len(body), err)
		}
	}
	return nil
}

// appendRequest appends the Request with what was added since reset.
func (t *transcoder) appendRequest(dst []byte) []byte {
	dst = append(dst, t.symbols.encoded...)
	return append(dst, t.series...)
}

func (t *transcoder) addSeries(series []byte) error {
	refs, rest, name, err := t.labelRefs(t.refs[:0], series)
	if err != nil {
		return err
	}
	t.refs = refs
	m := appendField(t.message[:0], tagV2LabelsRefs, refs)
	for len(rest) > 0 {
		var f field
		if f, rest, err = nextField(rest); err != nil {
			return err
		}
		switch f.tag {
		case tagSamples:
			m = append(m, f.whole...)
		case tagHistograms:
			m = appendField(m, tagV2Histograms, f.content)
		case tagExemplars:
			if m, err = t.appendExemplar(m, f.content); err != nil {
				return err
			}
		}
	}
	m = t.appendMetadata(m, name)
	t.message = m
	t.series = appendField(t.series, tagV2TimeSeries, m)
	return nil
}

// labelRefs appends the references of the labels at the beginning of a message. It returns the rest of the
// message, and the reference of the metric's name, or 0 if there is none.
func (t *transcoder) labelRefs(dst, message []byte) (refs, rest []byte, name uint32, err error) {
	for len(message) > 0 {
		f, after, err := nextField(message)
		if err != nil {
			return dst, message, 0, err
		}
		if f.tag != tagLabels {
			break
		}
		message = after
		var label [2][]byte
		for part := f.content; len(part) > 0; {
			if f, part, err = nextField(part); err != nil {
				return dst, message, 0, err
			}
			switch f.tag {
			case tagName:
				label[0] = f.content
			case tagValue:
				label[1] = f.content
			}
		}
		value := t.symbols.ref(label[1])
		if string(label[0]) == "__name__" {
			name = value
		}
		dst = binary.AppendUvarint(dst, uint64(t.symbols.ref(label[0])))
		dst = binary.AppendUvarint(dst, uint64(value))
	}
	return dst, message, name, nil
}

// appendExemplar appends an exemplar. Its value and time follow its labels, as in 1.0.
func (t *transcoder) appendExemplar(dst, exemplar []byte) ([]byte, error) {
	refs, rest, _, err := t.labelRefs(t.refs[:0], exemplar)
	if err != nil {
		return dst, err
	}
	t.refs = refs
	t.exemplar = t.exemplar[:0]
	if len(refs) > 0 {
		t.exemplar = appendField(t.exemplar, tagV2LabelsRefs, refs)
	}
	t.exemplar = append(t.exemplar, rest...)
	return appendField(dst, tagV2Exemplars, t.exemplar), nil
}

// appendMetadata appends the metadata of the family of the metric whose name has the given reference.
func (t *transcoder) appendMetadata(dst []byte, name uint32) []byte {
	if n := int(name) + 1; len(t.metadata) < n {
		t.metadata = append(t.metadata, make([]metadataRefs, max(n, 2*len(t.metadata))-len(t.metadata))...)
	}
	known := &t.metadata[name]
	if !known.found && !known.none {
		at := t.symbols.spans[name]
		m, ok := t.lookup(t.symbols.encoded[at.from:at.to])
		*known = metadataRefs{found: ok, none: !ok}
		if ok {
			known.kind, known.help, known.unit = writev2.FromMetadataType(m.Type), t.refOf(m.Help), t.refOf(m.Unit)
		}
	}
	if known.none {
		return dst
	}
	var b [3 * (1 + binary.MaxVarintLen32)]byte
	m := b[:0]
	for _, one := range []struct {
		tag   byte
		value uint64
	}{{tagV2Type, uint64(known.kind)}, {tagV2HelpRef, uint64(known.help)}, {tagV2UnitRef, uint64(known.unit)}} {
		if one.value != 0 {
			m = append(m, one.tag)
			m = binary.AppendUvarint(m, one.value)
		}
	}
	return appendField(dst, tagV2Metadata, m)
}

func (t *transcoder) refOf(s string) uint32 {
	t.text = append(t.text[:0], s...)
	return t.symbols.ref(t.text)
}

// withoutStarts appends a block in the form of 1.0, without start timestamps.
func withoutStarts(dst, body []byte) ([]byte, error) {
	var series, point []byte
	for rest := body; len(rest) > 0; {
		var f field
		var err error
		if f, rest, err = nextField(rest); err != nil {
			return dst, err
		}
		series = series[:0]
		for left := f.content; len(left) > 0; {
			if f, left, err = nextField(left); err != nil {
				return dst, err
			}
			start := uint64(0)
			switch f.tag {
			case tagSamples:
				start = tagSampleStart
			case tagHistograms:
				start = tagHistogramStart
			}
			if start == 0 {
				series = append(series, f.whole...)
				continue
			}
			if point, err = without(start, point[:0], f.content); err != nil {
				return dst, err
			}
			series = appendField(series, byte(f.tag), point)
		}
		dst = appendField(dst, tagTimeSeries, series)
	}
	return dst, nil
}

// without appends a message without the fields that have the given tag.
func without(tag uint64, dst, message []byte) ([]byte, error) {
	dst = slices.Grow(dst, len(message))
	for len(message) > 0 {
		f, rest, err := nextField(message)
		if err != nil {
			return dst, err
		}
		if f.tag != tag {
			dst = append(dst, f.whole...)
		}
		message = rest
	}
	return dst, nil
}
