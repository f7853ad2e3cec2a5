package demo

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/exporters/receiver"
)

func TestTable(t *testing.T) {
	r := Result{
		Lines:        []Count{{"shop-api-1", 1201, 1200}, {"db", 21, 21}},
		Samples:      Count{"samples", unknown, 312},
		LinesTwice:   2,
		SamplesTwice: 0,
	}
	want := strings.Join([]string{
		"              produced  delivered  lost  sent twice",
		"log lines        1,222      1,221     1           2",
		"  shop-api-1     1,201      1,200     1",
		"  db                21         21     0",
		"samples              ?        312     ?           0",
	}, "\n")
	if diff := cmp.Diff(want, r.table()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if r.Lost() != 1 {
		t.Errorf("Lost = %d, want 1", r.Lost())
	}
}

func TestArrivedOf(t *testing.T) {
	a, b := receiver.LogEntry{Time: 1, Line: "a"}, receiver.LogEntry{Time: 1, Line: "b"}
	type entries = []receiver.LogEntry
	for name, tc := range map[string]struct {
		want, got entries
		n         int
	}{
		"all":                  {entries{a, b}, entries{b, a}, 2},
		"none":                 {entries{a, b}, nil, 0},
		"written twice":        {entries{a, a}, entries{a}, 1},
		"arrived twice":        {entries{a}, entries{a, a}, 1},
		"another at that time": {entries{a}, entries{b}, 0},
	} {
		if got := arrivedOf(tc.want, tc.got); got != tc.n {
			t.Errorf("%s: arrivedOf = %d, want %d", name, got, tc.n)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %s, want %s", n, got, want)
		}
	}
}

func logFrame(stream byte, message string) string {
	header := make([]byte, 8)
	header[0] = stream
	binary.BigEndian.PutUint32(header[4:], uint32(len(message)))
	return string(header) + message
}

func TestReadLog(t *testing.T) {
	const one, two = "2026-01-02T03:04:05.000000001Z ", "2026-01-02T03:04:05.000000002Z "
	for name, tc := range map[string]struct {
		log  string
		tty  bool
		want string
		fail bool
	}{
		"empty":                    {"", false, "", false},
		"two streams":              {logFrame(1, one+"a\n") + logFrame(2, two+"\n"), false, "stdout1 stderr2 ", false},
		"a line in pieces":         {logFrame(1, one+"aa") + logFrame(2, two+"b\n") + logFrame(1, one+"aa\n"), false, "stderr2 stdout1 ", false},
		"not finished yet":         {logFrame(1, one+"aa"), false, "", false},
		"terminal":                 {one + "a\r\n" + two + "b\r\n", true, "stdout1 stdout2 ", false},
		"terminal in mid-line":     {one + "a\r\n" + two + "b", true, "stdout1 ", false},
		"the Engine's own error":   {logFrame(3, "no such log"), false, "", true},
		"cut in a header":          {logFrame(1, one+"a\n") + "\x01\x00", false, "stdout1 ", true},
		"cut in a message":         {logFrame(1, one+"a\n")[:30], false, "", true},
		"no time":                  {logFrame(1, "hello\n"), false, "", true},
		"a stream that is unknown": {logFrame(9, "x"), false, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			err := readLog(strings.NewReader(tc.log), tc.tty, func(stream string, at int64) {
				got += stream + string(rune('0'+at%10)) + " "
			})
			if got != tc.want || (err != nil) != tc.fail {
				t.Errorf("lines %q, error %v; want %q, error %t", got, err, tc.want, tc.fail)
			}
		})
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(logFrame(1, "2026-01-02T03:04:05.000000001Z a\n"), false)
	f.Add("2026-01-02T03:04:05.000000001Z a\r\n", true)
	f.Fuzz(func(t *testing.T, log string, tty bool) {
		n := 0
		err := readLog(strings.NewReader(log), tty, func(string, int64) { n++ })
		if lines := strings.Count(log, "\n"); n > lines {
			t.Errorf("%d lines of %d newlines (%v)", n, lines, err)
		}
	})
}
