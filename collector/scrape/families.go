package scrape

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/textparse"

	"lighter"
)

// families is what a target says of its metric families.
type families map[string]*family

type family struct {
	lighter.Metadata
	seen    uint32 // the round that last showed it
	changed bool   // since takeChanged
}

// take takes what a line of a good page says.
func (f families) take(m meta, round uint32) {
	one := f.at(m.name, round)
	if one == nil {
		return
	}
	switch m.entry {
	case textparse.EntryType:
		if one.Type != m.kind {
			one.Type, one.changed = m.kind, true
		}
	case textparse.EntryHelp:
		if one.Help != string(m.text) {
			one.Help, one.changed = string(m.text), true
		}
	case textparse.EntryUnit:
		if one.Unit != string(m.text) {
			one.Unit, one.changed = string(m.text), true
		}
	}
}

// at returns the family of that name, or nil if it has none or an absurd one.
func (f families) at(name []byte, round uint32) *family {
	if len(name) == 0 || len(name) > maxSeriesText {
		return nil
	}
	one := f[string(name)]
	if one == nil {
		one = &family{Metadata: lighter.Metadata{Family: string(name), Type: model.MetricTypeUnknown}, changed: true}
		f[one.Family] = one
	}
	one.seen = round
	return one
}

// takeChanged ends a good round: it returns what is new or has changed since the last one
// and forgets what the target no longer shows.
func (f families) takeChanged(round uint32) []lighter.Metadata {
	var changed []lighter.Metadata
	for name, one := range f {
		if one.seen != round {
			delete(f, name)
			continue
		}
		if one.changed {
			one.changed = false
			changed = append(changed, one.Metadata)
		}
	}
	return changed
}
