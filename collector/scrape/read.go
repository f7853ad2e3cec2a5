package scrape

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// counts are what a page held.
type counts struct {
	scraped    int // samples on the page
	kept       int // after metric relabelling
	added      int // series that were not known
	duplicate  int // samples of a series that already had one at that time
	outOfOrder int // samples before the last one of their series
	ahead      int // samples of a time too far ahead
}

const (
	// maxSeriesText bounds name and labels of one series: far above what any backend
	// takes, and below the 16 MiB at which package labels gives up.
	maxSeriesText = 1 << 20

	// maxAhead is how far in the future a target's own timestamps may be, as in Prometheus:
	// one that is years ahead would make all later samples of its series out of order.
	maxAhead = 10 * time.Minute
)

// reading is the reading of one page.
type reading struct {
	cache    *cache
	parser   textparse.Parser
	protobuf bool
	at       int64 // the time of samples that have none of their own
	out      *blocks
	family   currentFamily
	counts

	exemplar  exemplar.Exemplar // scratch memory, as is the next
	exemplars []exemplar.Exemplar
}

// read parses a page and appends its samples to out. at is the time of samples that have
// none of their own. begin comes before; after an error what is in out is to be thrown away
// and markAll called, else markVanished.
func (c *cache) read(p *page, at int64, out *blocks, fams families) (counts, error) {
	parser, err := c.newParser(p)
	if err != nil {
		return counts{}, err
	}
	r := reading{cache: c, parser: parser, protobuf: p.isProtobuf(), at: at, out: out}
	if c.cfg.StartTimes && !r.protobuf {
		first, err := c.newParser(p)
		if err != nil {
			return counts{}, err
		}
		c.readStarts(p, first)
	}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return r.counts, nil
		}
		if err != nil {
			return r.counts, notMetrics(p, err)
		}
		switch entry {
		case textparse.EntrySeries, textparse.EntryHistogram:
			if err := r.takeEntry(entry == textparse.EntryHistogram); err != nil {
				return r.counts, err
			}
		default:
			fams.read(parser, entry, c.round)
			if entry == textparse.EntryType {
				r.family.read(parser)
			}
		}
	}
}

// takeEntry appends the parser's sample or native histogram.
func (r *reading) takeEntry(native bool) error {
	var one point
	var raw []byte
	var ownTime *int64
	if native {
		raw, ownTime, one.histogram, one.float = r.parser.Histogram()
	} else {
		raw, ownTime, one.value = r.parser.Series()
	}
	r.scraped++
	c := r.cache
	t := c.texts[string(raw)]
	if t == nil {
		var err error
		if t, err = r.learn(raw); err != nil {
			return err
		}
	}
	if t.seen != c.round {
		t.seen = c.round
		c.shown++
	}
	if t.series == nil {
		return nil
	}
	r.kept++
	if limit := c.cfg.SampleLimit; limit > 0 && r.kept > limit {
		return failf(resultSampleLimit, "its page has more than %d samples, the limit", limit)
	}
	one.time = r.at
	if ownTime != nil && c.cfg.HonorTimestamps {
		one.time, one.timed = *ownTime, true
	}
	if one.timed && one.time > r.at+maxAhead.Milliseconds() {
		r.ahead++
		return nil
	}
	if native {
		if err := one.check(); err != nil {
			return failf(resultBadContent, "its page is broken: histogram %s: %w", printable(raw), err)
		}
	}
	r.take(t, &one)
	return nil
}

// take appends a point unless its series already has that time or a later one.
func (r *reading) take(t *text, one *point) {
	s := t.series
	again := s.seen == r.cache.round
	s.seen = r.cache.round
	if one.time > s.last {
		s.last = one.time
		s.live = !one.timed // a target that says when does not say how long: no marker, as in Prometheus
		s.kind = one.kind()
		start := r.startOf(t, one.time)
		r.out.point = one.append(r.out.point[:0], start)
		r.addExemplars(s, s.kind != floatSample, one.time)
		r.out.addPoint(s.encoded, start != 0)
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

// learn remembers the parser's series.
func (r *reading) learn(raw []byte) (*text, error) {
	if len(raw) > maxSeriesText {
		return nil, failf(resultBadContent, "its page has a series of %d bytes, at most %d are read", len(raw), maxSeriesText)
	}
	var l labels.Labels
	r.parser.Labels(&l)
	t, isNew, err := r.cache.learn(raw, l)
	if err != nil {
		return nil, &failure{resultBadContent, err}
	}
	if isNew {
		r.added++
	}
	if r.cache.cfg.StartTimes && !r.protobuf {
		t.start, t.tellsStart = r.cache.startKeyOf(&r.family, l)
	}
	return t, nil
}

// isProtobuf says whether the page is protobuf, by what it was said to be.
func (p *page) isProtobuf() bool { return strings.HasPrefix(p.contentType, protobuf) }

// newParser returns the parser for the page's type; a type that none is for is tried as text.
func (c *cache) newParser(p *page) (textparse.Parser, error) {
	if p.isProtobuf() {
		if !c.cfg.NativeHistograms {
			return nil, failf(resultBadContent, "it answered with protobuf, which was not asked for")
		}
	} else {
		if bytes.IndexByte(p.body, 0) >= 0 {
			return nil, failf(resultBadContent, "its page is broken: it holds a zero byte") // where the parser would end it in silence
		}
		p.body = slices.Grow(p.body, 1) // the text parser ends the page with a newline, here without copying it
	}
	parser, err := textparse.New(p.body, p.contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if parser == nil {
		return nil, &failure{resultBadContent, err}
	}
	return parser, nil
}

// maxParseError is how much of a parser's words is repeated: they quote the page.
const maxParseError = 200

func notMetrics(p *page, err error) error {
	if kind := mediaType(p.contentType); kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(p.body), []byte("<")) {
		return failf(resultBadContent, "it answered with %s, which is no metrics page: check port and path", kind)
	}
	return failf(resultBadContent, "its page is broken: %s", printable([]byte(err.Error())))
}

// printable shortens foreign text for an error.
func printable(b []byte) string {
	if len(b) > maxParseError {
		return strings.ToValidUTF8(string(b[:maxParseError]), "") + "…"
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
