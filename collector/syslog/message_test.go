package syslog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMessages(t *testing.T) {
	const header = `<165>1 2025-12-18T00:33:00.123456Z web01 nginx 12 ID47 `
	const fields = `{connection_ip_address="10.0.0.1", job="syslog", message_app_name="nginx", message_facility="local4", message_hostname="web01", message_msg_id="ID47", message_proc_id="12", message_severity="notice"} `
	const oldHeader = "<34>Oct 11 22:14:15 mymachine su[12]: "
	const oldFields = `{connection_ip_address="10.0.0.1", job="syslog", message_app_name="su", message_facility="auth", message_hostname="mymachine", message_proc_id="12", message_severity="critical"} `
	const bare = `{connection_ip_address="10.0.0.1", job="syslog"} `
	for name, tc := range map[string]struct {
		l                  Listener
		in                 string
		want               []string
		failed, empty, cut int
	}{
		"newlines":               {in: header + "- one\n" + header + "- two\n", want: []string{fields + "one", fields + "two"}},
		"newlines, no last one":  {in: header + "- one\n" + header + "- two", want: []string{fields + "one", fields + "two"}},
		"carriage returns":       {in: header + "- one\r\n" + header + "- two\r\n", want: []string{fields + "one", fields + "two"}},
		"empty lines":            {in: "\n\n" + header + "- one\n\n\n" + header + "- two\n\n", want: []string{fields + "one", fields + "two"}},
		"a message of two lines": {in: header + "- one\n  at two\n5 three\n" + header + "- four\n", want: []string{fields + "one\n  at two\n5 three", fields + "four"}},
		"octets":                 {in: octets(header+"- one", header+"- two"), want: []string{fields + "one", fields + "two"}},
		"octets, two lines":      {in: octets(header+"- one\ntwo\n", header+"- three"), want: []string{fields + "one\ntwo", fields + "three"}},
		"octets and newlines":    {in: octets(header+"- one") + "\n" + octets(header+"- two") + "\n", want: []string{fields + "one", fields + "two"}},
		"octets, then a line":    {in: octets(header+"- one") + header + "- two\n", want: []string{fields + "one", fields + "two"}},
		"octets, ending early":   {in: "999 " + header + "- one", want: []string{fields + "one"}, cut: 1},
		"octets, then garbage":   {in: octets(header+"- one") + "garbage\n" + octets(header+"- two"), want: []string{fields + "one"}},
		"too long":               {l: Listener{MaxMessageBytes: 60}, in: header + "- " + strings.Repeat("a", 10000) + "\n" + header + "- two\n", want: []string{fields + "aaa", fields + "two"}, cut: 1},
		"octets, too long":       {l: Listener{MaxMessageBytes: 60}, in: octets(header+"- "+strings.Repeat("a", 10000), header+"- two"), want: []string{fields + "aaa", fields + "two"}, cut: 1},
		"nothing but a priority": {in: "<165>1 - - - - - - one\n", want: []string{`{connection_ip_address="10.0.0.1", job="syslog", message_facility="local4", message_severity="notice"} one`}},
		"structured data":        {in: header + `[a@1 b="c"] one` + "\n", want: []string{fields + "one"}},
		"structured data as labels": {l: Listener{LabelStructuredData: true}, in: header + `[example@99999 test="yes" q="a\"b"][x] one` + "\n",
			want: []string{strings.Replace(fields, `message_severity`, `message_sd_example_99999_q="a\"b", message_sd_example_99999_test="yes", message_severity`, 1) + "one"}},
		"the whole message":       {l: Listener{UseRFC5424Message: true}, in: header + `[b@1 y="1" x="2"][a@1] one` + "\n", want: []string{fields + header + `[a@1][b@1 x="2" y="1"] one`}},
		"without a text":          {in: header + "-\n" + header + "- two\n", want: []string{fields + "two"}, empty: 1},
		"without a text, allowed": {l: Listener{AllowEmpty: true}, in: header + "-\n", want: []string{strings.TrimSpace(fields)}, empty: 1},
		"without a text, whole":   {l: Listener{AllowEmpty: true, UseRFC5424Message: true}, in: header + "-\n", want: []string{fields + header + "-"}, empty: 1},
		"without a text, dropped": {l: Listener{UseRFC5424Message: true}, in: header + "-\n", empty: 1},
		"not syslog":              {in: "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + header + "- one\n", want: []string{fields + "one"}, failed: 1},
		"the other format":        {in: oldHeader + "one\n" + header + "- two\n", want: []string{fields + "two"}, failed: 1},
		"a bad priority":          {in: "<999>1 - - - - - - one\n", failed: 1},
		"no bytes of text":        {in: header + "- \xff\xfe\n", want: []string{fields + "\xff\xfe"}},

		"rfc3164":               {l: Listener{Format: RFC3164}, in: oldHeader + "one\n" + oldHeader + "two\n", want: []string{oldFields + "one", oldFields + "two"}},
		"rfc3164, octets":       {l: Listener{Format: RFC3164}, in: octets(oldHeader+"one\n", oldHeader+"two\nthree"), want: []string{oldFields + "one", oldFields + "two\nthree"}},
		"rfc3164, two lines":    {l: Listener{Format: RFC3164}, in: oldHeader + "one\n  at two\n" + oldHeader + "three\n", want: []string{oldFields + "one\n  at two", oldFields + "three"}},
		"rfc3164, other format": {l: Listener{Format: RFC3164}, in: header + "- one\n", failed: 1},
		"rfc3164, cisco": {l: Listener{Format: RFC3164, Cisco: Cisco{MessageCounter: true, SequenceNumber: true, Hostname: true, SecondFractions: true}},
			in:   "<189>237: 000485: router1: *Jan  8 19:46:03.295: %SYS-5-CONFIG_I: Configured from console\n",
			want: []string{`{connection_ip_address="10.0.0.1", job="syslog", message_app_name="%SYS-5-CONFIG_I", message_facility="local7", message_hostname="router1", message_msg_counter="237", message_sequence="485", message_severity="notice"} Configured from console`}},

		"raw":               {l: Listener{Format: Raw}, in: " CEF:0|a|b \n<34> two\n\n<34>\n5 apples\n<x>y\n<34", want: []string{bare + "CEF:0|a|b", `{connection_ip_address="10.0.0.1", job="syslog", message_facility="auth", message_severity="critical"} two`, bare + "5 apples", bare + "<x>y", bare + "<34"}, empty: 1},
		"raw, octets":       {l: Listener{Format: Raw}, in: octets("one\ntwo", "three"), want: []string{bare + "one\ntwo", bare + "three"}},
		"raw, zero bytes":   {l: Listener{Format: Raw, NullDelimiter: true}, in: "one\ntwo\x00three\x00", want: []string{bare + "one\ntwo", bare + "three"}},
		"raw, a date first": {l: Listener{Format: Raw}, in: "2025-01-02 one\n2 two\n", want: []string{bare + "2025-01-02 one", bare + "2 two"}},
		"raw, too long":     {l: Listener{Format: Raw, MaxMessageBytes: 5}, in: "123456789\nabc\n", want: []string{bare + "12345", bare + "abc"}, cut: 1},
		"nothing":           {},
	} {
		t.Run(name, func(t *testing.T) {
			tc.l.Labels = job
			lines, _, failed, empty, cut := receiveAll(t, tc.l, tc.in)
			if diff := cmp.Diff(tc.want, lines); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if failed != tc.failed || empty != tc.empty || cut != tc.cut {
				t.Errorf("%d could not be parsed, %d were empty, %d were cut; want %d, %d, %d", failed, empty, cut, tc.failed, tc.empty, tc.cut)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	own := time.Date(2025, 12, 18, 0, 33, 0, 123456000, time.UTC).UnixNano()
	for name, tc := range map[string]struct {
		l    Listener
		in   string
		want int64 // 0: of the arrival
	}{
		"arrival":                 {in: "<34>1 2025-12-18T00:33:00.123456Z - - - - - x"},
		"its own":                 {l: Listener{UseIncomingTimestamp: true}, in: "<34>1 2025-12-18T00:33:00.123456Z - - - - - x", want: own},
		"its own, of a zone":      {l: Listener{UseIncomingTimestamp: true}, in: "<34>1 2025-12-18T02:33:00.123456+02:00 - - - - - x", want: own},
		"it has none":             {l: Listener{UseIncomingTimestamp: true}, in: "<34>1 - - - - - - x"},
		"too long ago":            {l: Listener{UseIncomingTimestamp: true}, in: "<34>1 0001-01-01T00:00:00Z - - - - - x"},
		"rfc3164 has no year":     {l: Listener{Format: RFC3164, UseIncomingTimestamp: true}, in: "<34>Oct 11 22:14:15 h a: x"},
		"rfc3164, but of arrival": {l: Listener{Format: RFC3164, RFC3164DefaultToYear: true}, in: "<34>Oct 11 22:14:15 h a: x"},
	} {
		t.Run(name, func(t *testing.T) {
			before := time.Now().UnixNano()
			_, times, _, _, _ := receiveAll(t, tc.l, tc.in)
			after := time.Now().UnixNano()
			if len(times) != 1 || tc.want != 0 && times[0] != tc.want || tc.want == 0 && (times[0] < before || times[0] > after) {
				t.Errorf("times %d, want %d", times, tc.want)
			}
		})
	}
}

func FuzzReceive(f *testing.F) {
	f.Add("<34>1 2003-10-11T22:14:15.003Z host app 1 ID47 [a@1 b=\"c\\\"\"] hello\nworld\n<34>1 - - - - - - x\n", uint8(0))
	f.Add("<34>Oct 11 22:14:15 h a[1]: x\n10 <34>x", uint8(1))
	f.Add("12 <34>Oct 11 x\n\x00<34>one\x00", uint8(2))
	f.Add("<189>237: 000485: router1: *Jan  8 19:46:03.295: %SYS-5: x\n", uint8(3))
	f.Fuzz(func(t *testing.T, in string, kind uint8) {
		l := []Listener{
			{LabelStructuredData: true, UseIncomingTimestamp: true, UseRFC5424Message: true, AllowEmpty: true},
			{Format: RFC3164, UseIncomingTimestamp: true, RFC3164DefaultToYear: true},
			{Format: Raw, NullDelimiter: kind&4 != 0},
			{Format: RFC3164, Cisco: Cisco{true, true, true, true}},
		}[kind&3]
		l.MaxMessageBytes = 200
		lines, _, _, _, _ := receiveAll(t, l, in)
		for _, line := range lines {
			if len(line) > 4000 {
				t.Errorf("a line of %d bytes", len(line))
			}
		}
	})
}
