package scrape

import (
	"bytes"
	"errors"
	"io"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"lighter"
	"lighter/collector/scrape/memo"
	"lighter/collector/scrape/plain"
)

// counts are the numbers of a page's samples and series.
type counts struct {
	scraped    int // samples on the page
	kept       int // after metric relabelling
	added      int // series that were not known before
	duplicate  int // samples of a series that already had one at that time
	outOfOrder int // samples before the last one of their series
	ahead      int // samples whose timestamp is too far in the future
}

// maxSeriesText limits the name and labels of one series. It is far above what any backend accepts, and
// below the 16 MiB that package labels supports.
const maxSeriesText = 1 << 20

// pages converts one page after another of a target to samples. Only the target's Loop uses it.
type pages struct {
	rules
	sinks  []Sink
	names  []string // of the sinks
	report *report  // a page must not show its series
	memo   *memo.Memo
	starts startTimes

	contentType string // of the last page
	format      format // the format that contentType declares
	symbols     *labels.SymbolTable
}

func newPages(target labels.Labels, cfg Config, sinks []Sink, names []string) *pages {
	return &pages{
		rules:   newRules(target, cfg),
		sinks:   sinks,
		names:   names,
		report:  newReport(target, sinks, cfg.ExtraMetrics),
		memo:    memo.New(len(sinks)),
		symbols: labels.NewSymbolTable(),
	}
}

// miss records a round without a page. It marks every series of the last valid page as stale.
func (p *pages) miss(at int64, out *blocks, r *reader) {
	out.reset()
	p.memo.Miss(at, &r.last, func(encoded [][]byte, s *memo.State) { out.markStale(encoded, s, at) })
}

// read reads a page and appends its samples to out, and staleness markers for the series that it no longer
// shows. at is the time of samples without a timestamp. If read returns an error, the page does not count
// and out has only staleness markers.
func (p *pages) read(pg *page, at int64, out *blocks, r *reader) (counts, error) {
	stale := func(encoded [][]byte, s *memo.State) { out.markStale(encoded, s, at) }
	out.setTime(at)
	err := p.check(pg)
	r.begin(p, pg.body, at, out)
	switch {
	case err != nil:
	case p.format == protobufFormat:
		err = r.readProtobuf()
	default:
		err = r.readText()
	}
	if err != nil {
		out.reset()
		r.last.Abort(stale)
		return r.counts, err
	}
	if r.last.Commit(r.tail, stale) {
		r.readFamilies()
	}
	return r.counts, nil
}

// reader reads one page. Its memory can be reused for the page of another target.
type reader struct {
	*pages
	last memo.Comparison // compares the page with the last one
	out  *blocks
	body []byte // the page, not owned; one byte behind it is free
	at   int64  // the time of samples without a timestamp
	counts

	pos  int        // everything before it has been read
	kind memo.Flags // the type of the series that follow
	gaps []int      // offsets in body of what is not a series
	tail []byte     // what follows the last series, a part of body

	parser    textparse.Parser    // nil, or positioned at a line of its own
	parserAt  int                 // offset of that line in body
	seesTypes bool                // the parser has read a TYPE line
	exemplars []exemplar.Exemplar // of the sample being read

	series     plain.Labels // of a line that is read by hand
	ofExemplar plain.Labels

	families families           // metadata of the page's families
	changed  []lighter.Metadata // the families that are new or changed
}

// begin prepares r to read a page.
func (r *reader) begin(p *pages, body []byte, at int64, out *blocks) {
	r.pages, r.out, r.body, r.at = p, out, body, at
	r.counts = counts{}
	r.pos, r.kind, r.gaps, r.tail = 0, memo.Other, r.gaps[:0], nil
	r.parser, r.parserAt, r.seesTypes = nil, 0, false
	r.exemplars, r.changed = r.exemplars[:0], nil
	if r.families == nil {
		r.families = families{}
	}
	form := memo.Form(p.format) << 1
	if p.format == protobufFormat {
		r.last.Begin(p.memo, form, nil, at)
		return
	}
	if p.readStarts(body) {
		form |= 1
	}
	r.last.Begin(p.memo, form, body, at)
}

// release drops the references to what the reader does not own.
func (r *reader) release() {
	r.last.Release()
	clear(r.exemplars[:cap(r.exemplars)])
	clear(r.families)
	r.series.Release()
	r.ofExemplar.Release()
	r.pages, r.out, r.body, r.tail, r.parser, r.changed = nil, nil, nil, nil, nil, nil
}

// forget drops everything that may point into a page whose memory is about to be freed.
func (r *reader) forget() {
	r.series.Forget()
	r.ofExemplar.Forget()
}

// readText reads a page of lines. A line that the last page had costs little. A new line of the common
// shape costs somewhat more. Any other line is passed to the parser, which then goes on as long as only the
// parser knows what follows.
func (r *reader) readText() error {
	parsing := false
	for {
		if !parsing {
			odd, err := r.known()
			if err != nil {
				return err
			}
			if !odd && r.last.AtTail(r.body[r.pos:]) {
				r.tail = r.body[r.pos:]
				return nil
			}
			if !odd && r.jump() {
				continue
			}
			if !odd {
				if ok, err := r.learnPlain(); err != nil {
					return err
				} else if ok {
					continue
				}
			}
		}
		end, certain, err := r.parse()
		if end || err != nil {
			return err
		}
		parsing = !certain
	}
}

// known takes lines as long as they are the remembered ones in their order. odd reports that it stopped at
// a remembered line with a value that only the parser understands.
func (r *reader) known() (odd bool, err error) {
	body := r.body
	for {
		l := r.last.Next()
		if l == nil || !r.shows(l) {
			return false, nil
		}
		end := r.pos + len(l.Text)
		if l.Flags&memo.HasGap != 0 {
			end += l.Gap.Size
		}
		if end >= len(body) || body[end] != ' ' {
			return false, nil
		}
		var one point
		next, ok := r.readSample(end, &one)
		if !ok {
			return true, nil
		}
		r.passGap(l.Flags, r.pos)
		r.pos = next
		r.scraped++
		if l.Flags&memo.Kept != 0 {
			if err := r.count(); err != nil {
				return false, err
			}
			own := r.last.Exception()
			if own == nil && !one.timed && len(r.exemplars) == 0 {
				r.out.addOrdinary(l.Encoded, one.value)
			} else {
				r.takeException(own, false, l.Encoded, &one)
			}
		}
		r.last.Take()
		r.exemplars = r.exemplars[:0]
	}
}

// shows reports whether the next line of the page is the remembered line l, unchanged.
func (r *reader) shows(l *memo.Line) bool {
	rest := r.body[r.pos:]
	if l.Flags&memo.HasGap != 0 {
		if !l.Gap.Begins(rest) {
			return false
		}
		rest = rest[l.Gap.Size:]
	}
	return len(rest) >= len(l.Text) && string(rest[:len(l.Text)]) == string(l.Text) && l.Fits(r.kind)
}

// passGap records what precedes a line, starting at offset at.
func (r *reader) passGap(flags memo.Flags, at int) {
	if flags&memo.HasGap != 0 {
		r.gaps = append(r.gaps, at)
	}
	if flags&memo.SetsType != 0 {
		r.kind = flags.Type()
	}
}

// readSample reads by hand what follows the text of a series, which is a space, and returns the offset of
// the next line.
func (r *reader) readSample(at int, one *point) (next int, ok bool) {
	v, size, ok := plain.Float(r.body[at+1:])
	if !ok {
		return 0, false
	}
	one.value = v
	if at += 1 + size; r.body[at] == '\n' {
		return at + 1, true
	}
	rest, size, ok := r.ofExemplar.Rest(r.body[at:], r.format == openMetrics)
	if !ok {
		return 0, false
	}
	if rest.HasTime && r.cfg.HonorTimestamps {
		one.time, one.timed = rest.Time, true
	}
	if rest.HasExemplar {
		r.exemplars = append(r.exemplars[:0], rest.Exemplar)
	}
	return at + size + 1, true
}

// jump continues at the remembered line that is next on the page, if that is not taken.
func (r *reader) jump() bool {
	rest := r.body[r.pos:]
	gap, text := textAt(rest)
	return r.last.Jump(text, rest[:gap], r.kind)
}

// learnPlain reads the next line and what precedes it by hand, and remembers the line. If it returns false,
// it has changed nothing, and the parser must read the line.
func (r *reader) learnPlain() (ok bool, err error) {
	rest, gap := r.body[r.pos:], 0
	flags, kind := memo.Flags(0), r.kind
	for gap < len(rest) && rest[gap] == '#' {
		m, size := plain.ReadMeta(rest[gap:], r.format == openMetrics)
		if size == 0 {
			return false, nil
		}
		flags |= memo.HasGap
		if m.Entry == textparse.EntryType {
			flags |= memo.SetsType
			kind = kindOf(m.Type)
		}
		gap += size
	}
	size, ok := r.series.Series(rest[gap:], boundOf(kind))
	end := r.pos + gap + size
	if !ok || size > maxSeriesText || end == len(r.body) || r.body[end] != ' ' {
		return false, nil
	}
	var one point
	next, ok := r.readSample(end, &one)
	if !ok {
		return false, nil
	}
	flags |= kind
	r.passGap(flags, r.pos)
	r.pos = next
	r.scraped++
	var onPage, l labels.Labels
	keep, joined := true, r.joins && r.series.Join(&l, r.targetPairs)
	if !joined || r.starts.on {
		r.series.CopyTo(&onPage)
	}
	if !joined {
		if l, keep, err = r.relabel(onPage); err != nil {
			return true, badLabels(err)
		}
	}
	return true, r.remember(rest[:gap], rest[gap:gap+size], flags, onPage, l, keep, &one)
}

// parse passes the next series, with what precedes it, to the parser. end reports that there is no series
// left. If certain is false, only the parser knows what follows.
func (r *reader) parse() (end, certain bool, err error) {
	if r.parser == nil || r.parserAt != r.pos {
		r.parser, r.seesTypes = r.newParser(r.body[r.pos:]), false
	}
	flags := memo.Flags(0)
	for {
		entry, err := r.parser.Next()
		if errors.Is(err, io.EOF) {
			r.tail = r.body[r.pos:]
			return true, true, nil
		}
		if err != nil {
			return false, false, notMetrics(r.contentType, r.body, err)
		}
		if entry == textparse.EntrySeries {
			break
		}
		if entry == textparse.EntryType {
			_, kind := r.parser.Type()
			r.kind, r.seesTypes = kindOf(kind), true
			flags |= memo.SetsType
		}
	}
	raw, ownTime, v := r.parser.Series()
	one := point{value: v}
	if ownTime != nil && r.cfg.HonorTimestamps {
		one.time, one.timed = *ownTime, true
	}
	start, from := r.pos, cap(r.body)-cap(raw) // raw is a part of body: both end where their memory ends
	to := from + len(raw)
	gap := r.body[start:from]
	if len(gap) > 0 {
		flags |= memo.HasGap
		r.gaps = append(r.gaps, start)
	}
	r.pos = len(r.body)
	if i := bytes.IndexByte(r.body[to:], '\n'); i >= 0 {
		r.pos = to + i + 1
	}
	r.parserAt = r.pos
	r.scraped++
	r.readExemplars(false)
	if l := r.last.Next(); l != nil && string(raw) == string(l.Text) && l.Flags&memo.HasGap == flags&memo.HasGap && (len(gap) == 0 || l.Gap == memo.GapOf(gap)) && l.Fits(r.kind) {
		err = r.takeKnown(l, &one)
	} else {
		err = r.learn(gap, raw, flags|r.kind, &one)
	}
	return false, r.format == textFormat || endsWell(r.body[to:]), err
}

// takeKnown takes the parser's sample for the remembered line l, which is next on the page.
func (r *reader) takeKnown(l *memo.Line, one *point) error {
	if l.Flags&memo.Kept != 0 {
		if err := r.take(r.last.Exception(), false, l.Text, l.Encoded, one); err != nil {
			return err
		}
	}
	r.last.Take()
	r.exemplars = r.exemplars[:0]
	return nil
}

// learn takes and remembers the parser's sample of a line that is not remembered yet.
func (r *reader) learn(gap, raw []byte, flags memo.Flags, one *point) error {
	if len(raw) > maxSeriesText {
		return failf(resultBadContent, "its page has a series of %d bytes, at most %d are read", len(raw), maxSeriesText)
	}
	var onPage labels.Labels
	r.parser.Labels(&onPage)
	if !r.seesTypes {
		onPage = normalized(onPage, r.kind)
	}
	l, keep, err := r.relabel(onPage)
	if err != nil {
		return badLabels(err)
	}
	return r.remember(gap, raw, flags, onPage, l, keep, one)
}

// remember takes and remembers the sample of a line that is not remembered yet. l are the series' labels
// after metric relabelling. keep is false if the relabelling has dropped the series.
func (r *reader) remember(gap, raw []byte, flags memo.Flags, onPage, l labels.Labels, keep bool, one *point) error {
	line := r.last.Fresh()
	line.Flags, line.Text = flags, append(line.Text[:0], raw...)
	if len(gap) > 0 {
		line.Gap = memo.GapOf(gap)
	}
	if keep {
		line.Flags |= memo.Kept
		appendSeries(line.Encoded, r.sinks, l)
		r.report.claim(line.Encoded)
		line.Hash = l.Hash()
		own, isNew := r.last.Learn()
		if isNew {
			r.added++
		}
		if r.format != protobufFormat {
			own.Start, own.TellsStart = r.starts.keyOf(r.kind, onPage)
		}
		if err := r.take(&own, isNew, raw, line.Encoded, one); err != nil {
			return err
		}
	}
	r.last.Add()
	r.exemplars = r.exemplars[:0]
	return nil
}
