package journal

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/internal/recent"
)

// labelPrefix is before the name of a field, in lower case, in the label that rules see of it.
const labelPrefix = "__journal_"

const (
	priorityLabel = labelPrefix + "priority"
	keywordLabel  = labelPrefix + "priority_keyword"
)

// cacheEntries limits how many combinations of values a labeller caches: less than twice as many.
const cacheEntries = 2048

// cacheBytes is how long the values of a combination may be for it to be cached.
const cacheBytes = 4 << 10

// labeller returns the stream of an entry: the configured labels, and what the rules make of the entry's fields.
// Only fields that a rule reads are used. The result for a combination of values is cached.
type labeller struct {
	own   labels.Labels
	rules []*relabel.Config

	read  map[string]bool // labels that rules read by their names
	maps  []relabel.Regexp
	names recent.Map[string, bool] // whether a rule reads the label of a field

	combinations recent.Map[string, *stream] // by the values; a nil stream is dropped
	sets         recent.Map[string, *stream] // by the labels
	bare         bool                        // the rules have left an entry without labels
	key          []byte
	builder      *labels.Builder
}

// stream is a lighter.Stream and its number in the batch that is being filled.
type stream struct {
	*lighter.Stream
	batch  uint64
	number int32
}

func newLabeller(own labels.Labels, rules []*relabel.Config) *labeller {
	l := &labeller{own: own, rules: rules, read: map[string]bool{}, builder: labels.NewBuilder(labels.EmptyLabels())}
	l.names.Half, l.combinations.Half, l.sets.Half = cacheEntries, cacheEntries, cacheEntries
	for _, r := range rules {
		switch r.Action {
		case relabel.LabelMap:
			l.maps = append(l.maps, r.Regex)
		case relabel.KeepEqual, relabel.DropEqual:
			l.read[r.TargetLabel] = true
		}
		for _, name := range r.SourceLabels {
			l.read[string(name)] = true
		}
	}
	return l
}

// wants reports whether a rule reads the label of a field.
func (l *labeller) wants(name []byte) bool {
	if wanted, ok := recent.GetBytes(&l.names, name); ok {
		return wanted
	}
	label := labelPrefix + strings.ToLower(string(name))
	wanted := l.read[label] || label == priorityLabel && l.read[keywordLabel]
	for _, r := range l.maps {
		wanted = wanted || r.MatchString(label) || label == priorityLabel && r.MatchString(keywordLabel)
	}
	l.names.Put(string(name), wanted)
	return wanted
}

// stream returns the stream of an entry with these fields, nil if a rule drops it or leaves no labels. It changes
// the order of fields.
func (l *labeller) stream(fields []field) *stream {
	slices.SortStableFunc(fields, func(a, b field) int { return bytes.Compare(a.name, b.name) })
	l.key = l.key[:0]
	for i := range fields {
		if i+1 < len(fields) && bytes.Equal(fields[i].name, fields[i+1].name) {
			continue // the last one counts
		}
		l.key = binary.AppendUvarint(l.key, uint64(len(fields[i].name)))
		l.key = append(l.key, fields[i].name...)
		l.key = binary.AppendUvarint(l.key, uint64(len(fields[i].value)))
		l.key = append(l.key, fields[i].value...)
	}
	if s, ok := recent.GetBytes(&l.combinations, l.key); ok {
		return s
	}
	s := l.make(fields)
	if len(l.key) <= cacheBytes {
		l.combinations.Put(string(l.key), s)
	}
	return s
}

func (l *labeller) make(fields []field) *stream {
	l.builder.Reset(l.own)
	for i := range fields {
		value := strings.ToValidUTF8(string(fields[i].value), "\ufffd")
		label := labelPrefix + strings.ToLower(string(fields[i].name))
		if label == priorityLabel {
			l.builder.Set(keywordLabel, keyword(value))
		}
		l.builder.Set(label, value)
	}
	if !relabel.ProcessBuilder(l.builder, l.rules...) {
		return nil
	}
	var internal []string
	l.builder.Range(func(one labels.Label) {
		if strings.HasPrefix(one.Name, "__") {
			internal = append(internal, one.Name)
		}
	})
	set := l.builder.Del(internal...).Labels()
	if set.IsEmpty() {
		l.bare = true
		return nil
	}
	text := []byte(set.String())
	if s, ok := recent.GetBytes(&l.sets, text); ok {
		return s
	}
	s := &stream{Stream: lighter.NewStream(set)}
	if len(text) <= cacheBytes {
		l.sets.Put(string(text), s)
	}
	return s
}

// keyword is the name of a priority.
func keyword(priority string) string {
	switch priority {
	case "0":
		return "emerg"
	case "1":
		return "alert"
	case "2":
		return "crit"
	case "3":
		return "error"
	case "4":
		return "warning"
	case "5":
		return "notice"
	case "6":
		return "info"
	case "7":
		return "debug"
	}
	return priority
}
