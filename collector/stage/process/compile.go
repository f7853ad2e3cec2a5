package process

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/oschwald/maxminddb-golang"
	"github.com/prometheus/client_golang/prometheus"
)

// compile compiles a list of stages into the program.
func (p *Pipeline) compile(stages []Stage) error {
	p.program = &program{slots: map[string]int{}}
	if err := validate(stages); err != nil {
		return err
	}
	reads := reader{names: map[string]bool{}}
	reads.stages(stages)
	p.all = reads.all
	c := compiler{p, reads}
	if err := c.stages(stages); err != nil {
		return err
	}
	p.sortedSlots = make([]int, len(p.names))
	for i := range p.sortedSlots {
		p.sortedSlots[i] = i
	}
	slices.SortFunc(p.sortedSlots, func(a, b int) int { return strings.Compare(p.names[a], p.names[b]) })
	return nil
}

// validate checks stages that may not come from the decoder.
func validate(stages []Stage) error {
	for i, s := range stages {
		name, args := s.only()
		if args == nil {
			return where(i, "", errors.New("it must be exactly one stage"))
		}
		if v, ok := args.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return where(i, name, err)
			}
		}
		if s.Match != nil {
			if err := validate(s.Match.Stages); err != nil {
				return where(i, name, err)
			}
		}
	}
	return nil
}

// only returns the one stage that is set, and its name. args is nil if there is not exactly one.
func (s Stage) only() (name string, args any) {
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			continue
		}
		if args != nil {
			return "", nil
		}
		name, _, _ = strings.Cut(v.Type().Field(i).Tag.Get("alloy"), ",")
		args = v.Field(i).Interface()
	}
	return name, args
}

// reader collects the extracted values that stages read; others need not be extracted.
type reader struct {
	names map[string]bool
	all   bool // they may read any value
}

func (r *reader) add(names ...string) {
	for _, n := range names {
		r.names[n] = true
	}
}

func (r *reader) source(name *string) {
	if name != nil {
		r.add(*name)
	}
}

func (r *reader) values(values map[string]*string) {
	for name, from := range values {
		r.add(orName(name, from))
	}
}

func (r *reader) template(text string) {
	t, err := parseTemplate(text)
	if err != nil {
		return
	}
	names, all := templateReads(t)
	r.add(names...)
	r.all = r.all || all
}

func (r *reader) stages(stages []Stage) {
	for _, s := range stages {
		switch {
		case s.Drop != nil:
			r.add(strings.Split(s.Drop.Source, ",")...)
		case s.GeoIP != nil:
			r.source(s.GeoIP.Source)
		case s.JSON != nil:
			r.source(s.JSON.Source)
		case s.Labels != nil && s.Labels.SourceType != SourceStructuredMetadata:
			r.values(s.Labels.Values)
		case s.Logfmt != nil:
			r.add(s.Logfmt.Source)
		case s.Luhn != nil:
			r.source(s.Luhn.Source)
		case s.Match != nil:
			r.stages(s.Match.Stages)
		case s.Metrics != nil:
			for _, m := range s.Metrics.Metrics {
				switch {
				case m.Counter != nil:
					r.add(cmp.Or(m.Counter.Source, m.Counter.Name))
				case m.Gauge != nil:
					r.add(cmp.Or(m.Gauge.Source, m.Gauge.Name))
				case m.Histogram != nil:
					r.add(cmp.Or(m.Histogram.Source, m.Histogram.Name))
				}
			}
		case s.Output != nil:
			r.add(s.Output.Source)
		case s.Pack != nil:
			r.add(s.Pack.Labels...)
		case s.Pattern != nil:
			r.source(s.Pattern.Source)
		case s.Regex != nil:
			r.source(s.Regex.Source)
		case s.Replace != nil:
			r.add(s.Replace.Source)
			r.template(s.Replace.Replace)
		case s.SplitJSON != nil:
			r.source(s.SplitJSON.Source)
		case s.StructuredMetadata != nil:
			r.values(s.StructuredMetadata.Values)
			r.all = r.all || s.StructuredMetadata.Regex != ""
		case s.Template != nil:
			r.add(s.Template.Source)
			r.template(s.Template.Template)
		case s.Tenant != nil:
			r.add(s.Tenant.Source)
		case s.Timestamp != nil:
			r.add(s.Timestamp.Source)
		}
	}
}

// orName returns from, or name if from is empty.
func orName(name string, from *string) string {
	if from == nil {
		return name
	}
	return cmp.Or(*from, name)
}

// compiler compiles valid stages into ops.
type compiler struct {
	*Pipeline
	reads reader
}

// slot returns the slot of an extracted value.
func (c *compiler) slot(name string) int {
	if slot, ok := c.slots[name]; ok {
		return slot
	}
	slot := len(c.names)
	c.slots[name] = slot
	c.names = append(c.names, name)
	return slot
}

// source returns the slot of a stage's input.
func (c *compiler) source(name *string) int {
	if name == nil || *name == "" {
		return line
	}
	return c.slot(*name)
}

// read reports whether a stage reads an extracted value.
func (c *compiler) read(name string) bool { return c.reads.all || c.reads.names[name] }

func (c *compiler) named(values map[string]*string) (all []named) {
	for name, from := range sorted(values) {
		n := named{name: name, from: orName(name, from)}
		n.slot = c.slot(n.from)
		all = append(all, n)
	}
	return all
}

func (c *compiler) template(text string) (t *template.Template, reads []named, all bool, err error) {
	if t, err = parseTemplate(text); err != nil {
		return nil, nil, false, err
	}
	names, all := templateReads(t)
	for _, name := range names {
		reads = append(reads, named{name: name, slot: c.slot(name)})
	}
	return t, reads, all, nil
}

func (c *compiler) reason(given, otherwise string) *counter {
	return c.metrics.counter(c.metrics.dropped, c.name, cmp.Or(given, otherwise))
}

func (c *compiler) stages(stages []Stage) error {
	for i, s := range stages {
		one, err := c.stage(s)
		if err != nil {
			name, _ := s.only()
			return where(i, name, err)
		}
		if one == nil {
			continue // the stage does nothing
		}
		c.ops = append(c.ops, one)
		if m, ok := one.(*match); ok {
			if err := c.stages(s.Match.Stages); err != nil {
				return where(i, "match", err)
			}
			m.end = len(c.ops)
		}
	}
	return nil
}

func (c *compiler) stage(s Stage) (op, error) {
	switch {
	case s.CRI != nil:
		c.holds = true
		return &cri{max: s.CRI.MaxPartialLines, size: int(min(s.CRI.MaxPartialLineSize, 1<<40)), cut: s.CRI.MaxPartialLineSizeTruncate,
			flushed: c.metrics.counter(c.metrics.criFlushed, c.name), tooLong: c.metrics.counter(c.metrics.criTruncated, c.name)}, nil
	case s.Decolorize != nil:
		return decolorize{}, nil
	case s.Docker != nil:
		return newDocker(), nil
	case s.Drop != nil:
		return c.drop(s.Drop)
	case s.GeoIP != nil:
		return c.geoIP(s.GeoIP)
	case s.JSON != nil:
		return c.json(s.JSON)
	case s.LabelDrop != nil:
		return labelDrop(s.LabelDrop.Values), nil
	case s.LabelKeep != nil:
		return labelKeep(s.LabelKeep.Values), nil
	case s.Labels != nil:
		return &labelsStage{values: c.named(s.Labels.Values), metadata: s.Labels.SourceType == SourceStructuredMetadata}, nil
	case s.Limit != nil:
		a := s.Limit
		return &limit{rate: a.Rate, burst: a.Burst, drop: a.Drop, label: a.ByLabelName, values: max(a.MaxDistinctLabels, 10000),
			dropped: c.reason("", "ratelimit_drop_stage"), byLabel: c.metrics.droppedByLabel, name: c.name, ways: map[string]*buckets{}}, nil
	case s.Logfmt != nil:
		return c.logfmt(s.Logfmt)
	case s.Luhn != nil:
		o := &luhn{source: c.source(s.Luhn.Source), replacement: cmp.Or(s.Luhn.Replacement, "**REDACTED**"), min: s.Luhn.MinLength, delimiters: s.Luhn.Delimiters}
		if o.min < 1 {
			o.min = 13
		}
		var err error
		o.skip, err = optional(s.Luhn.SkipRegex)
		return o, err
	case s.Match != nil:
		selector, err := parseSelector(s.Match.Selector)
		o := &match{selector: selector}
		if s.Match.Action == "drop" {
			o.dropped = c.reason(s.Match.DropReason, "match_stage")
		}
		return o, err
	case s.Metrics != nil:
		return c.customs(s.Metrics), nil
	case s.Multiline != nil:
		c.holds = true
		expr, err := regexp.Compile(s.Multiline.FirstLine)
		return &multiline{expr: expr, max: int(min(s.Multiline.MaxLines, 1<<40)), wait: s.Multiline.MaxWaitTime, strip: s.Multiline.TrimNewlines}, err
	case s.Output != nil:
		return &output{c.slot(s.Output.Source)}, nil
	case s.Pack != nil:
		o := &pack{ingest: s.Pack.IngestTimestamp, now: func() int64 { return time.Now().UnixNano() }}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(s.Pack.Labels))) {
			o.labels = append(o.labels, named{name: name, slot: c.slot(name)})
		}
		return o, nil
	case s.Pattern != nil:
		parsed, err := parsePattern(s.Pattern.Pattern)
		return &patternStage{c.source(s.Pattern.Source), parsed, s.Pattern.LabelsFromGroups}, err
	case s.Regex != nil:
		expr, err := regexp.Compile(s.Regex.Expression)
		if err != nil {
			return nil, err
		}
		return &regexStage{c.source(s.Regex.Source), expr, c.groups(expr, s.Regex.LabelsFromGroups)}, nil
	case s.Replace != nil:
		o := &replace{source: c.source(&s.Replace.Source)}
		var err error
		if o.expr, err = regexp.Compile(s.Replace.Expression); err != nil {
			return nil, err
		}
		o.groups = c.groups(o.expr, false)
		o.template, o.reads, o.all, err = c.template(s.Replace.Replace)
		return o, err
	case s.Sampling != nil:
		return &sampling{rate: s.Sampling.Rate, dropped: c.reason(s.Sampling.DropReason, "")}, nil
	case s.SplitJSON != nil:
		return &splitJSON{c.source(s.SplitJSON.Source)}, nil
	case s.StaticLabels != nil:
		return staticLabels(s.StaticLabels.Values), nil
	case s.StructuredMetadata != nil:
		o := &metadataStage{values: c.named(s.StructuredMetadata.Values)}
		var err error
		o.names, err = optional(s.StructuredMetadata.Regex)
		return o, err
	case s.StructuredMetadataDrop != nil:
		return &metadataDrop{s.StructuredMetadataDrop.Values}, nil
	case s.Template != nil:
		o := &templateStage{source: c.slot(s.Template.Source), name: s.Template.Source}
		var err error
		o.template, o.reads, o.all, err = c.template(s.Template.Template)
		return o, err
	case s.Tenant != nil:
		return &tenant{c.source(&s.Tenant.Source), s.Tenant.Label, []byte(s.Tenant.Value)}, nil
	case s.Timestamp != nil:
		return c.timestamp(s.Timestamp)
	case s.Truncate != nil:
		o := &truncate{cut: c.metrics.truncated, name: c.name, slot: c.slot("truncated")}
		for _, rule := range s.Truncate.Rules {
			o.rules = append(o.rules, truncateRule{int(rule.Limit) - len(rule.Suffix), rule.Suffix, rule.Sources, rule.SourceType})
		}
		return o, nil
	}
	name, _ := s.only()
	return nil, fmt.Errorf("unknown stage %q", name)
}

// sorted yields the pairs of a map in the order of their keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// optional compiles an expression; it returns nil for an empty one.
func optional(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	return regexp.Compile(text)
}

func (c *compiler) drop(a *Drop) (op, error) {
	o := &drop{longer: int(a.LongerThan), older: a.OlderThan, separator: cmp.Or(a.Separator, ";"), dropped: c.reason(a.DropReason, "drop_stage")}
	if a.Source != "" {
		for _, name := range strings.Split(a.Source, ",") {
			o.sources = append(o.sources, c.slot(name))
		}
	}
	expr := a.Expression
	if a.Value != "" {
		expr = "^" + regexp.QuoteMeta(a.Value) + "$"
	}
	var err error
	o.expr, err = optional(expr)
	return o, err
}

func (c *compiler) geoIP(a *GeoIP) (op, error) {
	if a.Source == nil {
		return nil, errors.New("source must not be null")
	}
	o := &geoIP{source: c.slot(*a.Source), kind: a.DBType}
	for name, text := range sorted(a.CustomLookups) {
		path, err := compilePath(cmp.Or(text, name))
		if err != nil {
			return nil, err
		}
		o.custom = append(o.custom, search{name, path})
	}
	db, err := maxminddb.Open(a.DB)
	if err != nil {
		return nil, err
	}
	o.db = db
	c.closers = append(c.closers, db)
	return o, nil
}

func (c *compiler) json(a *JSON) (op, error) {
	o := &jsonStage{source: c.source(a.Source)}
	if a.DropMalformed {
		o.malformed = c.reason("", "json_drop_malformed") // Alloy does not count these
	}
	for name, text := range sorted(a.Expressions) {
		if !c.read(name) {
			continue
		}
		slot := c.slot(name)
		text = cmp.Or(text, name)
		if keys := plainPath(text); keys != nil {
			o.wanted.want(keys, len(o.targets))
			o.targets = append(o.targets, slot)
			continue
		}
		path, err := compilePath(text)
		if err != nil {
			return nil, err
		}
		o.searched = append(o.searched, search{name, path})
	}
	var err error
	if o.keys, err = optional(a.Regex); err != nil {
		return nil, err
	}
	if len(o.targets)+len(o.searched) == 0 && o.keys == nil && o.malformed == nil {
		return nil, nil
	}
	return o, nil
}

func (c *compiler) logfmt(a *Logfmt) (op, error) {
	o := &logfmtStage{source: c.source(&a.Source), names: map[string]string{}}
	for name, key := range sorted(a.Mapping) {
		if c.read(name) {
			c.slot(name)
			o.names[cmp.Or(key, name)] = name
		}
	}
	var err error
	if o.keys, err = optional(a.Regex); err != nil || len(o.names) == 0 && o.keys == nil {
		return nil, err
	}
	return o, nil
}

// groups returns the named groups of an expression that are read or become labels.
func (c *compiler) groups(expr *regexp.Regexp, label bool) (all []namedGroup) {
	for i, name := range expr.SubexpNames() {
		if i > 0 && name != "" && (label || c.read(name)) {
			c.slot(name)
			all = append(all, namedGroup{name, i, label})
		}
	}
	return all
}

func (c *compiler) timestamp(a *Timestamp) (op, error) {
	o := &timestamp{source: c.slot(a.Source), onFailure: a.ActionOnFailure != "skip", onRepeat: a.ActionOnDuplicateTimestamp != "keep"}
	c.clocked = c.clocked || o.onFailure || o.onRepeat
	var location *time.Location
	if a.Location != nil {
		var err error
		if location, err = time.LoadLocation(*a.Location); err != nil {
			return nil, err
		}
	}
	for _, format := range append([]string{a.Format}, a.FallbackFormats...) {
		o.formats = append(o.formats, timeParser(format, location))
	}
	return o, nil
}

func (c *compiler) customs(a *Metrics) op {
	byName := map[string]*custom{} // the last metric of a name in a stage counts, as in Alloy
	for _, m := range a.Metrics {
		one := &custom{component: c.Pipeline.name, series: map[uint64]*series{}}
		var name, prefix, source string
		switch {
		case m.Counter != nil:
			name, prefix, source = m.Counter.Name, m.Counter.Prefix, m.Counter.Source
			one.kind, one.help, one.idle, one.only, one.action = prometheus.CounterValue, m.Counter.Description, m.Counter.MaxIdle, m.Counter.Value, m.Counter.Action
			if m.Counter.MatchAll {
				one.source, one.lineBytes = line, m.Counter.CountEntryBytes
			}
		case m.Gauge != nil:
			name, prefix, source = m.Gauge.Name, m.Gauge.Prefix, m.Gauge.Source
			one.kind, one.help, one.idle, one.only, one.action = prometheus.GaugeValue, m.Gauge.Description, m.Gauge.MaxIdle, m.Gauge.Value, m.Gauge.Action
		case m.Histogram != nil:
			name, prefix, source = m.Histogram.Name, m.Histogram.Prefix, m.Histogram.Source
			one.histogram, one.help, one.idle, one.only, one.buckets = true, m.Histogram.Description, m.Histogram.MaxIdle, m.Histogram.Value, m.Histogram.Buckets
		default:
			continue
		}
		one.name = cmp.Or(prefix, defaultMetricsPrefix) + name
		one.refused = c.metrics.counter(c.metrics.refused, c.Pipeline.name, one.name)
		if one.source != line {
			one.source = c.slot(cmp.Or(source, name))
		}
		byName[name] = one
	}
	o := &metricsStage{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		o.metrics = append(o.metrics, byName[name])
	}
	c.custom = append(c.custom, o.metrics...)
	return o
}
