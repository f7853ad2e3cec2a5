package scrape

import (
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Observation is what one scrape gave, for whoever counts series.
type Observation struct {
	Labels   labels.Labels // of the target, job and instance among them
	Interval time.Duration
	Series   int  // with a sample of this scrape, after metric relabelling; up and its like are among them
	Added    int  // of them, those that are new to the target
	Failed   bool // Series are those about the scrape alone

	// Names passes the metric name of each series of the last good page to f, as the page has it, one after
	// another. It reads all that is remembered of the page. It may be called until Observe returns, and f
	// must not keep the name.
	Names func(f func(name []byte))
}

// observe tells of a scrape. r has read its page.
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

// nameOf returns the metric name that the text of a series begins with, up to the brace before its labels, or to
// the separator that the parser of protobuf pages writes.
func nameOf(text []byte) []byte {
	for i, c := range text {
		if c == '{' || c == model.SeparatorByte {
			return text[:i]
		}
	}
	return text
}
