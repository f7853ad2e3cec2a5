package remotewrite

import "lighter/exporters/internal/stored"

// BreakDisk makes the queue on disk of an Endpoint return fail's error from Put, if it returns one.
func (e *Endpoint) BreakDisk(fail func() error) {
	e.buffer.mu.Lock()
	defer e.buffer.mu.Unlock()
	put := e.buffer.put
	e.buffer.put = func(key uint64, h stored.Header, body []byte) error {
		if err := fail(); err != nil {
			return err
		}
		return put(key, h, body)
	}
}
