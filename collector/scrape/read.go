package scrape

import (
	"bytes"
	"slices"
	"strings"
	"time"

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

// format is what a page is written in.
type format uint8

const (
	noFormat format = iota
	textFormat
	openMetrics
	protobufFormat
)

// read reads a page and appends its samples to out, and staleness markers for what it no
// longer shows. at is the time of samples that have none of their own. After an error the
// page counts as nothing: out has staleness markers alone.
func (c *cache) read(p *page, at int64, out *blocks, fams families, r *reading) (counts, error) {
	c.round++
	out.setTime(at)
	if at <= c.last {
		c.setApart(&r.old)
	}
	err := c.check(p)
	r.reset(c, p, at, out)
	if err == nil {
		err = r.page(fams)
	}
	if err != nil {
		r.undo()
		c.fail(at, out, &r.old)
		return r.counts, err
	}
	r.markVanished()
	r.tellFamilies(fams)
	c.commit(r)
	return r.counts, nil
}

// check finds out the page's format, and refuses what no parser is to see.
func (c *cache) check(p *page) error {
	if p.contentType != c.contentType || c.said == noFormat {
		parser, err := textparse.New(nil, p.contentType, c.symbols, textparse.ParserOptions{FallbackContentType: "text/plain"})
		c.contentType = p.contentType
		switch parser.(type) {
		case *textparse.PromParser:
			c.said = textFormat
		case *textparse.OpenMetricsParser:
			c.said = openMetrics
		case *textparse.ProtobufParser:
			c.said = protobufFormat
		default:
			c.said = noFormat
			return &failure{resultBadContent, err}
		}
	}
	if c.said == protobufFormat {
		if !c.cfg.NativeHistograms {
			return failf(resultBadContent, "it answered with protobuf, which was not asked for")
		}
		return nil
	}
	if bytes.IndexByte(p.body, 0) >= 0 {
		return failf(resultBadContent, "its page is broken: it holds a zero byte") // where the parser would end it in silence
	}
	p.body = slices.Grow(p.body, 1) // the text parser ends the page with a newline, here without copying it
	return nil
}

// page reads all of the page.
func (r *reading) page(fams families) error {
	if r.format == protobufFormat {
		return r.readProtobuf(fams)
	}
	if r.cache.cfg.StartTimes {
		r.readStarts()
	}
	return r.readText()
}

// readText reads a page of lines. Those that the last page had cost little, others of the
// common shape some more; each other one is shown to the parser.
func (r *reading) readText() error {
	for parsing := false; ; {
		if !parsing {
			odd, err := r.known()
			if err != nil {
				return err
			}
			if !odd && r.atTail() {
				return nil
			}
			if !odd && r.jumpAhead() {
				continue
			}
			if !odd {
				if ok, err := r.plain(); err != nil {
					return err
				} else if ok {
					continue
				}
			}
		}
		end, certain, err := r.parsed()
		if end || err != nil {
			return err
		}
		parsing = !certain
	}
}

// known takes lines as long as they are the remembered ones in their order. odd says that
// the one it stopped at is remembered too, and shows a value in a way that only the parser
// understands.
func (r *reading) known() (odd bool, err error) {
	w, body := &r.old, r.body
	for r.peek() {
		end := r.pos + len(w.text)
		if end >= len(body) || body[end] != ' ' || string(body[r.pos:end]) != string(w.text) || !r.fits(w.flags) {
			return false, nil
		}
		var one point
		v, size, ok := readFloat(body[end+1:])
		if !ok {
			return true, nil
		}
		next := end + 1 + size
		if body[next] == ' ' {
			if next, ok = r.readRest(next, &one); !ok {
				return true, nil
			}
		}
		if w.flags&(hasGap|setsType) != 0 {
			r.passGap(w.flags)
		}
		r.pos = next + 1
		r.scraped++
		if w.flags&kept != 0 {
			if err := r.count(); err != nil {
				return false, err
			}
			special := r.specialOf()
			if special == nil && !one.timed && len(r.exemplars) == 0 {
				r.out.addOrdinary(w.encoded, v)
			} else {
				one.value = v
				r.takeApart(special, true, w.encoded, &one)
			}
		}
		r.keepKnown()
	}
	return false, nil
}

// count counts a sample that is kept.
func (r *reading) count() error {
	r.kept++
	if limit := r.cache.cfg.SampleLimit; limit > 0 && r.kept > limit {
		return failf(resultSampleLimit, "its page has more than %d samples, the limit", limit)
	}
	return nil
}

func (r *reading) readTime(b []byte) (t int64, size int, ok bool) {
	if r.format == openMetrics {
		return readSeconds(b)
	}
	return readMillis(b)
}

// fits says whether a series of that text means now what it meant then.
func (r *reading) fits(flags lineFlags) bool {
	return flags&setsType != 0 || flags&typeMask == r.kind
}

// passGap notes what stands before a known line.
func (r *reading) passGap(flags lineFlags) {
	r.gaps = append(r.gaps, r.pos)
	if flags&setsType != 0 {
		r.kind, r.familyAt = flags&typeMask, r.pos
	}
}

// atTail says whether what is left of the page is what was left then.
func (r *reading) atTail() bool {
	if !r.trusted || string(r.body[r.pos:]) != string(r.cache.tail) {
		return false
	}
	r.tail = r.body[r.pos:]
	return true
}

// textAt returns what may be the text of a line, for a look in the index; nil if b begins in
// a way that is not worth one.
func textAt(b []byte) []byte {
	i := 0
	for i < len(b) && (b[i] == '#' || b[i] == '\n') {
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			return nil
		}
		i += end + 1
	}
	name := bytes.IndexAny(b[i:], " {\n")
	if name < 0 {
		return nil
	}
	i += name
	switch b[i] {
	case ' ':
		return b[:i]
	case '\n':
		return nil
	}
	for quoted := false; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '}' && !quoted:
			return b[:i+1]
		}
	}
	return nil
}

// maxParseError is how much of a parser's words is repeated: they quote the page.
const maxParseError = 200

func (r *reading) notMetrics(err error) error {
	if kind := mediaType(r.cache.contentType); kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("<")) {
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

// newParser returns a parser of lines of the page. It may write behind b, if that has room.
func (r *reading) newParser(b []byte) textparse.Parser {
	switch r.format {
	case textFormat:
		return textparse.NewPromParser(b, r.cache.symbols, false)
	case openMetrics:
		return textparse.NewOpenMetricsParser(b, r.cache.symbols)
	}
	return textparse.NewProtobufParser(b, false, false, false, false, r.cache.symbols)
}
