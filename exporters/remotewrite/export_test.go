package remotewrite

// BreakDisk makes the queue on disk of an Endpoint return fail's error from Append, if it
// gives one.
func (e *Endpoint) BreakDisk(fail func() error) {
	e.buffer.mu.Lock()
	defer e.buffer.mu.Unlock()
	e.buffer.disk = broken{e.buffer.disk, fail}
}

type broken struct {
	disk
	fail func() error
}

func (b broken) Append(key uint64, items int, body []byte) error {
	if err := b.fail(); err != nil {
		return err
	}
	return b.disk.Append(key, items, body)
}
