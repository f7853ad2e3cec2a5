// Package stage defines what log entries pass through between their source and an endpoint.
//
// A stage is a lighter.Logs that processes each batch and hands it on to the next one. It may change
// entries and drop some, and allocates new content in the batch's own memory. It hands on every batch, even
// one without entries. Each reader of a log has a Chain of its own, so that a stage's state belongs to one
// log. A stage gets each batch once: if Append returns an error, the reader ends, and no more batches come.
//
// A stage may hold entries back (Holder), and it may have a state that is written together with the log's
// position (Keeper).
package stage

import (
	"context"
	"encoding/binary"

	"lighter"
)

// Log describes the log that a stage is made for.
type Log struct {
	Service   string // as in the labels of the log's streams
	Container string // the container's name
	// State is the state that the stage with this name had kept as of the log's position, or nil. A stage
	// that cannot read it, because another version wrote it, starts without.
	State []byte
	// Keep returns the current state of all stages of the chain. A Holder calls it after it has handed on
	// held entries in a batch of its own, and sets the result as the state of the newest batch that it
	// holds.
	Keep func() []byte
}

// Maker makes a stage.
type Maker struct {
	Name string // unique in a chain; identifies the stage's state
	// New returns the stage, or next itself if there is nothing to do for the log. The stage must be a
	// pointer.
	New func(log Log, next lighter.Logs) lighter.Logs
}

// Keeper is a stage with a state, such as its counts. A Keeper must not precede a Holder, because its state
// would include entries that the position does not.
type Keeper interface {
	// Keep appends the state to b. It returns b unchanged if there is no state.
	Keep(b []byte) []byte
}

// Holder is a stage that may hold entries back, such as the beginning of a stack trace. If entries are held
// back at the end of a batch, the Holder holds that batch and all later ones until none are, so that the
// position waits before the first of them. When it hands on the last of them in a batch, it arranges that
// the newest held batch is released when that batch is acknowledged, and each other one when the next newer
// one is (Batch.After). The position then passes all of them at once, and never stops between batches that
// contain parts of one entry. A Holder that also hands entries on by the clock allows only one goroutine at
// a time to append.
type Holder interface {
	// Release hands on what is held back, because the log has ended, or because somebody waits for it. It
	// blocks while there is no room. It returns only ctx's error. Batches may follow.
	Release(ctx context.Context) error
	// Held returns the number of lines that are held back from the batches that Append has taken. Lines whose
	// Release has failed are still held back. It is safe for concurrent use.
	Held() int
	// Drop discards what is held back, and has it read again (Origin.Rewind). Nothing is appended
	// afterwards.
	Drop()
}

// Clocked is a Holder that also hands entries on by the clock, when no line has come for some time. A
// reader that has lost its log, because the Engine is away or the log's stream was closed, pauses the
// clock, because no line can come. Otherwise the entries that are held back would be torn.
type Clocked interface {
	Holder
	// Pause reports that the reader does not read. The clock hands nothing on until Resume.
	Pause()
	// Resume reports that the reader reads again, and restarts the clock.
	Resume()
}

// Chain consists of the stages of one log and the lighter.Logs behind them. It is a lighter.Logs.
type Chain struct {
	first   lighter.Logs
	holders []Holder // in order
	keepers []keeper
	size    int // size of the last kept state
}

type keeper struct {
	name string
	Keeper
}

// NewChain makes the stages of a log. They hand batches on in the order of makers, and then to end. state
// is what an earlier chain of the log kept.
func NewChain(end lighter.Logs, log Log, state []byte, makers ...Maker) *Chain {
	c := &Chain{}
	c.first = &last{c, end}
	kept := decode(state)
	log.Keep = c.keep
	for i := len(makers) - 1; i >= 0; i-- {
		m := makers[i]
		log.State = kept[m.Name]
		made := m.New(log, c.first)
		if made == c.first {
			continue // the stage has nothing to do for this log
		}
		c.first = made
		if h, ok := c.first.(Holder); ok {
			c.holders = append([]Holder{h}, c.holders...)
		}
		if k, ok := c.first.(Keeper); ok {
			c.keepers = append([]keeper{{m.Name, k}}, c.keepers...)
		}
	}
	return c
}

// Append hands a batch to the first stage.
func (c *Chain) Append(ctx context.Context, b *lighter.Batch) error { return c.first.Append(ctx, b) }

// Release implements Holder for all stages, in order, because a stage may hold back what the one before it
// hands on.
func (c *Chain) Release(ctx context.Context) error {
	for _, h := range c.holders {
		if err := h.Release(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Held implements Holder for all stages.
func (c *Chain) Held() (lines int) {
	for _, h := range c.holders {
		lines += h.Held()
	}
	return lines
}

// Drop implements Holder for all stages.
func (c *Chain) Drop() {
	for _, h := range c.holders {
		h.Drop()
	}
}

// Pause implements Clocked for all stages.
func (c *Chain) Pause() {
	for _, h := range c.holders {
		if k, ok := h.(Clocked); ok {
			k.Pause()
		}
	}
}

// Resume implements Clocked for all stages.
func (c *Chain) Resume() {
	for _, h := range c.holders {
		if k, ok := h.(Clocked); ok {
			k.Resume()
		}
	}
}

// keep returns the states of all stages in the form that decode reads: the name and the state of each,
// preceded by their lengths.
func (c *Chain) keep() []byte {
	b := make([]byte, 0, c.size+c.size/4)
	var own []byte
	for _, k := range c.keepers {
		own = k.Keep(own[:0])
		if len(own) == 0 {
			continue
		}
		b = appendText(appendText(b, k.name), string(own))
	}
	c.size = len(b)
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// StateOf returns the state of the named stage from the state that its chain has kept, or nil.
func StateOf(kept []byte, name string) []byte { return decode(kept)[name] }

// decode returns the states by stage name. It leaves out what is damaged and everything after it.
func decode(b []byte) map[string][]byte {
	all := map[string][]byte{}
	for len(b) > 0 {
		name, rest, ok := cutText(b)
		if !ok {
			break
		}
		state, rest, ok := cutText(rest)
		if !ok {
			break
		}
		all[string(name)], b = state, rest
	}
	return all
}

func cutText(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}

// last follows the stages. It records in each batch the state of the stages at the batch's end. It hands on
// batches that have entries; a batch without entries is acknowledged because nobody holds it.
type last struct {
	chain *Chain
	next  lighter.Logs
}

func (l *last) Append(ctx context.Context, b *lighter.Batch) error {
	if len(l.chain.keepers) > 0 && b.Origin != nil {
		b.SetState(l.chain.keep())
	}
	if len(b.Entries) == 0 {
		return nil
	}
	return l.next.Append(ctx, b)
}
