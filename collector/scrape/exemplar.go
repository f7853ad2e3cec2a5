package scrape

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/scrape/memo"
)

// A page shows the same exemplars again and again. Each exemplar is sent once, ordered by time, value and a
// hash of its labels.

// readExemplars sets r.exemplars to the exemplars of the parser's current sample, in that order. native
// reports whether the sample is a native histogram; an exemplar of a native histogram is skipped if it has
// no time.
func (r *reader) readExemplars(native bool) {
	found := r.exemplars[:0]
	for {
		var e exemplar.Exemplar
		if !r.parser.Exemplar(&e) {
			break
		}
		if e.HasTs || !native { // the specification requires a time in native histograms
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b exemplar.Exemplar) int {
		return cmp.Or(cmp.Compare(a.Ts, b.Ts), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Labels.Hash(), b.Labels.Hash()))
	})
	r.exemplars = found
}

// addExemplars appends the exemplars that the series has not sent yet to the point. Invalid exemplars are
// left out; they are no reason to lose the sample.
func (r *reader) addExemplars(s *memo.State, one *point) {
	for _, e := range r.exemplars {
		if !validExemplar(e.Labels) {
			continue
		}
		this := memo.Exemplar{Time: e.Ts, Value: e.Value, Hash: e.Labels.Hash()}
		if !e.HasTs {
			this.Time = one.time
			if s.Exemplar != nil && s.Exemplar.Value == this.Value && s.Exemplar.Hash == this.Hash {
				continue
			}
		}
		if this.Time <= 0 || r.tooFarAhead(this.Time) || s.Exemplar != nil && !before(s.Exemplar, &this) {
			continue
		}
		e.Ts = this.Time
		s.Exemplar = new(this)
		r.out.point = appendExemplar(r.out.point, e)
	}
}

func before(a, b *memo.Exemplar) bool {
	switch {
	case a.Time != b.Time:
		return a.Time < b.Time
	case a.Value != b.Value:
		return a.Value < b.Value
	}
	return a.Hash < b.Hash
}

// validExemplar reports whether backends accept these labels. OpenMetrics 1.0.0 limits the names and values
// of an exemplar to 128 characters in total.
func validExemplar(l labels.Labels) bool {
	if _, twice := l.HasDuplicateLabelNames(); twice {
		return false
	}
	length, valid := 0, true
	l.Range(func(one labels.Label) {
		length += utf8.RuneCountInString(one.Name) + utf8.RuneCountInString(one.Value)
		valid = valid && one.Value != "" && utf8.ValidString(one.Value) && model.LegacyValidation.IsValidLabelName(one.Name)
	})
	return valid && length <= exemplar.ExemplarMaxLabelSetLength
}
