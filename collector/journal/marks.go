package journal

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lighter/collector/journal/journalfile"
)

// marks are how far a journal is read.
//
// All files of one source, whose entries are numbered consecutively across the files, share a mark: the last entry
// that was read. A source without a mark is read from the time begin. So a file that appears later is read from its
// beginning, whatever its clock says, and reading continues in a file that is renamed or archived.
//
// The copy on the disk of an entry of the runtime journal, the one below /run, has another sequence number. Spans
// recognise such copies.
type marks struct {
	begin  uint64 // microseconds of the Unix clock
	source map[journalfile.ID]mark
	spans  []span // oldest first
}

// mark identifies an entry.
type mark struct {
	seqnum   uint64
	boot     journalfile.ID
	realtime uint64
}

func markOf(e *journalfile.Entry) mark { return mark{e.Seqnum, e.Boot, e.Realtime} }

// replaced reports whether an entry is of a later boot than the mark although its sequence number is not
// greater. It is for marks whose entries are gone: after a power failure the last entries of a file may be missing,
// and the next boot uses their sequence numbers again.
func (m mark) replaced(e *journalfile.Entry) bool {
	return e.Seqnum <= m.seqnum && e.Boot != m.boot && e.Realtime > m.realtime
}

// in reports whether a file has the entry.
func (m mark) in(f *journalfile.File) bool {
	var e journalfile.Entry
	n := f.Search(func(e *journalfile.Entry) bool { return e.Seqnum >= m.seqnum })
	return n < f.Len() && f.Entry(n, &e) == nil && m == markOf(&e)
}

// start returns the number of the first unread entry of a file. again says that the file's source may have used
// sequence numbers again.
func (m *marks) start(f *journalfile.File, again bool) uint64 {
	at, ok := m.source[f.Source()]
	if !ok {
		return f.Search(func(e *journalfile.Entry) bool { return e.Realtime >= m.begin })
	}
	n := f.Search(func(e *journalfile.Entry) bool { return e.Seqnum > at.seqnum })
	for e := (journalfile.Entry{}); again && n > 0 && f.Entry(n-1, &e) == nil && at.replaced(&e); {
		n--
	}
	return n
}

// set records that an entry of a source was read.
func (m *marks) set(source journalfile.ID, e *journalfile.Entry) {
	if at, ok := m.source[source]; !ok || e.Seqnum > at.seqnum || at.replaced(e) {
		m.source[source] = markOf(e)
	}
}

// span is a part of the runtime journal that was read: entries of one boot with consecutive sequence numbers. When
// journald begins to write to the disk, it copies the runtime journal there, with other sequence numbers, before it
// writes anything else, and then deletes it. A copy keeps the boot and the monotonic time, so it is recognised even
// if the original file is gone.
//
// Several entries may have the same time, and even the same fields, for example when a program prints a line twice.
// So the entries of the last time are counted.
type span struct {
	boot        journalfile.ID
	first, last uint64 // microseconds of the boot's clock
	copies      uint64 // how many entries with the time last were read, minus their copies that were skipped
	// hash is set if the span comes from a cursor of journalctl, which does not tell how many entries have its time:
	// entries with the time last are copies up to and including the one with this hash. It is 0 afterwards.
	hash   uint64
	source journalfile.ID
	seqnum uint64 // of the last entry
}

// maxSpans is how many spans are kept, the newest ones. A boot usually has one, and more if entries of the runtime
// journal could not be read or journald returned to /run.
const maxSpans = 8

// noteRuntime records that an entry of the runtime journal was read.
func (m *marks) noteRuntime(source journalfile.ID, e *journalfile.Entry) {
	for i := range m.spans {
		s := &m.spans[i]
		if s.boot != e.Boot || s.source != source {
			continue
		}
		switch {
		case e.Seqnum <= s.seqnum:
			return // it is in two files
		case e.Seqnum == s.seqnum+1 && e.Monotonic >= s.last:
			if e.Monotonic > s.last {
				s.last, s.copies, s.hash = e.Monotonic, 0, 0
			}
			s.copies++
			s.seqnum = e.Seqnum
			return
		}
	}
	if len(m.spans) == maxSpans {
		m.spans = slices.Delete(m.spans, 0, 1)
	}
	m.spans = append(m.spans, span{boot: e.Boot, first: e.Monotonic, last: e.Monotonic, copies: 1, source: source, seqnum: e.Seqnum})
}

// takeCopy reports whether an entry of a file on the disk is the copy of an entry of the runtime journal that was
// read. It must be called once for each entry, because it counts the copies of a span's last time.
func (m *marks) takeCopy(e *journalfile.Entry) bool {
	for i := range m.spans {
		s := &m.spans[i]
		if s.boot != e.Boot || e.Monotonic < s.first || e.Monotonic > s.last {
			continue
		}
		if e.Monotonic < s.last {
			return true
		}
		if s.hash != 0 {
			if s.hash == e.Hash {
				s.hash = 0
			}
			return true
		}
		if s.copies > 0 {
			s.copies--
			return true
		}
	}
	return false
}

// marksVersion is the first word of marks as a position has them. Version 1 has no spans.
const marksVersion = "2"

// appendTo appends the marks, as parseMarks reads them: the version, the beginning, for each source its id and
// its mark, and the fields of each span, all numbers in hexadecimal digits.
func (m *marks) appendTo(b []byte) []byte {
	b = append(append(b, marksVersion...), ' ')
	b = strconv.AppendUint(b, m.begin, 16)
	for _, id := range slices.SortedFunc(maps.Keys(m.source), compareIDs) {
		at := m.source[id]
		b = fmt.Appendf(b, " %s:%x:%s:%x", id, at.seqnum, at.boot, at.realtime)
	}
	for _, s := range m.spans {
		b = fmt.Appendf(b, " %s:%x:%x:%x:%x:%s:%x", s.boot, s.first, s.last, s.copies, s.hash, s.source, s.seqnum)
	}
	return b
}

func compareIDs(a, b journalfile.ID) int { return slices.Compare(a[:], b[:]) }

func parseMarks(s string) (*marks, error) {
	words := strings.Fields(s)
	if len(words) < 2 || words[0] != marksVersion && words[0] != "1" {
		return nil, fmt.Errorf("read the position %q in the journal: its version is unknown", s)
	}
	p := parser{}
	m := &marks{begin: p.number(words[1]), source: map[journalfile.ID]mark{}}
	for _, word := range words[2:] {
		switch parts := strings.Split(word, ":"); len(parts) {
		case 4:
			m.source[p.id(parts[0])] = p.mark(parts[1], parts[2], parts[3])
		case 7:
			m.spans = append(m.spans, span{p.id(parts[0]), p.number(parts[1]), p.number(parts[2]), p.number(parts[3]), p.number(parts[4]), p.id(parts[5]), p.number(parts[6])})
		default:
			return nil, fmt.Errorf("read the position %q in the journal: %q has %d parts and not 4 or 7", s, word, len(parts))
		}
	}
	if p.err != nil {
		return nil, fmt.Errorf("read the position %q in the journal: %w", s, p.err)
	}
	return m, nil
}

// parseCursor reads a cursor of journalctl, such as
// s=…;i=1f;b=…;m=5d2a;t=60a1;x=9c. The files of its source are read after it, and others from its time on. The
// cursor may point into the runtime journal, so it also becomes a span.
func parseCursor(s string) (*marks, error) {
	parts := map[string]string{}
	for word := range strings.SplitSeq(strings.TrimSpace(s), ";") {
		name, value, _ := strings.Cut(word, "=")
		parts[name] = value
	}
	p := parser{}
	source := p.id(parts["s"])
	at := p.mark(parts["i"], parts["b"], parts["t"])
	upTo := span{boot: at.boot, last: p.number(parts["m"]), hash: p.number(parts["x"]), source: source, seqnum: at.seqnum}
	if p.err != nil {
		return nil, fmt.Errorf("read the cursor %q of a journal: %w", s, p.err)
	}
	return &marks{at.realtime, map[journalfile.ID]mark{source: at}, []span{upTo}}, nil
}

// parser parses parts of a position and keeps the first error.
type parser struct{ err error }

func (p *parser) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 16, 64)
	if p.err == nil {
		p.err = err
	}
	return n
}

func (p *parser) id(s string) journalfile.ID {
	id, err := journalfile.ParseID(s)
	if p.err == nil {
		p.err = err
	}
	return id
}

func (p *parser) mark(seqnum, boot, realtime string) mark {
	return mark{p.number(seqnum), p.id(boot), p.number(realtime)}
}
