package journal

import "lighter/collector/journal/journalfile"

const (
	cacheFields = 4096 // a fieldCache has up to twice as many
	maxCached   = 256  // bytes of a field that is cached
)

// fieldKey is where a field is.
type fieldKey struct {
	file *journalfile.File
	at   uint64
}

// fieldCache keeps the fields that were read last, because entries share equal fields, such as the name of a unit. A
// field that is not needed has the zero value.
type fieldCache struct{ now, before map[fieldKey]field }

func (c *fieldCache) get(key fieldKey) (f field, ok bool) {
	if f, ok = c.now[key]; ok {
		return f, true
	}
	if f, ok = c.before[key]; ok {
		c.put(key, f)
	}
	return f, ok
}

func (c *fieldCache) put(key fieldKey, f field) {
	if c.now == nil {
		c.now = map[fieldKey]field{}
	}
	if len(c.now) >= cacheFields {
		c.now, c.before = map[fieldKey]field{}, c.now
	}
	c.now[key] = f
}
