package scrape

import (
	"encoding/binary"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/textparse"

	"lighter"
	"lighter/collector/scrape/memo"
	"lighter/collector/scrape/plain"
)

// families holds the metadata of a page's metric families. A hash of each family on the last page is
// remembered, so that sinks receive only what is new or has changed.
type families map[string]*lighter.Metadata

// take records the metadata of one line.
func (f families) take(m plain.Meta) {
	one := f.at(m.Name)
	if one == nil {
		return
	}
	switch m.Entry {
	case textparse.EntryType:
		one.Type = m.Type
	case textparse.EntryHelp:
		one.Help = string(m.Text)
	case textparse.EntryUnit:
		one.Unit = string(m.Text)
	}
}

// at returns the family with that name, creating it if needed. It returns nil if the name is empty or
// absurdly long.
func (f families) at(name []byte) *lighter.Metadata {
	if len(name) == 0 || len(name) > maxSeriesText {
		return nil
	}
	one := f[string(name)]
	if one == nil {
		one = &lighter.Metadata{Family: string(name), Type: model.MetricTypeUnknown}
		f[one.Family] = one
	}
	return one
}

// readFamilies reads the metadata of a valid page and sets changed to what is new or differs from the last
// page.
func (r *reader) readFamilies() {
	if r.format != protobufFormat {
		if len(r.tail) > 0 {
			r.gaps = append(r.gaps, len(r.body)-len(r.tail))
		}
		for _, at := range r.gaps {
			r.readGap(r.body[at:])
		}
	}
	hashes := make([]uint64, 0, len(r.families))
	var text []byte
	for _, one := range r.families {
		text = text[:0]
		for _, part := range []string{one.Family, string(one.Type), one.Help, one.Unit} {
			text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
		}
		hash := memo.HashOf(text)
		hashes = append(hashes, hash)
		if !r.memo.HasFamily(hash) {
			r.changed = append(r.changed, *one)
		}
	}
	slices.Sort(hashes)
	r.memo.SetFamilies(hashes)
}

// readGap reads b up to its first series.
func (r *reader) readGap(b []byte) {
	for {
		m, size := plain.ReadMeta(b, r.format == openMetrics)
		if size == 0 {
			break
		}
		r.families.take(m)
		b = b[size:]
	}
	if len(b) > 0 && b[0] != '#' && b[0] != '\n' && b[0] != ' ' && b[0] != '\t' {
		return // the series begins here
	}
	p := r.newParser(b)
	for {
		entry, err := p.Next()
		if err != nil || entry == textparse.EntrySeries {
			return
		}
		r.families.take(plain.MetaOf(p, entry))
	}
}
