package journal

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lighter/collector/journal/journalfile"
)

// marks are how far a journal is read. All files that one source has written, with their entries' sequence
// numbers counted through, share a mark: the last entry of them that was read. A source that has none begins at
// a time. So a file that appears later is read from its beginning, whatever its clock says, and a file that is
// renamed or archived meanwhile goes on where it was.
type marks struct {
	begin  uint64 // microseconds of the Unix clock
	source map[journalfile.ID]mark
}

// mark is an entry.
type mark struct {
	seqnum   uint64
	boot     journalfile.ID
	realtime uint64
}

// replaced reports whether an entry is of a later boot than the mark although its sequence number is not
// greater. It is for marks whose entries are gone: after a loss of power the last entries may be missing in a
// file, and the next boot gives their sequence numbers again.
func (m mark) replaced(e *journalfile.Entry) bool {
	return e.Seqnum <= m.seqnum && e.Boot != m.boot && e.Realtime > m.realtime
}

// start returns the number of the first entry of a file that is not read. again says that the file's source may
// have given sequence numbers again.
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

// in reports whether the entry is in a file.
func (m mark) in(f *journalfile.File) bool {
	var e journalfile.Entry
	n := f.Search(func(e *journalfile.Entry) bool { return e.Seqnum >= m.seqnum })
	return n < f.Len() && f.Entry(n, &e) == nil && m == mark{e.Seqnum, e.Boot, e.Realtime}
}

// set notes that an entry of a source is read.
func (m *marks) set(source journalfile.ID, e *journalfile.Entry) {
	if at, ok := m.source[source]; !ok || e.Seqnum > at.seqnum || at.replaced(e) {
		m.source[source] = mark{e.Seqnum, e.Boot, e.Realtime}
	}
}

// marksVersion is the first word of marks as a position has them.
const marksVersion = "1"

// appendTo appends the marks, as parseMarks reads them: the version, the beginning, and for each source its id
// and its mark, all numbers in hexadecimal digits.
func (m *marks) appendTo(b []byte) []byte {
	b = append(append(b, marksVersion...), ' ')
	b = strconv.AppendUint(b, m.begin, 16)
	for _, id := range slices.SortedFunc(maps.Keys(m.source), compareIDs) {
		at := m.source[id]
		b = fmt.Appendf(b, " %s:%x:%s:%x", id, at.seqnum, at.boot, at.realtime)
	}
	return b
}

func compareIDs(a, b journalfile.ID) int { return slices.Compare(a[:], b[:]) }

func parseMarks(s string) (*marks, error) {
	words := strings.Fields(s)
	if len(words) < 2 || words[0] != marksVersion {
		return nil, fmt.Errorf("read the position %q in the journal: it has another version", s)
	}
	begin, err := strconv.ParseUint(words[1], 16, 64)
	if err != nil {
		return nil, fmt.Errorf("read the position %q in the journal: %w", s, err)
	}
	m := &marks{begin, map[journalfile.ID]mark{}}
	for _, word := range words[2:] {
		parts := strings.Split(word, ":")
		if len(parts) != 4 {
			return nil, fmt.Errorf("read the position %q in the journal: %q has not four parts", s, word)
		}
		id, err := journalfile.ParseID(parts[0])
		if err == nil {
			var at mark
			at, err = parseMark(parts[1], parts[2], parts[3])
			m.source[id] = at
		}
		if err != nil {
			return nil, fmt.Errorf("read the position %q in the journal: %w", s, err)
		}
	}
	return m, nil
}

func parseMark(seqnum, boot, realtime string) (at mark, err error) {
	if at.seqnum, err = strconv.ParseUint(seqnum, 16, 64); err != nil {
		return at, err
	}
	if at.boot, err = journalfile.ParseID(boot); err != nil {
		return at, err
	}
	at.realtime, err = strconv.ParseUint(realtime, 16, 64)
	return at, err
}

// parseCursor reads a cursor of journalctl, such as
// s=…;i=1f;b=…;m=5d2a;t=60a1;x=9c: the files of its source are read after it, and others from its time on.
func parseCursor(s string) (*marks, error) {
	parts := map[string]string{}
	for word := range strings.SplitSeq(strings.TrimSpace(s), ";") {
		name, value, _ := strings.Cut(word, "=")
		parts[name] = value
	}
	source, err := journalfile.ParseID(parts["s"])
	if err != nil {
		return nil, fmt.Errorf("read the cursor %q of a journal: its source: %w", s, err)
	}
	at, err := parseMark(parts["i"], parts["b"], parts["t"])
	if err != nil {
		return nil, fmt.Errorf("read the cursor %q of a journal: %w", s, err)
	}
	return &marks{at.realtime + 1, map[journalfile.ID]mark{source: at}}, nil
}
