package multiline

import (
	"bytes"
	"time"

	"lighter"
)

// group is the open entry of one stream: the lines that belong to it, and after them those that do if a
// later line does.
type group struct {
	phase phase // of the trace, after its last line
	lines int   // number of its lines; 0 if the group is not open
	last  int64 // time of the last line, even an unsure one

	first  held
	text   []byte // its lines, if they are joined; memory of the group's own
	joined bool

	unsure      []held
	unsureBytes int // including a newline for each

	due time.Time // when the group is closed unless another line comes; zero until the last line's batch is handed on
}

// held is a line that is held back. It uses the memory of the batch it came in until keep is called.
type held struct {
	lighter.Entry
	kept   bool
	fields []lighter.Field // valid if kept
}

// keptText is how many bytes of memory for text a closed group retains. There may be thousands of groups.
const keptText = 4 << 10

func (g *group) open() bool { return g.lines > 0 }

// begin opens the group with its first line.
func (g *group) begin(e lighter.Entry, p phase) {
	g.phase, g.lines, g.last, g.first = p, 1, e.Time, held{Entry: e}
}

// size returns the number of bytes of the group's lines.
func (g *group) size() int {
	if g.joined {
		return len(g.text)
	}
	return len(g.first.Line)
}

// doubt adds a line that belongs to the group only if a later line does.
func (g *group) doubt(e lighter.Entry) {
	g.unsure = append(g.unsure, held{Entry: e})
	g.unsureBytes += len(e.Line) + 1
}

// add adds a line that belongs to the group.
func (g *group) add(line []byte) {
	if !g.joined {
		g.text, g.joined = append(g.text[:0], g.first.Line...), true
		g.first.Line = nil
	}
	g.text = append(append(g.text, '\n'), line...)
	g.lines++
}

// keep makes the group independent of the memory of b, the batch that its last lines came in.
func (g *group) keep(b *lighter.Batch) {
	g.first.keep(b)
	for i := range g.unsure {
		g.unsure[i].keep(b)
	}
}

// entry returns the entry of the group's lines, for b. Lines that are not kept came in b.
func (g *group) entry(b *lighter.Batch) lighter.Entry {
	e := g.first.entry(b)
	if g.joined {
		e.Line = b.Copy(g.text)
	}
	return e
}

// close closes the group.
func (g *group) close() {
	clear(g.unsure)
	text := g.text[:0]
	if cap(text) > keptText {
		text = nil
	}
	*g = group{text: text, unsure: g.unsure[:0]}
}

// keep copies the line and its fields out of b, the batch that it came in.
func (h *held) keep(b *lighter.Batch) {
	if h.kept {
		return
	}
	h.Line = bytes.Clone(h.Line)
	for _, f := range b.Fields(&h.Entry) {
		h.fields = append(h.fields, lighter.Field{Name: f.Name, Value: bytes.Clone(f.Value)})
	}
	h.Fields, h.kept = 0, true
}

// entry returns the line as an entry for b. If the line is not kept, it came in b.
func (h *held) entry(b *lighter.Batch) lighter.Entry {
	e := h.Entry
	if h.kept {
		e.Line = b.Copy(e.Line)
		b.SetFields(&e, h.fields)
	}
	return e
}
