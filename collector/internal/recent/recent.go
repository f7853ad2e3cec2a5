// Package recent provides a map that forgets entries that have not been used for some time, so that keys that others
// choose do not fill the memory.
package recent

// Map is a map that keeps the entries used last. An entry that is put or found is moved to the young half. When that is
// full, it becomes the old half, and the entries of the previous old half that were not used since are forgotten. A
// Map is not safe for concurrent use.
type Map[K comparable, V any] struct {
	Half   int    // entries of a full half; a Map has less than twice as many
	Forget func() // called when a half is forgotten, unless nil

	young, old map[K]V
}

// Get returns the value of a key.
func (m *Map[K, V]) Get(key K) (v V, ok bool) {
	if v, ok = m.young[key]; ok {
		return v, true
	}
	if v, ok = m.old[key]; ok {
		m.Put(key, v)
	}
	return v, ok
}

// GetBytes is Get for a key that is a slice. It copies the key only when it moves the entry.
func GetBytes[V any](m *Map[string, V], key []byte) (v V, ok bool) {
	if v, ok = m.young[string(key)]; ok {
		return v, true
	}
	if v, ok = m.old[string(key)]; ok {
		m.Put(string(key), v)
	}
	return v, ok
}

// Put sets the value of a key.
func (m *Map[K, V]) Put(key K, v V) {
	if m.young == nil {
		m.young = map[K]V{}
	}
	m.young[key] = v
	if len(m.young) < m.Half {
		return
	}
	m.young, m.old = nil, m.young
	if m.Forget != nil {
		m.Forget()
	}
}
