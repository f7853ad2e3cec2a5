package scrape

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"lighter/collector/scrape/memo"
)

// format is the format of a page.
type format uint8

const (
	noFormat format = iota
	textFormat
	openMetrics
	protobufFormat
)

// check determines the page's format, and refuses content that parsers must not see.
func (p *pages) check(pg *page) error {
	if pg.contentType != p.contentType || p.format == noFormat {
		parser, err := textparse.New(nil, pg.contentType, p.symbols, textparse.ParserOptions{FallbackContentType: p.cfg.fallback()})
		p.contentType = pg.contentType
		switch parser.(type) {
		case *textparse.PromParser:
			p.format = textFormat
		case *textparse.OpenMetricsParser:
			p.format = openMetrics
		case *textparse.ProtobufParser:
			p.format = protobufFormat
		default:
			p.format = noFormat
			return &failure{resultBadContent, err}
		}
	}
	if p.format == protobufFormat {
		if !slices.Contains(p.cfg.protocols(), protocolProto) && p.cfg.FallbackProtocol != protocolProto {
			return failf(resultBadContent, "it answered with protobuf, which was not asked for")
		}
		return nil
	}
	if bytes.IndexByte(pg.body, 0) >= 0 {
		return failf(resultBadContent, "its page is broken: it holds a zero byte") // the parser would silently end the page there
	}
	pg.body = slices.Grow(pg.body, 1) // the text parser appends a newline, which then needs no copy
	return nil
}

// newParser returns a parser of lines of the page. It may write after b, if b has capacity.
func (p *pages) newParser(b []byte) textparse.Parser {
	switch p.format {
	case textFormat:
		return textparse.NewPromParser(b, p.symbols, false)
	case openMetrics:
		return textparse.NewOpenMetricsParser(b, p.symbols)
	}
	return textparse.NewProtobufParser(b, !p.cfg.NativeHistograms, p.cfg.ClassicHistograms, false, false, p.symbols)
}

// textAt returns the possible text of a series, for a look-up among the remembered lines, and the length of
// what precedes it. text is nil if the beginning of b makes a look-up pointless.
func textAt(b []byte) (gap int, text []byte) {
	for gap < len(b) && (b[gap] == '#' || b[gap] == '\n') {
		end := bytes.IndexByte(b[gap:], '\n')
		if end < 0 {
			return 0, nil
		}
		gap += end + 1
	}
	b = b[gap:]
	i := bytes.IndexAny(b, " {\n")
	if i < 0 || b[i] == '\n' {
		return 0, nil
	}
	if b[i] == ' ' {
		return gap, b[:i]
	}
	for quoted := false; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '}' && !quoted:
			return gap, b[:i+1]
		}
	}
	return 0, nil
}

// endsWell reports whether what follows a series that the parser has read proves that it has read the line
// to its end. The OpenMetrics parser accepts a line with a superfluous space, and fails on the rest when it
// reads the next one.
func endsWell(b []byte) bool {
	if len(b) == 0 || b[0] != ' ' {
		return false
	}
	i := bytes.IndexAny(b[1:], " \n") + 1
	return i > 1 && (b[i] == '\n' || i+1 < len(b) && b[i+1] != ' ' && b[i+1] != '\n')
}

// kindOf returns the flags of a type that changes how a line is read.
func kindOf(t model.MetricType) memo.Flags {
	switch t {
	case model.MetricTypeCounter:
		return memo.Counter
	case model.MetricTypeHistogram:
		return memo.Histogram
	case model.MetricTypeSummary:
		return memo.Summary
	}
	return memo.Other
}

// normalized normalizes labels of histograms and summaries like the parser, for a parser that has not seen
// the TYPE line.
func normalized(l labels.Labels, kind memo.Flags) labels.Labels {
	name := boundOf(kind)
	if name == "" || !l.Has(name) {
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

// boundOf returns the name of the label whose value is a number in series of a type, or "" if there is
// none.
func boundOf(kind memo.Flags) string {
	switch kind {
	case memo.Histogram:
		return model.BucketLabel
	case memo.Summary:
		return model.QuantileLabel
	}
	return ""
}
