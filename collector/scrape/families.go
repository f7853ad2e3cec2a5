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

// read takes a TYPE, HELP or UNIT line.
func (f families) read(p textparse.Parser, entry textparse.Entry, round uint32) {
	switch entry {
	case textparse.EntryType:
		name, kind := p.Type()
		if one := f.at(name, round); one != nil && one.Type != kind {
			one.Type, one.changed = kind, true
		}
	case textparse.EntryHelp:
		name, help := p.Help()
		if one := f.at(name, round); one != nil && one.Help != string(help) {
			one.Help, one.changed = string(help), true
		}
	case textparse.EntryUnit:
		name, unit := p.Unit()
		if one := f.at(name, round); one != nil && one.Unit != string(unit) {
			one.Unit, one.changed = string(unit), true
		}
	}
}

// at returns the family of that name, or nil if the name is absurd.
func (f families) at(name []byte, round uint32) *family {
	if len(name) > maxSeriesText {
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
