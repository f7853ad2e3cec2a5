package filelog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// got is a record, or none.
type got struct {
	Time   int64
	Stream int
	Text   string
	Bad    bool
}

func show(r record, err error) got {
	if err != nil {
		return got{Bad: true}
	}
	return got{Time: r.time, Stream: r.stream, Text: string(r.text)}
}

// check scans line and reports whether it was read without encoding/json. The result must equal that of
// encoding/json in any case.
func check(t *testing.T, line string) (r got, fast bool) {
	t.Helper()
	want := show(slowScan([]byte(line)))
	b := []byte(line)
	_, fast = new(scanner).docker(b)
	if !fast && string(b) != line {
		t.Errorf("%q is none of Docker's, but was written into: %q", line, b)
	}
	s := new(scanner)
	for range 2 { // the second time, the second is cached
		r = show(s.scan([]byte(line)))
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%q (-encoding/json +scanner):\n%s", line, diff)
		}
	}
	return r, fast
}

const at1 = 1767323045_000000006 // t1

const (
	t1   = "2026-01-02T03:04:05.000000006Z"
	rest = `","stream":"stdout","time":"` + t1 + `"}`
)

func TestScan(t *testing.T) {
	long := strings.Repeat("0123456789", 50)
	for name, tc := range map[string]struct {
		line string
		want got
		slow bool // left to encoding/json
	}{
		"stdout":               {`{"log":"hello\n` + rest, got{Time: at1, Text: "hello\n"}, false},
		"stderr":               {`{"log":"oops\n","stream":"stderr","time":"` + t1 + `"}`, got{Time: at1, Stream: 1, Text: "oops\n"}, false},
		"empty line":           {`{"log":"\n` + rest, got{Time: at1, Text: "\n"}, false},
		"nothing":              {`{"log":"` + rest, got{Time: at1}, false},
		"piece":                {`{"log":"` + long + rest, got{Time: at1, Text: long}, false},
		"escapes":              {`{"log":"\"a\\b\/c\b\f\n\r\t\u003c\u00e9\u20ac\n` + rest, got{Time: at1, Text: "\"a\\b/c\b\f\n\r\t<é€\n"}, false},
		"JSON in JSON":         {`{"log":"{\"level\":\"info\",\"msg\":\"` + long + `\"}\n` + rest, got{Time: at1, Text: `{"level":"info","msg":"` + long + "\"}\n"}, false},
		"surrogates":           {`{"log":"\ud83d\ude00 \ud83d \ude00 \ud83dx \ud83d\u0041\n` + rest, got{Time: at1, Text: "😀 \uFFFD \uFFFD \uFFFDx \uFFFDA\n"}, false},
		"beyond ASCII":         {`{"log":"grüße 😀\n` + rest, got{Time: at1, Text: "grüße 😀\n"}, false},
		"not UTF-8":            {"{\"log\":\"a\xff\xffb\\n" + rest, got{Time: at1, Text: "a\uFFFD\uFFFDb\n"}, true},
		"attrs":                {`{"log":"hello\n","stream":"stdout","attrs":{"tag":"a\"},{b","":"c"},"time":"` + t1 + `"}`, got{Time: at1, Text: "hello\n"}, false},
		"no attrs":             {`{"log":"hello\n","stream":"stdout","attrs":{},"time":"` + t1 + `"}`, got{Time: at1, Text: "hello\n"}, false},
		"attrs of other kinds": {`{"log":"hello\n","stream":"stdout","attrs":{"a":1},"time":"` + t1 + `"}`, got{Time: at1, Text: "hello\n"}, true},
		"attrs cut":            {`{"log":"hello\n","stream":"stdout","attrs":{"a":"b"`, got{Bad: true}, true},
		"other order":          {`{"time":"` + t1 + `","stream":"stdout","log":"a\"b\n"}`, got{Time: at1, Text: "a\"b\n"}, true},
		"blanks":               {` {"log": "hello\n", "stream":"stdout","time":"` + t1 + `"} `, got{Time: at1, Text: "hello\n"}, true},
		"log twice":            {`{"log":"a\"b","log":"c\n` + rest, got{Time: at1, Text: "c\n"}, true},
		"no fraction":          {`{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}`, got{Time: at1 - 6, Text: "a\n"}, false},
		"one digit":            {`{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:05.1Z"}`, got{Time: at1 - 6 + 1e8, Text: "a\n"}, false},
		"ten digits":           {`{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:05.0000000069Z"}`, got{Time: at1, Text: "a\n"}, true},
		"another zone":         {`{"log":"a\n","stream":"stdout","time":"2026-01-02T04:04:05.000000006+01:00"}`, got{Time: at1, Text: "a\n"}, true},
		"a point alone":        {`{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:05.Z"}`, got{Bad: true}, true},
		"no such day":          {`{"log":"a\n","stream":"stdout","time":"2026-02-30T03:04:05Z"}`, got{Bad: true}, true},
		"no time":              {`{"log":"a\n","stream":"stdout"}`, got{Bad: true}, true},
		"year one":             {`{"log":"a\n","stream":"stdout","time":"0001-01-01T00:00:00Z"}`, got{Bad: true}, true},
		"no stream":            {`{"log":"a\n","stream":"stdin","time":"` + t1 + `"}`, got{Bad: true}, true},
		"bad escape":           {`{"log":"a\x` + rest, got{Bad: true}, true},
		"half an escape":       {`{"log":"a\u12` + rest, got{Bad: true}, true},
		"control character":    {"{\"log\":\"a\x01b\\n" + rest, got{Bad: true}, true},
		"cut in the log":       {`{"log":"hel`, got{Bad: true}, true},
		"cut in an escape":     {`{"log":"hel\`, got{Bad: true}, true},
		"cut in the time":      {`{"log":"hello\n","stream":"stdout","time":"2026-01-02T03`, got{Bad: true}, true},
		"cut before the time":  {`{"log":"hello\n","stream":"stdout","time":"}`, got{Bad: true}, true},
		"two on a line":        {`{"log":"hel{"log":"hello\n` + rest, got{Bad: true}, true},
		"zeros":                {"\x00\x00\x00" + `{"log":"hello\n` + rest, got{Bad: true}, true},
		"nothing at all":       {"", got{Bad: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, fast := check(t, tc.line)
			if diff := cmp.Diff(tc.want, r); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if fast == tc.slow {
				t.Errorf("read without encoding/json: %t, want %t", fast, !tc.slow)
			}
		})
	}
}

// Each byte at each of the eight places that are examined together.
func TestEveryByteAtEveryPlace(t *testing.T) {
	for c := range 256 {
		for n := range 17 {
			line := []byte(`{"log":"` + strings.Repeat("x", 20) + `\n` + rest)
			line[len(beforeLog)+n] = byte(c)
			check(t, string(line))
		}
	}
}

func TestDigitsOfTheSecond(t *testing.T) {
	for digits := 1; digits <= 9; digits++ {
		at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC).Truncate(time.Duration(powers[min(9-digits, 8)]))
		line := fmt.Sprintf(`{"log":"a\n","stream":"stdout","time":%q}`, at.Format(time.RFC3339Nano))
		if r, fast := check(t, line); r.Time != at.UnixNano() || !fast {
			t.Errorf("%s: time = %d, want %d; without encoding/json: %t", line, r.Time, at.UnixNano(), fast)
		}
	}
}

func TestSalvage(t *testing.T) {
	for name, tc := range map[string]struct {
		line string
		want got
	}{
		"cut short":      {`{"log":"hel{"log":"hello\n` + rest, got{Time: at1, Text: "hello\n"}},
		"cut twice":      {`{"log":"a{"log":"b{"log":"hello\n` + rest, got{Time: at1, Text: "hello\n"}},
		"zeros":          {"\x00\x00" + `{"log":"hello\n` + rest, got{Time: at1, Text: "hello\n"}},
		"quoted":         {`xx{"log":"say {\"log\":\"x\n` + rest, got{Time: at1, Text: "say {\"log\":\"x\n"}},
		"nothing in it":  {`{"log":"hel`, got{Bad: true}},
		"whole and cut":  {`{"log":"a\n` + rest + `{"log":"b`, got{Bad: true}},
		"nothing at all": {"", got{Bad: true}},
	} {
		t.Run(name, func(t *testing.T) {
			r, ok := new(scanner).salvage([]byte(tc.line))
			err := error(nil)
			if !ok {
				err = errNoRecord
			}
			if diff := cmp.Diff(tc.want, show(r, err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzScan(f *testing.F) {
	for _, line := range []string{
		`{"log":"hello\n` + rest,
		`{"log":"{\"a\":\"\u003c\ud83d\ude00\"}\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}`,
		`{"log":"é\n","stream":"stdout","attrs":{"a":"b","c":"\"d"},"time":"2026-01-02T03:04:05.12Z"}`,
		`{"time":"` + t1 + `","log":"x"}`,
		"{\"log\":\"\xff\\n" + rest,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		check(t, string(line))
		new(scanner).salvage(bytes.Clone(line))
	})
}

// jsonLine is a line of a json-file log as encoding/json writes it, which is how Docker does.
func jsonLine(at int64, stream, text string) string {
	b, err := json.Marshal(struct {
		Log    string    `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}{text, stream, time.Unix(0, at).UTC()})
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

// FuzzText compares the scanner with what was written, rather than with another reader.
func FuzzText(f *testing.F) {
	f.Add("hello\n", int64(at1))
	f.Add("{\"a\":\"<é\u2028\\\"}\x00\x7f", int64(1e9))
	f.Fuzz(func(t *testing.T, text string, at int64) {
		if at < 0 {
			return // before 1970
		}
		line := strings.TrimSuffix(jsonLine(at, "stderr", text), "\n")
		r, fast := check(t, line)
		want := got{Time: at, Stream: 1, Text: string([]rune(text))}
		if text == want.Text && r != want || !fast {
			t.Errorf("%q: %+v, want %+v; without encoding/json: %t", line, r, want, fast)
		}
	})
}
