package scrape

import (
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Observation is the result of one scrape, for counting series.
type Observation struct {
	Labels   labels.Labels // of the target, job and instance among them
	Interval time.Duration
	Series   int  // series with a sample of this scrape, after metric relabelling, including up and the like
	Added    int  // how many of them are new to the target
	Failed   bool // Series counts only the series about the scrape

	// Names calls f with the metric name of each series of the last valid page, as the page writes it. It
	// reads everything that is remembered of the page. It may be called until Observe returns. f must not
	// keep the name.
	Names func(f func(name []byte))
}

// observe reports a scrape whose page r has read.
func (l *Loop) observe(c counts, err error, r *reader) {
	if l.Observe == nil {
		return
	}
	o := Observation{Labels: l.target.labels, Interval: l.target.interval, Series: len(l.pages.report.series), Failed: err != nil}
	if err == nil {
		o.Series += c.kept
		o.Added = c.added
	}
	o.Names = func(f func(name []byte)) {
		l.pages.memo.Texts(&r.last, func(text []byte) { f(nameOf(text)) })
	}
	l.Observe(o)
}

// nameOf returns the metric name at the beginning of a series' text. It ends at the brace before the
// labels, or at the separator that the parser of protobuf pages writes.
func nameOf(text []byte) []byte {
	for i, c := range text {
		if c == '{' || c == model.SeparatorByte {
			return text[:i]
		}
	}
	return text
}
