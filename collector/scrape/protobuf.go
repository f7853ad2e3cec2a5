package scrape

import (
	"errors"
	"io"

	"github.com/prometheus/prometheus/model/textparse"

	"lighter/collector/scrape/memo"
	"lighter/collector/scrape/plain"
)

// readProtobuf reads a page in protobuf. Such a page has no lines; the text of a series is what the parser
// makes of it.
func (r *reader) readProtobuf() error {
	r.parser = r.newParser(r.body)
	for {
		entry, err := r.parser.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return notMetrics(r.contentType, r.body, err)
		}
		var one point
		var raw []byte
		var ownTime *int64
		switch entry {
		case textparse.EntrySeries:
			raw, ownTime, one.value = r.parser.Series()
		case textparse.EntryHistogram:
			raw, ownTime, one.histogram, one.float = r.parser.Histogram()
			if err := r.cfg.limitHistogram(one.histogram, one.float); err != nil {
				return failf(resultBadContent, "histogram %s: %w", printable(metricName(raw)), err)
			}
		default:
			r.families.take(plain.MetaOf(r.parser, entry))
			continue
		}
		if ownTime != nil && r.cfg.HonorTimestamps {
			one.time, one.timed = *ownTime, true
		}
		r.scraped++
		r.readExemplars(one.kind() != memo.Float)
		if l := r.last.Next(); l != nil && string(raw) == string(l.Text) || r.last.Jump(raw, nil, memo.Other) {
			err = r.takeKnown(r.last.Next(), &one)
		} else {
			err = r.learn(nil, raw, 0, &one)
		}
		if err != nil {
			return err
		}
	}
}
