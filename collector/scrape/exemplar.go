package scrape

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
)

// exemplarMark is the exemplar of a series that was sent last. Pages show the same ones
// again and again; each is sent once, in the order of time, value and labels.
type exemplarMark struct {
	time  int64
	value float64
	hash  uint64 // of its labels
}

// readExemplar reads the exemplar at an offset, where the space before it is, by hand, and
// returns where the line ends. Where ok is false it is the parser's, or there is none.
func (r *reading) readExemplar(at int) (end int, ok bool) {
	const head = " # {"
	b := r.body
	if r.format != openMetrics || !bytes.HasPrefix(b[at:], []byte(head)) {
		return 0, false
	}
	ofSeries := len(r.pairs)
	defer func() { r.pairs = r.pairs[:ofSeries] }()
	if at, ok = r.readPairs(at+len(head), ofSeries, false); !ok || at == len(b) || b[at] != ' ' {
		return 0, false
	}
	var e exemplar.Exemplar
	var size int
	if e.Value, size, ok = readFloat(b[at+1:]); !ok {
		return 0, false
	}
	if at += 1 + size; b[at] == ' ' {
		if e.Ts, size, ok = readSeconds(b[at+1:]); !ok {
			return 0, false
		}
		e.HasTs = true
		at += 1 + size
	}
	if b[at] != '\n' {
		return 0, false
	}
	r.ofExemplar.Reset()
	for _, p := range r.pairs[ofSeries:] {
		r.ofExemplar.Add(p.Name, p.Value)
	}
	r.ofExemplar.Overwrite(&e.Labels)
	r.exemplars = append(r.exemplars[:0], e)
	return at, true
}

// readExemplars reads those of the parser's sample. Its order is theirs in time.
func (r *reading) readExemplars(native bool) {
	found := r.exemplars[:0]
	for {
		var e exemplar.Exemplar
		if !r.parser.Exemplar(&e) {
			break
		}
		if e.HasTs || !native { // those of native histograms have a time, by specification
			found = append(found, e)
		}
	}
	slices.SortFunc(found, exemplar.Compare)
	r.exemplars = found
}

// addExemplars appends to the point those exemplars of the sample that the series has not
// sent. What is not valid is left out: it is no reason to lose the sample.
func (r *reading) addExemplars(s *series, sampleTime int64) {
	for _, e := range r.exemplars {
		if !validExemplar(e.Labels) {
			continue
		}
		mark := exemplarMark{e.Ts, e.Value, e.Labels.Hash()}
		if !e.HasTs {
			mark.time = sampleTime
			if s.exemplar != nil && s.exemplar.value == mark.value && s.exemplar.hash == mark.hash {
				continue
			}
		}
		if mark.time <= 0 || r.tooFarAhead(mark.time) || s.exemplar != nil && !s.exemplar.before(mark) {
			continue
		}
		e.Ts = mark.time
		s.exemplar = new(mark)
		r.out.point = appendExemplar(r.out.point, e)
	}
}

func (m *exemplarMark) before(n exemplarMark) bool {
	switch {
	case m.time != n.time:
		return m.time < n.time
	case m.value != n.value:
		return m.value < n.value
	}
	return m.hash < n.hash
}

// validExemplar says whether backends take these labels. Their names and values have 128
// characters together at most (OpenMetrics 1.0.0, exemplars).
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
