package process

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/collector/internal/recent"
)

// drop is stage.drop.
type drop struct {
	longer    int           // 0 means any length
	older     time.Duration // 0 means any age
	sources   []int
	separator string
	expr      *regexp.Regexp // nil if the sources only need to exist
	dropped   *counter
}

func (o *drop) run(r *runner, x *entry, at int) int {
	if o.longer != 0 && len(x.Line) <= o.longer {
		return at + 1
	}
	if o.older != 0 && x.Time >= time.Now().Add(-o.older).UnixNano() {
		return at + 1
	}
	switch {
	case o.expr == nil:
		for _, source := range o.sources {
			if x.values[source].kind == absent {
				return at + 1
			}
		}
	case len(o.sources) == 0:
		if !o.expr.Match(x.Line) {
			return at + 1
		}
	case !o.matches(r, x):
		return at + 1
	}
	return r.drop(o.dropped)
}

// matches reports whether the expression matches the sources, joined with the separator.
func (o *drop) matches(r *runner, x *entry) bool {
	if len(o.sources) == 1 {
		v := x.values[o.sources[0]]
		t, ok := v.text()
		return (ok || v.kind == absent) && o.expr.Match(t)
	}
	joined, first := r.buffer[:0], true
	for _, source := range o.sources {
		v := x.values[source]
		if v.kind == absent {
			continue
		}
		t, ok := v.text()
		if !ok {
			return false
		}
		if !first {
			joined = append(joined, o.separator...)
		}
		joined, first = append(joined, t...), false
	}
	r.buffer = joined[:0]
	return o.expr.Match(joined)
}

// match is stage.match. Its own stages follow it, up to end.
type match struct {
	*selector
	end     int
	dropped *counter // nil if it does not drop entries
}

func (o *match) run(r *runner, x *entry, at int) int {
	n := r.resolve(x)
	if n.selects[at] == undecided {
		n.selects[at] = selected
		for _, m := range o.matchers {
			if !m.Matches(n.getText(m.Name)) {
				n.selects[at] = notSelected
			}
		}
	}
	if n.selects[at] == notSelected {
		return o.end
	}
	for i := range o.filters {
		if !o.filters[i].holds(x.Line) {
			return o.end
		}
	}
	if o.dropped != nil {
		return r.drop(o.dropped)
	}
	r.labelsToValues(x, n)
	return at + 1
}

// bucket is a token bucket.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
}

// fill adds the tokens for the time since the last call. The caller holds mu.
func (b *bucket) fill(rate float64, burst int) {
	now := time.Now()
	if b.at.IsZero() {
		b.tokens = float64(burst)
	} else {
		b.tokens = min(float64(burst), b.tokens+rate*now.Sub(b.at).Seconds())
	}
	b.at = now
}

// limit is stage.limit. All logs share its buckets, but each way has its own: the entries of one way must not take
// the tokens of the same entries on another.
type limit struct {
	rate    float64
	burst   int
	drop    bool
	label   string // empty if there is only one bucket
	values  int    // label values whose buckets are kept for sure
	dropped *counter
	byLabel *prometheus.CounterVec
	name    string // of the component

	mu   sync.Mutex          // guards the buckets' maps
	ways map[string]*buckets // by the name of the way
}

// buckets holds the buckets of one way.
type buckets struct {
	one     bucket                      // used if there is no label
	byValue recent.Map[string, *bucket] // by label value
}

func (o *limit) run(r *runner, x *entry, at int) int {
	var v []byte
	if o.label != "" {
		var ok bool
		if v, ok = x.label(o.label); !ok {
			return at + 1
		}
	}
	b := o.bucket(r.way, v)
	b.mu.Lock()
	b.fill(o.rate, o.burst)
	if b.tokens >= 1 {
		b.tokens--
		b.mu.Unlock()
		return at + 1
	}
	if o.drop {
		b.mu.Unlock()
		if o.label != "" && !r.way.Again {
			o.byLabel.WithLabelValues(o.name, o.label, string(v)).Inc()
		}
		return r.drop(o.dropped)
	}
	b.tokens-- // the bucket fills while this entry waits
	wait := -b.tokens / o.rate
	b.mu.Unlock()
	if r.err = sleep(r.ctx, wait); r.err != nil {
		return none
	}
	return at + 1
}

// bucket returns the bucket of a way, or the one of a label value if each value has a bucket.
func (o *limit) bucket(w Way, value []byte) *bucket {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.ways[w.Name]
	if all == nil {
		all = &buckets{byValue: recent.Map[string, *bucket]{Half: o.values, Forget: o.forgetCounts}}
		o.ways[w.Name] = all
	}
	if o.label == "" {
		return &all.one
	}
	b, ok := recent.GetBytes(&all.byValue, value)
	if !ok {
		b = &bucket{}
		all.byValue.Put(string(value), b)
	}
	return b
}

// forgetCounts deletes the counters by label value when buckets are forgotten, as Alloy does.
func (o *limit) forgetCounts() {
	o.byLabel.DeletePartialMatch(prometheus.Labels{"component_id": o.name})
}

// sleep waits for the given number of seconds. If ctx ends first, it returns ctx's error.
func sleep(ctx context.Context, seconds float64) error {
	timer := time.NewTimer(time.Duration(min(seconds*float64(time.Second), math.MaxInt64/2)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sampling is stage.sampling. Alloy samples at random. Here the content of the entry decides, so that the
// decision is the same when the entry is read again.
type sampling struct {
	rate    float64
	dropped *counter
}

func (o *sampling) run(r *runner, x *entry, at int) int {
	h := hash(r.resolve(x).hash^uint64(x.read), x.Line)
	if float64(h>>11)/(1<<53) < o.rate {
		return at + 1
	}
	return r.drop(o.dropped)
}

// hash is FNV-1a with a final mixing of the bits.
func hash(h uint64, b []byte) uint64 {
	h ^= 14695981039346656037
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// multiline is stage.multiline.
type multiline struct {
	expr  *regexp.Regexp
	max   int // lines; 0 means no limit
	wait  time.Duration
	strip bool // trim newlines
}

func (o *multiline) run(r *runner, x *entry, at int) int {
	key := groupKey{at, r.resolve(x).hash}
	g := r.groups[key]
	if g != nil && x.read-g.last >= int64(o.wait) {
		delete(r.groups, key)
		if g.lines > 0 {
			r.finish(g, false)
		}
		g = nil
	}
	begins := o.expr.Match(x.Line)
	switch {
	case r.err != nil:
		return none
	case g == nil && !begins:
		return at + 1
	case g == nil:
		g = &group{key: key, wait: o.wait}
		r.groups[key] = g
	case begins && g.lines > 0:
		if r.finish(g, false); r.err != nil {
			return none
		}
	}
	text := x.Line
	if o.strip {
		for n := len(text); n > 0 && (text[n-1] == '\n' || text[n-1] == '\r'); n-- {
			text = text[:n-1]
		}
	}
	if begins {
		r.hold(g, x)
	}
	r.add(g, x, text, "\n", begins)
	if g.lines == o.max {
		r.finish(g, true)
	}
	return none
}

// truncate is stage.truncate.
type truncate struct {
	rules []truncateRule
	cut   *prometheus.CounterVec
	name  string // of the component
	slot  int    // of the extracted value that lists what was cut
}

type truncateRule struct {
	limit   int // without the suffix
	suffix  string
	sources []string
	where   SourceType
}

func (o *truncate) run(r *runner, x *entry, at int) int {
	var fields []string
	for i := range o.rules {
		rule := &o.rules[i]
		cut := rule.apply(r, x)
		if cut == 0 {
			continue
		}
		if t, ok := x.values[o.slot].text(); ok && x.values[o.slot].kind == text {
			fields = append(fields, strings.Split(string(t), ",")...)
		}
		fields = append(fields, string(rule.where))
		slices.Sort(fields)
		fields = slices.Compact(fields)
		x.values[o.slot] = value{text, x.batch.Copy([]byte(strings.Join(fields, ",")))}
		if !r.way.Again {
			o.cut.WithLabelValues(o.name, string(rule.where)).Add(float64(cut))
		}
	}
	return at + 1
}

// apply returns the number of values that the rule has cut.
func (o *truncateRule) apply(r *runner, x *entry) (cut int) {
	shorten := func(v []byte) []byte {
		cut++
		return r.keep(x, append(append(r.buffer[:0], v[:o.limit]...), o.suffix...))
	}
	wanted := func(name string) bool { return len(o.sources) == 0 || slices.Contains(o.sources, name) }
	switch o.where {
	case SourceLine:
		if len(x.Line) > o.limit {
			x.Line = shorten(x.Line)
		}
	case SourceLabel:
		for _, l := range r.resolve(x).labels {
			if len(l.value) > o.limit && wanted(l.name) {
				x.setLabel(l.name, shorten(l.value))
			}
		}
	case SourceStructuredMetadata:
		fields := x.batch.Fields(&x.Entry)
		for i := range fields {
			if f := &fields[i]; len(f.Value) > o.limit && wanted(f.Name) {
				f.Value = shorten(f.Value)
			}
		}
	case SourceExtracted:
		for slot := range x.values {
			if v := &x.values[slot]; v.kind == text && len(v.bytes) > o.limit && wanted(r.names[slot]) {
				v.bytes = shorten(v.bytes)
			}
		}
		for name, v := range x.others {
			if v.kind == text && len(v.bytes) > o.limit && wanted(name) {
				v.bytes = shorten(v.bytes)
				x.others[name] = v
			}
		}
	}
	return cut
}
