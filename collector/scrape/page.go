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

// counts are what a page held.
type counts struct {
	scraped    int // samples on the page
	kept       int // after metric relabelling
	added      int // series that were not known
	duplicate  int // samples of a series that already had one at that time
	outOfOrder int // samples before the last one of their series
	ahead      int // samples of a time too far ahead
}

// maxSeriesText bounds name and labels of one series: far above what any backend takes, and below
// the 16 MiB at which package labels gives up.
const maxSeriesText = 1 << 20

// pages makes samples of the pages of one target, one page after another. Only the target's Loop
// uses it.
type pages struct {
	rules
	sinks  []Sink
	names  []string // of the sinks
	report *report  // whose series no page may show
	memo   *memo.Memo
	starts startTimes

	contentType string // of the last page
	format      format // what that says
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

// miss is a round without a page: every series that the last good page showed is marked as stale.
func (p *pages) miss(at int64, out *blocks, r *reader) {
	out.reset()
	p.memo.Miss(at, &r.last, func(encoded [][]byte, s *memo.State) { out.markStale(encoded, s, at) })
}

// read reads a page and appends its samples to out, and staleness markers for what it no longer
// shows. at is the time of samples that have none of their own. After an error the page counts as
// nothing: out has staleness markers alone.
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

// reader reads one page. Its memory is used again for a page of another target.
type reader struct {
	*pages
	last memo.Comparison // of the page with the last one
	out  *blocks
	body []byte // of the page, not owned; one byte behind it is free
	at   int64  // the time of samples that have none of their own
	counts

	pos  int        // what is before it is read
	kind memo.Flags // the type of the series that follow
	gaps []int      // where in body something else than series stands
	tail []byte     // what is behind the last series, in body

	parser    textparse.Parser    // nil, or at a line of its own
	parserAt  int                 // where in body that is
	seesTypes bool                // it has read a TYPE line
	exemplars []exemplar.Exemplar // of the sample that is read

	series     plain.Labels // of a line that is read by hand
	ofExemplar plain.Labels

	families families           // what the page says of them
	changed  []lighter.Metadata // of that, what is new
}

// begin makes r ready to read a page.
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

// release lets go of what is not the reader's own.
func (r *reader) release() {
	r.last.Release()
	clear(r.exemplars[:cap(r.exemplars)])
	clear(r.families)
	r.series.Release()
	r.ofExemplar.Release()
	r.pages, r.out, r.body, r.tail, r.parser, r.changed = nil, nil, nil, nil, nil, nil
}

// forget lets go of what may point into a page whose memory will be gone.
func (r *reader) forget() {
	r.series.Forget()
	r.ofExemplar.Forget()
}

// readText reads a page of lines. Those that the last page had cost little; others that have the shape
// which nearly all lines have cost some more; each other one is shown to the parser, and to nothing else
// as long as only the parser knows what follows.
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

// known takes lines as long as they are the remembered ones in their order. odd says that
// the one it stopped at is remembered too, and shows a value in a way that only the parser
// understands.
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

// shows reports whether the page shows a remembered line next, as it was.
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

// passGap notes what stands before a line, from an offset on.
func (r *reader) passGap(flags memo.Flags, at int) {
	if flags&memo.HasGap != 0 {
		r.gaps = append(r.gaps, at)
	}
	if flags&memo.SetsType != 0 {
		r.kind = flags.Type()
	}
}

// readSample reads by hand what follows the text of a series, which is a space, and returns where the
// next line begins.
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

// jump goes on with the remembered line that the page has next, if it is not taken.
func (r *reader) jump() bool {
	rest := r.body[r.pos:]
	gap, text := textAt(rest)
	return r.last.Jump(text, rest[:gap], r.kind)
}

// learnPlain reads the next line and what stands before it by hand, and remembers it. Where it returns
// false the line is the parser's to read, and nothing has changed.
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

// parse shows the next series to the parser, with what stands before it. end says that
// there is none. When certain is false only the parser knows what follows.
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

// takeKnown takes the parser's sample for the remembered line that comes next.
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

// learn takes the parser's sample for a line that is not remembered, and remembers it.
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

// remember takes the sample of a line that is not remembered, and remembers it. l are the series' labels
// after metric relabelling, which has dropped it unless keep.
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
