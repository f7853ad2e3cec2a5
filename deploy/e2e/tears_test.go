package e2e

import (
	"cmp"
	"slices"
	"testing"

	"lighter/deploy/e2e/fault"
	"lighter/deploy/e2e/jsonfile"
)

// tears finds the lines that a follower of Podman has torn. The follower reads a log's file while Podman
// writes it (nxadm/tail, tailFileSync). If it reaches the end of the file in the middle of a record, it
// returns that part of the record as a line and continues at what is then the end of the file: the rest of
// the record, and the records that were written in the meantime, are not returned. The stream does not show
// that.
//
// Linux makes what is written visible page by page. So a missing line was torn only if the part of it that
// has arrived ends exactly at the end of a page of the file, or if a page ends before its text, because then
// no part arrives.
type tears struct {
	logs map[string][]tornLine // by container
}

// tornLine is a line of a log, and what is known about its delivery.
type tornLine struct {
	jsonfile.Line
	tornKey
	missing bool
	unknown map[key]int // how often each entry of its stream arrived that nobody wrote
}

// tornKey is a line of a stream.
type tornKey struct {
	labels string
	key
}

func newTears() *tears { return &tears{make(map[string][]tornLine)} }

// add adds the lines of a stream. missing contains the lines that were lost, and unknown the entries that
// nobody wrote.
func (t *tears) add(s stream, missing map[key]bool, unknown map[key]int) {
	for _, line := range s.lines {
		if line.Record != (jsonfile.Record{}) {
			k := key{line.Nanos, fault.Hash(line.Text)}
			t.logs[s.container] = append(t.logs[s.container], tornLine{line, tornKey{s.labels, k}, missing[k], unknown})
		}
	}
}

// find returns the missing lines that were torn or left out behind a torn one, if a later line of the log has
// arrived, and the number of entries that are parts of torn lines.
func (t *tears) find() (lines map[tornKey]bool, parts int) {
	lines = make(map[tornKey]bool)
	for _, log := range t.logs {
		slices.SortFunc(log, func(a, b tornLine) int { return cmp.Compare(a.Record.Offset, b.Record.Offset) })
		var behind []tornKey // a torn line, and the missing ones behind it
		for _, line := range log {
			torn, n := line.torn()
			parts += n
			switch {
			case line.missing && (torn || len(behind) > 0):
				behind = append(behind, line.tornKey)
				continue
			case !line.missing:
				for _, k := range behind {
					lines[k] = true
				}
			}
			behind = nil
		}
	}
	return lines, parts
}

const pageBytes = 4 << 10

// torn reports whether the line may have been torn, because a page ends before its text, or because the text
// up to the end of a page has arrived. It also returns how often that text has arrived.
func (l tornLine) torn() (torn bool, parts int) {
	end := l.Record.Offset + int64(l.Record.Header+len(l.Text))
	for at := l.Record.Offset/pageBytes*pageBytes + pageBytes; at < end; at += pageBytes {
		n := int(at-l.Record.Offset) - l.Record.Header
		if n < 0 {
			torn = true
			continue
		}
		part := key{l.Nanos, fault.Hash(l.Text[:n])}
		if l.unknown[part] > 0 {
			torn = true
			parts += l.unknown[part]
			delete(l.unknown, part)
		}
	}
	return torn, parts
}

func TestTears(t *testing.T) {
	const header = 45
	line := func(offset int64, text string) jsonfile.Line {
		return jsonfile.Line{Nanos: offset, Text: text, Record: jsonfile.Record{Offset: offset, Header: header}}
	}
	count := func(lines ...jsonfile.Line) map[key]int {
		m := make(map[key]int)
		for _, l := range lines {
			m[key{l.Nanos, fault.Hash(l.Text)}]++
		}
		return m
	}
	const before = pageBytes - header - 3 // the offset of a record whose page ends after three bytes of its text
	torn, inHeader, first, last := line(before, "abcdef"), line(before+header, "abcdef"), line(0, "first"), line(before+100, "last")
	part := func(text string) jsonfile.Line { return jsonfile.Line{Nanos: torn.Nanos, Text: text} }
	end := line(2*pageBytes-500, "the end")
	for name, tc := range map[string]struct {
		lines            []jsonfile.Line
		missing, unknown map[key]int
		torn, parts      int
	}{
		"nothing missing":        {[]jsonfile.Line{first, torn, last}, nil, nil, 0, 0},
		"torn":                   {[]jsonfile.Line{first, torn, last}, count(torn), count(part("abc")), 1, 1},
		"torn, one left out":     {[]jsonfile.Line{end, last, torn, first}, count(torn, last), count(part("abc")), 2, 1},
		"torn in its header":     {[]jsonfile.Line{inHeader, end}, count(inHeader), nil, 1, 0},
		"the part came twice":    {[]jsonfile.Line{first, torn, last}, count(torn), count(part("abc"), part("abc")), 1, 2},
		"the whole line came":    {[]jsonfile.Line{first, torn, last}, nil, count(part("abc")), 0, 1},
		"nothing behind it came": {[]jsonfile.Line{first, inHeader, end}, count(inHeader, end), nil, 0, 0},
		"missing":                {[]jsonfile.Line{first, torn, last}, count(torn), nil, 0, 0},
		"torn elsewhere":         {[]jsonfile.Line{first, torn, last}, count(torn), count(part("ab")), 0, 0},
		"one before it missing":  {[]jsonfile.Line{first, torn, last}, count(first, torn), count(part("abc")), 1, 1},
		"not a record of Podman": {[]jsonfile.Line{{Text: "a"}, last}, count(jsonfile.Line{Text: "a"}), nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			missing := make(map[key]bool)
			for k := range tc.missing {
				missing[k] = true
			}
			all := newTears()
			all.add(stream{container: "c", lines: tc.lines}, missing, tc.unknown)
			if lines, parts := all.find(); len(lines) != tc.torn || parts != tc.parts {
				t.Errorf("%d torn lines and %d parts, want %d and %d", len(lines), parts, tc.torn, tc.parts)
			}
		})
	}
}
