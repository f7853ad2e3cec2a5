// Package stage is what log entries pass through between their source and an endpoint.
//
// A stage is a lighter.Logs that hands on, to the next one, what it makes of each batch. It may
// change entries and leave some out before it hands the batch on, and keeps what it makes of them in
// the batch's own memory. It hands on every batch, also one without entries. Each reader of a log has a Chain of its own, so a stage's state is that of
// one log. A stage gets each batch once: when Append returns an error, the reader ends, and no more
// batches come.
//
// A stage may hold entries back (Holder), and it may keep a state that is written together with the
// log's position (Keeper).
package stage

import (
	"context"
	"encoding/binary"

	"lighter"
)

// Log is the log that a stage is made for.
type Log struct {
	Service   string // as the log's streams are labelled
	Container string // the container's name
	// State is what the stage of this name had kept as of the log's position; nil if nothing. A stage
	// that cannot read it, because another version wrote it, begins without.
	State []byte
	// Keep returns what all the stages of the chain keep now. A Holder calls it when it has handed on
	// what it held in a batch of its own, and sets it as the state of the newest batch that it holds.
	Keep func() []byte
}

// Maker makes a stage.
type Maker struct {
	Name string // unique in a chain; what the stage keeps is kept by it
	// New returns the stage, or next itself if there is nothing to do for the log. A stage is a pointer.
	New func(log Log, next lighter.Logs) lighter.Logs
}

// Keeper is a stage with a state, such as what it has counted. A stage in front of a Holder must not be
// one, because the state would count entries that the position does not.
type Keeper interface {
	// Keep appends the state to b. It returns b as it was if there is nothing to keep.
	Keep(b []byte) []byte
}

// Holder is a stage that may hold entries back, such as the beginning of a stack trace. While something is
// held back at the end of a batch it holds that batch, and all later ones until nothing is, so that the
// position waits before the first entry held back. When it hands on the last of what it held it has the
// newest of those batches let go of when the batch is acknowledged that is handed on, and each other one when
// the next newer one is (Batch.After): then the position passes them all at once, and never stops between
// batches of which an entry is made. A Holder that also hands on by the clock lets one goroutine at a time
// append.
type Holder interface {
	// Release hands on what is held back, because the log has ended, or because somebody waits for it. It blocks
	// while there is no room. An error is ctx's. Batches may come afterwards.
	Release(ctx context.Context) error
	// Held returns how many lines are held back, of the batches that Append has taken. Lines whose Release has
	// failed are still held back. It may be called at any time and from any goroutine.
	Held() int
	// Drop forgets what is held back, and has it read again (Origin.Rewind). Nothing is appended afterwards.
	Drop()
}

// Clocked is a Holder that also hands on by the clock, when no line has come for some time. A reader that
// has lost its log, because the Engine is away or the log's stream was closed, tells it that no line can come:
// else what is held back would be torn.
type Clocked interface {
	Holder
	// Pause tells that the reader does not read. Nothing is handed on by the clock until Resume.
	Pause()
	// Resume tells that the reader reads again. The clock begins anew.
	Resume()
}

// Chain is the stages of one log and what they hand on to. It is a lighter.Logs.
type Chain struct {
	first   lighter.Logs
	holders []Holder // in their order
	keepers []keeper
	size    int // of what was kept last
}

type keeper struct {
	name string
	Keeper
}

// NewChain makes the stages of a log, which hand batches on in their order, and then to end. state is what
// an earlier chain of the log kept.
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
			continue // it has nothing to do for this log
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

// Release implements Holder for all stages, in their order: what one of them hands on may be held back by
// the next.
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

// keep returns what the stages keep, as decode reads it: of each its name and its state, with their
// lengths before them.
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

// StateOf returns what the stage of a name has kept, of what its chain has kept; nil if nothing.
func StateOf(kept []byte, name string) []byte { return decode(kept)[name] }

// decode returns states by the names of their stages. What is damaged is left out, with what follows it.
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

// last is behind the stages. It notes with each batch what the stages keep as of its end, and hands on batches
// that have entries; one without is acknowledged by not being held.
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
