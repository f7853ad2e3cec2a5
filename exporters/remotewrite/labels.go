package remotewrite

import (
	"encoding/binary"
	"log/slog"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// AppendLabels appends the Label fields of a TimeSeries as this endpoint sends them. It returns false if
// write relabelling drops the series.
func (e *Endpoint) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	if e.labels.joins {
		return e.labels.appendJoined(dst, l), true
	}
	l, keep := e.labels.apply(l)
	if !keep {
		return dst, false
	}
	return appendLabels(dst, l), true
}

// labeller converts a series' labels to those that are sent.
type labeller struct {
	external labels.Labels
	rules    []*relabel.Config
	joins    bool           // there are no rules, and external needs no check
	pairs    []labels.Label // external as a slice
	logger   *slog.Logger

	builders sync.Pool // of *labels.Builder
	invalid  sync.Once
}

func newLabeller(external labels.Labels, rules []*relabel.Config, logger *slog.Logger) *labeller {
	r := &labeller{external: external, rules: rules, logger: logger}
	r.joins = len(rules) == 0 && external.IsValid(model.LegacyValidation)
	external.Range(func(x labels.Label) {
		r.joins = r.joins && x.Value != ""
		r.pairs = append(r.pairs, x)
	})
	return r
}

// appendJoined appends l and the labels of external that l lacks, sorted by name.
func (r *labeller) appendJoined(dst []byte, l labels.Labels) []byte {
	rest := r.pairs
	l.Range(func(one labels.Label) {
		for ; len(rest) > 0 && rest[0].Name <= one.Name; rest = rest[1:] {
			if rest[0].Name != one.Name {
				dst = appendLabel(dst, rest[0])
			}
		}
		dst = appendLabel(dst, one)
	})
	for _, x := range rest {
		dst = appendLabel(dst, x)
	}
	return dst
}

func (r *labeller) apply(l labels.Labels) (_ labels.Labels, keep bool) {
	b, _ := r.builders.Get().(*labels.Builder)
	if b == nil {
		b = labels.NewBuilder(labels.EmptyLabels())
	}
	defer r.builders.Put(b)
	b.Reset(l)
	r.external.Range(func(x labels.Label) {
		if !l.Has(x.Name) {
			b.Set(x.Name, x.Value)
		}
	})
	if !relabel.ProcessBuilder(b, r.rules...) {
		return l, false
	}
	sent := b.Labels()
	if !sent.Has(model.MetricNameLabel) || !sent.IsValid(model.LegacyValidation) {
		r.invalid.Do(func() {
			r.logger.Error("write relabelling makes a series that no backend takes: it is dropped, and so are others like it", "series", sent.String(), "was", l.String())
		})
		return l, false
	}
	return sent, true
}

// appendLabels encodes TimeSeries.labels as prompb does.
func appendLabels(dst []byte, l labels.Labels) []byte {
	l.Range(func(one labels.Label) { dst = appendLabel(dst, one) })
	return dst
}

func appendLabel(dst []byte, l labels.Label) []byte {
	dst = append(dst, 1<<3|2)
	dst = binary.AppendUvarint(dst, uint64(stringSize(l.Name)+stringSize(l.Value)))
	dst = appendString(dst, 1<<3|2, l.Name)
	return appendString(dst, 2<<3|2, l.Value)
}

// appendString appends a string field whose tag is one byte. proto3 omits empty ones.
func appendString(dst []byte, tag byte, s string) []byte {
	if s == "" {
		return dst
	}
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func stringSize(s string) int {
	if s == "" {
		return 0
	}
	n := 2 + len(s)
	for rest := len(s) >> 7; rest > 0; rest >>= 7 {
		n++
	}
	return n
}
