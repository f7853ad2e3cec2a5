package scrape

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"lighter/collector/scrape/memo"
	"lighter/collector/scrape/plain"
)

// OpenMetrics gives the start time of a metric in a separate series, <family>_created, which may be
// anywhere among the metric's other series. A page that has any is therefore read twice: first for these
// times, then as usual. (textparse's own StartTimestamp reads ahead for each series, which takes quadratic
// time on an unlucky page.) In protobuf the time is part of the metric.

const (
	createdSuffix = "_created"
	maxSeconds    = math.MaxInt64 / 1000 // limit of milliseconds
)

// startTimes holds the start times on a page.
type startTimes struct {
	on    bool                     // a page has had one
	lines map[uint64]memo.StartKey // metrics of lines that may give a time, by a hash of their text; 0 is none
	times map[memo.StartKey]int64  // Unix milliseconds
	text  []byte                   // scratch memory
}

// readStarts reads the start times on a page. It reports whether this page or an earlier one had any: then
// the series are read for the metrics to which they belong.
func (p *pages) readStarts(body []byte) bool {
	s := &p.starts
	clear(s.times)
	if !p.cfg.StartTimes || !bytes.Contains(body, []byte(createdSuffix)) {
		return s.on
	}
	if !s.on {
		s.on, s.lines, s.times = true, map[uint64]memo.StartKey{}, map[memo.StartKey]int64{}
	}
	var typeLine []byte
	told := 0
	for at, end := 0, 0; at < len(body); at = end {
		end = len(body)
		if i := bytes.IndexByte(body[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		line := body[at:end:end]
		comment, isComment := bytes.CutPrefix(bytes.TrimLeft(line, " \t"), []byte("#"))
		switch {
		case isComment:
			if bytes.HasPrefix(bytes.TrimLeft(comment, " \t"), []byte("TYPE")) {
				typeLine = line
			}
		case bytes.Contains(line, []byte(createdSuffix)):
			told++
			if key, v := p.readStart(typeLine, line); key != 0 && v > 0 && v < maxSeconds {
				s.times[key] = int64(v * 1000)
			}
		}
	}
	if len(s.lines) > 2*told+100 {
		clear(s.lines) // most of them are gone
	}
	return true
}

// readStart reads a line that may give a start time and follows a TYPE line. The parser reads a line once;
// afterwards the line is recognised by its text.
func (p *pages) readStart(typeLine, line []byte) (key memo.StartKey, v float64) {
	s := &p.starts
	_, text := textAt(line)
	rest := line[len(text):]
	if text != nil && rest[0] == ' ' {
		if v, size, ok := plain.Float(rest[1:]); ok && rest[1+size] == '\n' {
			hash := memo.HashOf(text) ^ memo.HashOf(typeLine)
			key, known := s.lines[hash]
			if !known {
				key, _ = p.parseStart(typeLine, line)
				s.lines[hash] = key
			}
			return key, v
		}
	}
	return p.parseStart(typeLine, line)
}

// parseStart passes the line to a parser.
func (p *pages) parseStart(typeLine, line []byte) (key memo.StartKey, v float64) {
	parser := p.newParser(append(bytes.Clone(typeLine), line...))
	var kind memo.Flags
	var family string
	for {
		entry, err := parser.Next()
		if err != nil {
			return 0, 0 // the second reading will return the error
		}
		if entry == textparse.EntryType {
			name, t := parser.Type()
			family, kind = string(name), kindOf(t)
		}
		if entry == textparse.EntrySeries {
			break
		}
	}
	raw, _, v := parser.Series()
	if len(raw) > maxSeriesText {
		return 0, 0
	}
	var l labels.Labels
	parser.Labels(&l)
	key, tells := p.starts.keyOf(kind, l)
	if !tells || l.Get(model.MetricNameLabel) != family+createdSuffix {
		return 0, 0
	}
	return key, v
}

// suffixes are the suffixes of the series of metrics that have a start time.
var suffixes = map[memo.Flags][]string{
	memo.Counter:   {createdSuffix, "_total"},
	memo.Histogram: {createdSuffix, "_bucket", "_count", "_sum"},
	memo.Summary:   {createdSuffix, "_count", "_sum"},
}

// keyOf returns the key of the metric to which a series of a type belongs. A metric may have several
// series: the key consists of the family and the labels other than le and quantile. It is 0 if no page has
// had a start time. tells reports whether the series is the one with the metric's start time.
func (s *startTimes) keyOf(kind memo.Flags, l labels.Labels) (key memo.StartKey, tells bool) {
	if !s.on || kind == memo.Other {
		return 0, false
	}
	family := l.Get(model.MetricNameLabel)
	for _, suffix := range suffixes[kind] {
		if name, ok := strings.CutSuffix(family, suffix); ok {
			family, tells = name, suffix == createdSuffix
			break
		}
	}
	part := model.BucketLabel
	if kind == memo.Summary {
		part = model.QuantileLabel
	}
	var hash uint64
	hash, s.text = l.HashWithoutLabels(s.text, part)
	s.text = append(binary.LittleEndian.AppendUint64(s.text[:0], hash), family...)
	return memo.StartKey(memo.HashOf(s.text)), tells
}

// startOf returns the start time of the parser's sample in Unix milliseconds, or 0 if it is unknown or
// impossible. own is nil for a series without an exception.
func (r *reader) startOf(own *memo.Exception, sampleTime int64) int64 {
	var start int64
	switch {
	case !r.cfg.StartTimes:
	case r.format == protobufFormat:
		start = r.parser.StartTimestamp()
	case own != nil && own.Start != 0 && !own.TellsStart:
		start = r.starts.times[own.Start]
	}
	if start < 0 || start > sampleTime {
		return 0
	}
	return start
}
