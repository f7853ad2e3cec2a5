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
// the record, and the records that were written in the meantime, are not returned. No client of Podman can
// notice that.
//
// Linux makes what is written visible page by page. So a missing line was torn only if the part of it that
// has arrived ends exactly at the end of a page of the file.
type tears struct {
	logs map[string][]tornLine // by container
}

// tornLine is a line of a log, and what is known about its delivery.
type tornLine struct {
	jsonfile.Line
	missing bool
	unknown map[key]bool // the entries of its stream that nobody wrote
}

func newTears() *tears { return &tears{make(map[string][]tornLine)} }

// add adds the lines of a stream. missing contains the lines that were lost, and unknown the entries that
// nobody wrote.
func (t *tears) add(s stream, missing, unknown map[key]bool) {
	for _, line := range s.lines {
		if line.Record != (jsonfile.Record{}) {
			t.logs[s.container] = append(t.logs[s.container], tornLine{line, missing[key{line.Nanos, fault.Hash(line.Text)}], unknown})
		}
	}
}

// count returns the number of missing lines that were torn or left out behind a torn one, and the number of
// entries that are parts of torn lines.
func (t *tears) count() (lines, parts int) {
	for _, log := range t.logs {
		slices.SortFunc(log, func(a, b tornLine) int { return cmp.Compare(a.Record.Offset, b.Record.Offset) })
		behind := false // a torn line, and only missing ones since then
		for _, line := range log {
			torn, arrived := false, false
			if line.missing {
				torn, arrived = line.torn()
			}
			behind = line.missing && (behind || torn)
			if behind {
				lines++
			}
			if arrived {
				parts++
			}
		}
	}
	return lines, parts
}

const pageBytes = 4 << 10

// torn reports whether the end of a page was in the line's record when it was read, and whether the text
// before it has arrived. A record that is torn before its text is not returned at all.
func (l tornLine) torn() (torn, arrived bool) {
	end := l.Record.Offset + int64(l.Record.Header+len(l.Text))
	for at := l.Record.Offset/pageBytes*pageBytes + pageBytes; at < end; at += pageBytes {
		n := int(at-l.Record.Offset) - l.Record.Header
		if n < 0 {
			torn = true
			continue
		}
		if l.unknown[key{l.Nanos, fault.Hash(l.Text[:n])}] {
			return true, true
		}
	}
	return torn, false
}

func TestTears(t *testing.T) {
	const header = 45
	line := func(offset int64, text string) jsonfile.Line {
		return jsonfile.Line{Nanos: offset, Text: text, Record: jsonfile.Record{Offset: offset, Header: header}}
	}
	keys := func(lines ...jsonfile.Line) map[key]bool {
		m := make(map[key]bool)
		for _, l := range lines {
			m[key{l.Nanos, fault.Hash(l.Text)}] = true
		}
		return m
	}
	const before = pageBytes - header - 3 // the offset of a record whose page ends after three bytes of its text
	torn, inHeader, first, last := line(before, "abcdef"), line(before+header, "abcdef"), line(0, "first"), line(before+100, "last")
	part := func(text string) jsonfile.Line { return jsonfile.Line{Nanos: torn.Nanos, Text: text} }
	for name, tc := range map[string]struct {
		lines            []jsonfile.Line
		missing, unknown map[key]bool
		torn, parts      int
	}{
		"nothing missing":        {[]jsonfile.Line{first, torn, last}, nil, nil, 0, 0},
		"torn":                   {[]jsonfile.Line{first, torn, last}, keys(torn), keys(part("abc")), 1, 1},
		"torn, one left out":     {[]jsonfile.Line{last, torn, first}, keys(torn, last), keys(part("abc")), 2, 1},
		"torn in its header":     {[]jsonfile.Line{inHeader}, keys(inHeader), nil, 1, 0},
		"missing":                {[]jsonfile.Line{first, torn, last}, keys(torn), nil, 0, 0},
		"torn elsewhere":         {[]jsonfile.Line{first, torn, last}, keys(torn), keys(part("ab")), 0, 0},
		"one before it missing":  {[]jsonfile.Line{first, torn, last}, keys(first, torn), keys(part("abc")), 1, 1},
		"not a record of Podman": {[]jsonfile.Line{{Text: "a"}}, keys(jsonfile.Line{Text: "a"}), nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			all := newTears()
			all.add(stream{container: "c", lines: tc.lines}, tc.missing, tc.unknown)
			if torn, parts := all.count(); torn != tc.torn || parts != tc.parts {
				t.Errorf("%d torn lines and %d parts, want %d and %d", torn, parts, tc.torn, tc.parts)
			}
		})
	}
}
