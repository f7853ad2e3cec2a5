package journal

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/journal/journalfile"
)

func TestMarks(t *testing.T) {
	m := &marks{0x1234, map[journalfile.ID]mark{{2}: {7, journalfile.ID{9}, 100}, {1}: {1 << 40, journalfile.ID{8}, 1 << 50}},
		[]span{{boot: journalfile.ID{9}, first: 10, last: 11, copies: 3, hash: 12, source: journalfile.ID{2}, seqnum: 7}}}
	text := string(m.appendTo(nil))
	const old = " 1234 01000000000000000000000000000000:10000000000:08000000000000000000000000000000:4000000000000" +
		" 02000000000000000000000000000000:7:09000000000000000000000000000000:64"
	if want := "2" + old + " 09000000000000000000000000000000:a:b:3:c:02000000000000000000000000000000:7"; text != want {
		t.Errorf("%s\nand not\n%s", text, want)
	}
	got, err := parseMarks(text)
	if diff := cmp.Diff(m, got, cmp.AllowUnexported(marks{}, mark{}, span{})); diff != "" || err != nil {
		t.Error(err, diff)
	}
	m.spans = nil
	got, err = parseMarks("1" + old)
	if diff := cmp.Diff(m, got, cmp.AllowUnexported(marks{}, mark{}, span{})); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, text := range []string{"", "1", "3 0", "1 x", "1 0 a", "1 0 a:b:c:d", "2 0 a:1:2:3:4:b:5", "1 0 01000000000000000000000000000000:x:01000000000000000000000000000000:1", "1 0 01000000000000000000000000000000:1:x:1"} {
		if _, err := parseMarks(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestParseCursor(t *testing.T) {
	got, err := parseCursor("s=bfabd15718105cd8af4028eb59cf427b;i=1f;b=3aeed50c05cd4aa9979ffde56d3a56a8;m=5d2a;t=60a1;x=9c\n")
	if err != nil || got.begin != 0x60a1 || len(got.source) != 1 || len(got.spans) != 1 {
		t.Fatal(got, err)
	}
	for id, at := range got.source {
		if id.String() != "bfabd15718105cd8af4028eb59cf427b" || at.seqnum != 0x1f || at.realtime != 0x60a1 || at.boot.String() != "3aeed50c05cd4aa9979ffde56d3a56a8" {
			t.Error(id, at)
		}
	}
	if s := got.spans[0]; s.first != 0 || s.last != 0x5d2a || s.copies != 0 || s.hash != 0x9c || s.boot.String() != "3aeed50c05cd4aa9979ffde56d3a56a8" {
		t.Errorf("%+v", s)
	}
	for _, text := range []string{"", "s=1", "s=bfabd15718105cd8af4028eb59cf427b;t=1", "nonsense"} {
		if _, err := parseCursor(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
