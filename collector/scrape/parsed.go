package scrape

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// parsed shows the next series to the parser, with what stands before it. end says that
// there is none. When certain is false only the parser knows what follows.
func (r *reading) parsed() (end, certain bool, err error) {
	if r.parser == nil || r.parserAt != r.pos {
		r.parser, r.seesTypes = r.newParser(r.body[r.pos:]), false
	}
	gap := lineFlags(0)
	for {
		entry, err := r.parser.Next()
		if errors.Is(err, io.EOF) {
			r.tail = r.body[r.pos:]
			r.gapsChanged = r.gapsChanged || string(r.tail) != string(r.cache.tail)
			return true, true, nil
		}
		if err != nil {
			return false, false, r.notMetrics(err)
		}
		if entry == textparse.EntrySeries {
			break
		}
		if entry == textparse.EntryType {
			r.setType(metaOf(r.parser, entry))
			r.seesTypes = true
			gap |= setsType
		}
	}
	raw, ownTime, v := r.parser.Series()
	one := point{value: v}
	if ownTime != nil && r.cache.cfg.HonorTimestamps {
		one.time, one.timed = *ownTime, true
	}
	from := cap(r.body) - cap(raw) // raw is a part of body: both end where their memory ends
	to := from + len(raw)
	text := r.body[r.pos:to]
	if from > r.pos {
		gap |= hasGap
		r.gaps = append(r.gaps, r.pos)
	}
	r.scraped++
	r.readExemplars(false)
	if r.peek() && string(text) == string(r.old.text) && r.fits(r.old.flags) {
		err = r.takeKnown(&one)
	} else {
		err = r.learn(text, raw, gap|r.kind, &one)
	}
	r.pos = len(r.body)
	if i := bytes.IndexByte(r.body[to:], '\n'); i >= 0 {
		r.pos = to + i + 1
	}
	r.parserAt = r.pos
	return false, r.format == textFormat || endsWell(r.body[to:]), err
}

// endsWell says whether what follows a series, which the parser has taken, leaves no doubt
// that it has read the line to its end. The parser of OpenMetrics takes a line with a space
// too many, and stumbles over the rest at the next one.
func endsWell(b []byte) bool {
	if len(b) == 0 || b[0] != ' ' {
		return false
	}
	i := bytes.IndexAny(b[1:], " \n") + 1
	return i > 1 && (b[i] == '\n' || i+1 < len(b) && b[i+1] != ' ' && b[i+1] != '\n')
}

func (r *reading) setType(m meta) {
	r.family.set(m)
	r.familyAt, r.kind = -1, kindFlags(m.kind)
}

func kindFlags(t model.MetricType) lineFlags {
	switch t {
	case model.MetricTypeHistogram:
		return inHistogram
	case model.MetricTypeSummary:
		return inSummary
	}
	return 0
}

// currentFamily returns the TYPE line that the next series belongs to.
func (r *reading) currentFamily() *currentFamily {
	if r.familyAt >= 0 {
		r.metas(r.familyAt, func(m meta) {
			if m.entry == textparse.EntryType {
				r.family.set(m)
			}
		})
		r.familyAt = -1
	}
	return &r.family
}

// takeKnown takes the parser's sample for the remembered line that old is at.
func (r *reading) takeKnown(one *point) error {
	if r.old.flags&kept != 0 {
		if err := r.takeParsed(r.specialOf(), true, r.old.text, r.old.encoded, one); err != nil {
			return err
		}
	}
	r.keepKnown()
	return nil
}

// learn takes the parser's sample for a line that is not remembered, and remembers it.
func (r *reading) learn(text, raw []byte, flags lineFlags, one *point) error {
	if len(raw) > maxSeriesText {
		return failf(resultBadContent, "its page has a series of %d bytes, at most %d are read", len(raw), maxSeriesText)
	}
	var onPage labels.Labels
	r.parser.Labels(&onPage)
	onPage = r.normalized(onPage)
	l, keep, err := r.cache.relabel(onPage)
	if err != nil {
		return &failure{resultBadContent, err}
	}
	return r.remember(text, raw, flags, onPage, l, keep, one)
}

// remember takes the sample of a line that is not remembered, and remembers it. l are the
// series' labels after metric relabelling, which has dropped it unless keep.
func (r *reading) remember(text, raw []byte, flags lineFlags, onPage, l labels.Labels, keep bool, one *point) error {
	c := r.cache
	r.diverge()
	r.gapsChanged = r.gapsChanged || flags&hasGap != 0
	r.fresh.flags = flags
	r.fresh.text = append(r.fresh.text[:0], text...)
	if len(text) > maxSeriesText { // what stands before it is not worth the memory
		r.fresh.text = append(r.fresh.text[:0], raw...)
		r.fresh.flags &^= hasGap | setsType
	}
	if keep {
		r.fresh.flags |= kept
		appendSeries(r.fresh.encoded, c.sinks, l)
		c.report.claim(r.fresh.encoded)
		if isHashed(r.fresh.encoded) {
			r.fresh.flags |= hashed
			r.fresh.hash = l.Hash()
		}
		s, isNew := r.resolve()
		if isNew {
			r.added++
		}
		if c.cfg.StartTimes && r.format != protobufFormat && r.keyed {
			s.start, s.tellsStart = c.startKeyOf(r.currentFamily(), onPage)
		}
		own := &s
		if s.series == nil && s.start == 0 {
			own = nil
		}
		if err := r.takeParsed(own, !isNew, raw, r.fresh.encoded, one); err != nil {
			return err
		}
	}
	r.packed.add(&r.last, &r.fresh)
	r.n++
	r.exemplars = r.exemplars[:0]
	return nil
}

// normalized does what the parser does with labels of histograms and summaries, for one that
// began behind their TYPE line.
func (r *reading) normalized(l labels.Labels) labels.Labels {
	name := boundOf(r.kind)
	if r.seesTypes || r.kind == 0 || !l.Has(name) {
		return l
	}
	v, err := strconv.ParseFloat(l.Get(name), 64)
	if _, twice := l.HasDuplicateLabelNames(); twice || err != nil {
		return l
	}
	b := labels.NewBuilder(l)
	b.Set(name, labels.FormatOpenMetricsFloat(v))
	return b.Labels()
}

// takeParsed takes the parser's sample. own is nil if the series is in the state of all, or
// new.
func (r *reading) takeParsed(own *special, known bool, raw []byte, encoded [][]byte, one *point) error {
	if err := r.count(); err != nil {
		return err
	}
	if !one.timed {
		one.time = r.at
	}
	if one.kind() != floatSample && !(one.timed && r.tooFarAhead(one.time)) {
		if err := one.check(); err != nil {
			return failf(resultBadContent, "its page is broken: histogram %s: %w", printable(raw), err)
		}
	}
	if own == nil && !one.timed && one.kind() == floatSample && len(r.exemplars) == 0 && r.startOf(nil, one.time) == 0 {
		r.out.addOrdinary(encoded, one.value)
		return nil
	}
	r.takeApart(own, known, encoded, one)
	return nil
}

func (r *reading) tooFarAhead(t int64) bool { return t > r.at+maxAhead.Milliseconds() }

// takeApart takes a sample of a series that has a state of its own, or gets one, and the
// exemplars with it.
func (r *reading) takeApart(own *special, known bool, encoded [][]byte, one *point) {
	var s special
	if own != nil {
		s = *own
	}
	if s.series == nil {
		s.series = &series{last: never}
		if known {
			s.series.last, s.series.live = r.cache.last, r.cache.live
		}
	}
	if !one.timed {
		one.time = r.at
	}
	r.before = append(r.before, stateBefore{s.series, *s.series})
	if one.timed && r.tooFarAhead(one.time) {
		r.ahead++
		s.series.seen = r.cache.round
	} else {
		r.takePoint(&s, encoded, one)
	}
	if !s.ordinary(r.at) {
		s.line = r.n
		r.specials = append(r.specials, s)
	}
}

// takePoint appends a point unless its series already has that time or a later one.
func (r *reading) takePoint(own *special, encoded [][]byte, one *point) {
	s := own.series
	again := s.seen == r.cache.round
	s.seen = r.cache.round
	if one.time > s.last {
		s.last = one.time
		s.live = !one.timed // a target that says when does not say how long: no marker, as in Prometheus
		s.kind = one.kind()
		start := r.startOf(own, one.time)
		r.out.point = one.append(r.out.point[:0], start)
		r.addExemplars(s, one.time)
		r.out.addPoint(encoded, start != 0)
		return
	}
	switch {
	case again:
		r.duplicate++
	case one.time < s.last:
		r.outOfOrder++
	case !one.timed:
		r.duplicate++
	} // else the target still shows the sample that was sent
}

// readProtobuf reads a page in protobuf, in which there are no lines: a series' text is what
// the parser makes of it.
func (r *reading) readProtobuf(fams families) error {
	r.parser = r.newParser(r.body)
	r.gapsChanged = true
	for {
		entry, err := r.parser.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.notMetrics(err)
		}
		var one point
		var raw []byte
		var ownTime *int64
		switch entry {
		case textparse.EntrySeries:
			raw, ownTime, one.value = r.parser.Series()
		case textparse.EntryHistogram:
			raw, ownTime, one.histogram, one.float = r.parser.Histogram()
		default:
			fams.take(metaOf(r.parser, entry), r.cache.round)
			continue
		}
		if ownTime != nil && r.cache.cfg.HonorTimestamps {
			one.time, one.timed = *ownTime, true
		}
		r.scraped++
		r.readExemplars(one.kind() != floatSample)
		if r.peek() && string(raw) == string(r.old.text) || r.jump(raw) {
			err = r.takeKnown(&one)
		} else {
			err = r.learn(raw, raw, 0, &one)
		}
		if err != nil {
			return err
		}
	}
}

// tellFamilies reads what a good page says of its metric families, if that is not what the
// last one said.
func (r *reading) tellFamilies(fams families) {
	c := r.cache
	c.tellsFamilies = r.gapsChanged
	if !r.gapsChanged || r.format == protobufFormat {
		return
	}
	if len(r.tail) > 0 {
		r.gaps = append(r.gaps, len(r.body)-len(r.tail))
	}
	for _, at := range r.gaps {
		r.metas(at, func(m meta) { fams.take(m, c.round) })
	}
}
