package scrape

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

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

// read parses a page and appends its samples to out. at is the time of samples that have
// none of their own. begin comes before; after an error what is in out is to be thrown away
// and markAll called, else markVanished.
func (c *cache) read(p *page, at int64, out *blocks, fams families) (counts, error) {
	var n counts
	parser, err := newParser(p)
	if err != nil {
		return n, err
	}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, notMetrics(p, err)
		}
		if entry != textparse.EntrySeries {
			fams.read(parser, entry, c.round)
			continue
		}
		raw, ownTime, v := parser.Series()
		n.scraped++
		t := c.texts[string(raw)]
		if t == nil {
			var isNew bool
			if t, isNew, err = c.learnFrom(parser, raw); err != nil {
				return n, err
			}
			if isNew {
				n.added++
			}
		}
		if t.seen != c.round {
			t.seen = c.round
			c.shown++
		}
		if t.series == nil {
			continue
		}
		n.kept++
		if limit := c.cfg.SampleLimit; limit > 0 && n.kept > limit {
			return n, failf(resultSampleLimit, "its page has more than %d samples, the limit", limit)
		}
		sampleTime, timed := at, false
		if ownTime != nil && c.cfg.HonorTimestamps {
			sampleTime, timed = *ownTime, true
		}
		if timed && sampleTime > at+maxAhead.Milliseconds() {
			n.ahead++
			continue
		}
		c.take(t.series, sampleTime, timed, v, out, &n)
	}
}

// take appends a sample unless its series already has that time or a later one.
func (c *cache) take(s *series, sampleTime int64, timed bool, v float64, out *blocks, n *counts) {
	again := s.seen == c.round
	s.seen = c.round
	if sampleTime > s.last {
		s.last = sampleTime
		s.live = !timed // a target that says when does not say how long: no marker, as in Prometheus
		out.add(s.encoded, v, sampleTime)
		return
	}
	switch {
	case again:
		n.duplicate++
	case sampleTime < s.last:
		n.outOfOrder++
	case !timed:
		n.duplicate++
	} // else the target still shows the sample that was sent
}

func (c *cache) learnFrom(parser textparse.Parser, raw []byte) (*text, bool, error) {
	if len(raw) > maxSeriesText {
		return nil, false, failf(resultBadContent, "its page has a series of %d bytes, at most %d are read", len(raw), maxSeriesText)
	}
	var l labels.Labels
	parser.Labels(&l)
	t, isNew, err := c.learn(raw, l)
	if err != nil {
		return nil, false, &failure{resultBadContent, err}
	}
	return t, isNew, nil
}

// newParser returns the parser for the page's type; a type that none is for is tried as text.
func newParser(p *page) (textparse.Parser, error) {
	if strings.HasPrefix(p.contentType, "application/vnd.google.protobuf") {
		return nil, failf(resultBadContent, "it answered with protobuf, which was not asked for")
	}
	if bytes.IndexByte(p.body, 0) >= 0 {
		return nil, failf(resultBadContent, "its page is broken: it holds a zero byte") // where the parser would end it in silence
	}
	p.body = slices.Grow(p.body, 1) // the text parser ends the page with a newline, here without copying it
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
	said := err.Error()
	if len(said) > maxParseError {
		said = strings.ToValidUTF8(said[:maxParseError], "") + "…"
	}
	return failf(resultBadContent, "its page is broken: %s", said)
}
