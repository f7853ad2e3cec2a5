package push

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
)

func TestPush(t *testing.T) {
	js := func(s string) []byte { return []byte(s) }
	two := js(`{"streams": [{"stream": {"job": "a"}, "values": [["1", "one"], ["2", "two", {"trace_id": "x", "a": "y"}]]}, {"stream": {"job": "b", "n": 5}, "values": [[3, "three"], null]}]}`)
	wantTwo := []string{`{job="a"} 1 one`, `{job="a"} 2 two a="y" trace_id="x"`, `{job="b", n="5"} 3 three`}
	metadata := stream(`{job="a"}`, "one")
	metadata.Entries[0].StructuredMetadata = []push.LabelAdapter{{Name: "trace_id", Value: "x"}, {Name: "a", Value: "y"}}
	early := stream(`{job="a"}`, "one")
	early.Entries[0].Timestamp = time.Unix(-1, 5)
	for name, tc := range map[string]struct {
		path    string
		body    []byte
		headers []string
		want    []string
		status  int // 0: 204
		text    string
	}{
		"json":              {body: two, headers: []string{jsonType}, want: wantTwo},
		"json, charset":     {body: two, headers: []string{jsonType + "; charset=utf-8"}, want: wantTwo},
		"json, gzip":        {body: compressed(t, "gzip", two), headers: []string{jsonType, "Content-Encoding: gzip"}, want: wantTwo},
		"json, deflate":     {body: compressed(t, "deflate", two), headers: []string{jsonType, "Content-Encoding: deflate"}, want: wantTwo},
		"json, zlib":        {body: compressed(t, "zlib", two), headers: []string{jsonType, "Content-Encoding: deflate"}, want: wantTwo},
		"json, other path":  {path: "/api/v1/push", body: two, headers: []string{jsonType}, want: wantTwo},
		"json, no streams":  {body: js(`{}`), headers: []string{jsonType}},
		"json, escapes":     {body: js(`{"streams":[{"stream":{"job":"\u00e4\""},"values":[["1","a\tb\u0000"]]}]}`), headers: []string{jsonType}, want: []string{"{job=\"ä\\\"\"} 1 a\tb\x00"}},
		"protobuf":          {body: protobuf(t, stream(`{job="a", b='c',}`, "one", "two"), stream("{ job = `b` }", "three")), headers: []string{protoType, "Content-Encoding: snappy"}, want: []string{`{b="c", job="a"} 1 one`, `{b="c", job="a"} 2 two`, `{job="b"} 1 three`}},
		"protobuf, no type": {body: protobuf(t, stream(`{job="a"}`, "one")), want: []string{`{job="a"} 1 one`}},
		"protobuf, gzip":    {body: compressed(t, "gzip", protobuf(t, stream(`{job="a"}`, "one"))), headers: []string{"Content-Encoding: gzip"}, want: []string{`{job="a"} 1 one`}},
		"protobuf, fields":  {body: protobuf(t, metadata), want: []string{`{job="a"} 1 one trace_id="x" a="y"`}},
		"before 1970":       {body: protobuf(t, early), want: []string{`{job="a"} -999999995 one`}},
		"tenant":            {body: protobuf(t, stream(`{job="a"}`, "one")), headers: []string{"X-Scope-OrgID: team-1"}, want: []string{`{__tenant_id__="team-1", job="a"} 1 one`}},
		"labels of no use":  {body: protobuf(t, stream(`{__a="b", job="a", x=""}`, "one")), want: []string{`{job="a"} 1 one`}},
		"empty line":        {body: protobuf(t, stream(`{job="a"}`, "")), want: []string{`{job="a"} 1 `}},

		"one stream is bad": {body: protobuf(t, stream(`{job="a`, "one"), stream(`{job="b"}`, "two")), want: []string{`{job="b"} 1 two`}, status: 400, text: `1 of the streams were left out and the others taken: the labels "{job=\"a" cannot be read`},
		"json, bad name":    {body: js(`{"streams":[{"stream":{"a b":"c"},"values":[["1","x"]]},{"stream":{"a":"c"},"values":[["1","y"]]}]}`), headers: []string{jsonType}, want: []string{`{a="c"} 1 y`}, status: 400, text: `"a b" is not the name of a label`},

		"not json":              {body: js(`{"streams": [`), headers: []string{jsonType}, status: 400, text: "not a push request in JSON"},
		"json, number as line":  {body: js(`{"streams":[{"stream":{},"values":[["1",2]]}]}`), headers: []string{jsonType}, status: 400, text: `the line "2" of an entry is not a string`},
		"json, float as time":   {body: js(`{"streams":[{"stream":{},"values":[[1.5,"a"]]}]}`), headers: []string{jsonType}, status: 400, text: `the time "1.5" of an entry is not a number of nanoseconds`},
		"json, words as time":   {body: js(`{"streams":[{"stream":{},"values":[["now","a"]]}]}`), headers: []string{jsonType}, status: 400, text: `the time "now"`},
		"json, short entry":     {body: js(`{"streams":[{"stream":{},"values":[["1"]]}]}`), headers: []string{jsonType}, status: 400, text: "not an array of a time and a line"},
		"json, number as field": {body: js(`{"streams":[{"stream":{},"values":[["1","a",{"b":1}]]}]}`), headers: []string{jsonType}, status: 400, text: "not an object of strings"},
		"json, null as field":   {body: js(`{"streams":[{"stream":{},"values":[["1","a",{"b":null}]]}]}`), headers: []string{jsonType}, status: 400, text: "not an object of strings"},
		"json, object as label": {body: js(`{"streams":[{"stream":{"a":{}},"values":[["1","a"]]}]}`), headers: []string{jsonType}, status: 400, text: "not a string"},
		"json without its type": {body: two, status: 400, text: "snappy"},
		"not snappy":            {body: js("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), status: 400, text: "snappy"},
		"not protobuf":          {body: snappy.Encode(nil, js("\x0a\x7fx")), status: 400, text: "not a push request in protobuf"},
		"not gzip":              {body: two, headers: []string{jsonType, "Content-Encoding: gzip"}, status: 400, text: "not gzip"},
		"gzip that ends early":  {body: compressed(t, "gzip", two)[:30], headers: []string{jsonType, "Content-Encoding: gzip"}, status: 400, text: "could not be read"},
		"unknown encoding":      {body: two, headers: []string{jsonType, "Content-Encoding: br"}, status: 400, text: `Content-Encoding "br"`},
		"unreadable type":       {body: two, headers: []string{"Content-Type: a/b/c"}, status: 400, text: "Content-Type"},
		"two tenants":           {body: two, headers: []string{jsonType, "X-Scope-OrgID: a|b"}, status: 400, text: "X-Scope-OrgID has '|'"},
		"unknown path":          {path: "/api/v1/other", status: 404, text: "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &backend{times: true}
			s := newServer(Options{Logs: []lighter.Logs{b}, UseIncomingTimestamp: true})
			delivering(t, s)
			if tc.path == "" {
				tc.path = lokiPush
			}
			if tc.status == 0 {
				tc.status = http.StatusNoContent
			}
			w := send(s, tc.path, tc.body, tc.headers...)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.text) || w.Code != 204 && w.Body.Len() == 0 {
				t.Errorf("status %d: %s, want %d: %s", w.Code, w.Body, tc.status, tc.text)
			}
			if diff := cmp.Diff(tc.want, b.got()); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if s.room.used != 0 {
				t.Errorf("%d bytes are still counted", s.room.used)
			}
		})
	}
}

func TestRaw(t *testing.T) {
	drop := relabel.DefaultRelabelConfig
	drop.Action, drop.SourceLabels, drop.Regex, drop.NameValidationScheme = relabel.Drop, model.LabelNames{"job"}, relabel.MustNewRegexp(".*"), model.LegacyValidation
	for _, path := range []string{"/loki/api/v1/raw", "/api/v1/raw"} {
		b := &backend{}
		s := newServer(Options{Logs: []lighter.Logs{b}, Labels: labels.FromStrings("job", "raw"), Rules: []*relabel.Config{&drop}, UseIncomingTimestamp: true})
		delivering(t, s)
		before := time.Now().UnixNano()
		if w := send(s, path, []byte("{\"a\":1}\r\n\n\r\ntwo\n three")); w.Code != 204 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if diff := cmp.Diff([]string{`{job="raw"} {"a":1}`, `{job="raw"} two`, `{job="raw"}  three`}, b.got()); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		if s.clock.Next() < before {
			t.Error("the lines do not have the time of their arrival")
		}
	}
}

// The source's own labels win over a sender's, and the rules see both.
func TestLabelsAndRules(t *testing.T) {
	rule := func(action relabel.Action, source, regex, target, replacement string) *relabel.Config {
		c := relabel.DefaultRelabelConfig
		c.Action, c.SourceLabels, c.Regex, c.TargetLabel, c.Replacement, c.NameValidationScheme = action, model.LabelNames{model.LabelName(source)}, relabel.MustNewRegexp(regex), target, replacement, model.LegacyValidation
		return &c
	}
	b := &backend{}
	s := newServer(Options{
		Logs:   []lighter.Logs{b},
		Labels: labels.FromStrings("source", "push"),
		Rules:  []*relabel.Config{rule(relabel.Drop, "level", "debug", "", ""), rule(relabel.Replace, "source", "(.*)", "via", "$1")},
	})
	delivering(t, s)
	before := time.Now().UnixNano()
	body := protobuf(t, stream(`{job="a", source="x"}`, "one", "one"), stream(`{job="a", level="debug"}`, "two"))
	if w := send(s, lokiPush, body); w.Code != 204 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	want := []string{`{job="a", source="push", via="push"} one`, `{job="a", source="push", via="push"} one`}
	if diff := cmp.Diff(want, b.got()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if at := s.clock.Next(); at < before || at > time.Now().UnixNano()+1000 {
		t.Errorf("the time of arrival is %d", at)
	}
}

// Equal lines of one request must not have equal times, because Loki would keep one of them.
func TestTimesOfArrivalDiffer(t *testing.T) {
	b := &backend{times: true}
	s := newServer(Options{Logs: []lighter.Logs{b}})
	delivering(t, s)
	send(s, lokiPush, protobuf(t, stream(`{job="a"}`, "one", "one", "one")))
	seen := map[string]bool{}
	for _, line := range b.got() {
		seen[line] = true
	}
	if len(seen) != 3 {
		t.Errorf("entries: %q", b.got())
	}
}

func TestTooLarge(t *testing.T) {
	b := &backend{}
	s := newServer(Options{Logs: []lighter.Logs{b}, MaxBodyBytes: 1000})
	delivering(t, s)
	long := strings.Repeat("a", 2000)
	body := []byte(fmt.Sprintf(`{"streams":[{"stream":{"a":"b"},"values":[["1",%q]]}]}`, long))
	for name, got := range map[string]int{
		"json":           send(s, lokiPush, body, jsonType).Code,
		"json, gzip":     send(s, lokiPush, compressed(t, "gzip", body), jsonType, "Content-Encoding: gzip").Code,
		"protobuf":       send(s, lokiPush, protobuf(t, stream(`{a="b"}`, long))).Code,
		"snappy's claim": send(s, lokiPush, []byte("\xff\xff\xff\xff\x0f")).Code,
		"raw":            send(s, "/api/v1/raw", []byte(long)).Code,
	} {
		if got != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d", name, got)
		}
	}
	if len(b.got()) > 0 || s.room.used != 0 {
		t.Errorf("%d entries came, %d bytes are still counted", len(b.got()), s.room.used)
	}
}

// A request with more than a batch takes goes on in several batches, in order.
func TestLargeRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{hold: true}
		s := newServer(Options{Logs: []lighter.Logs{b}})
		delivering(t, s)
		var lines []string
		for i := range 5000 {
			lines = append(lines, fmt.Sprintf("%04d %s", i, strings.Repeat("x", 1000)))
		}
		response := inBackground(s, protobuf(t, stream(`{a="b"}`, lines...)))
		synctest.Wait()
		if n := len(b.batches); n < 5 || n > 7 {
			t.Errorf("%d batches", n)
		}
		got := b.got()
		if len(got) != len(lines) {
			t.Fatalf("%d entries, want %d", len(got), len(lines))
		}
		for i, line := range got {
			if !strings.HasPrefix(line, fmt.Sprintf(`{a="b"} %04d `, i)) {
				t.Fatalf("entry %d is %.30s", i, line)
			}
		}
		b.acknowledge()
		synctest.Wait()
		if status := answered(response); status != 204 {
			t.Errorf("status %d", status)
		}
	})
}

func TestReadyAndMethods(t *testing.T) {
	s := newServer(Options{})
	for path, want := range map[string]int{"/ready": 200, lokiPush: 405, "/api/v1/raw": 405, "/": 404} {
		r, _ := http.NewRequest(http.MethodGet, path, http.NoBody)
		w := &recorder{header: http.Header{}}
		s.http.Handler.ServeHTTP(w, r)
		if w.status != want {
			t.Errorf("GET %s: status %d, want %d", path, w.status, want)
		}
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(n int)   { r.status = n }
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = 200
	}
	return len(b), nil
}

func TestParseLabels(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                         `{}`,
		` {a="b"} `:                  `{a="b"}`,
		`{b="1",a="2"}`:              `{a="2", b="1"}`,
		`{a="x\"}\\y", b="\u00e4"}`:  `{a="x\"}\\y", b="ä"}`,
		"{a=`\\`}":                   `{a="\\"}`,
		`{a='"'}`:                    `{a="\""}`,
		`{a="b",}`:                   `{a="b"}`,
		"{\n\ta = \"b\" ,\n c=\"\"}": `{a="b"}`,
		``:                           "error",
		`{`:                          "error",
		`{a`:                         "error",
		`{a=`:                        "error",
		`{a="`:                       "error",
		`{a="b`:                      "error",
		`{a="b"`:                     "error",
		`{a="b\`:                     "error",
		`{a="b"} x`:                  "error",
		`{a="b" c="d"}`:              "error",
		`{a="b",,}`:                  "error",
		`{,}`:                        "error",
		`{1a="b"}`:                   "error",
		`{a="b", a="c"}`:             "error",
		`{a=b}`:                      "error",
		`{a="\q"}`:                   "error",
		`{"a"="b"}`:                  "error",
		`job{a="b"}`:                 "error",
	} {
		got, err := parseLabels(in)
		text := got.String()
		if err != nil {
			text = "error"
		}
		if text != want {
			t.Errorf("%s: %s (%v), want %s", in, text, err, want)
		}
	}
}

// The times at the ends of what 64 bits can say, and beyond.
func TestTimeRange(t *testing.T) {
	for seconds, ok := range map[int64]bool{0: true, maxSeconds - 1: true, -maxSeconds + 1: true, maxSeconds: false, -maxSeconds: false, math.MaxInt64: false, math.MinInt64: false} {
		b := []byte{timeSeconds << 3}
		for v := uint64(seconds); ; v >>= 7 {
			if v < 0x80 {
				b = append(b, byte(v))
				break
			}
			b = append(b, byte(v)|0x80)
		}
		b = append(b, timeNanos<<3, 1)
		got, err := decodeTime(b)
		if (err == nil) != ok || ok && got != seconds*1e9+1 {
			t.Errorf("%d s: %d, %v", seconds, got, err)
		}
	}
}

func FuzzPush(f *testing.F) {
	f.Add(protobuf(f, stream(`{job="a"}`, "one", "two")), false, "")
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x",{"c":"d"}],[2,"y"]]}]}`), true, "")
	f.Add(compressed(f, "gzip", []byte(`{"streams":[]}`)), true, "gzip")
	f.Add(compressed(f, "zlib", []byte(`{"streams":[]}`)), true, "deflate")
	f.Fuzz(func(t *testing.T, body []byte, inJSON bool, encoding string) {
		b := &backend{}
		s := newServer(Options{Logs: []lighter.Logs{b}, MaxBodyBytes: 1 << 20, UseIncomingTimestamp: true})
		delivering(t, s)
		kind := protoType
		if inJSON {
			kind = jsonType
		}
		w := send(s, lokiPush, body, kind, "Content-Encoding: "+encoding)
		if w.Code != 204 && w.Code != 400 && w.Code != 413 || w.Code != 204 && w.Body.Len() == 0 {
			t.Errorf("status %d: %q", w.Code, w.Body)
		}
		if s.room.used != 0 {
			t.Errorf("%d bytes are still counted", s.room.used)
		}
	})
}

// What the decoder finds in a request is what Loki's own decoder finds in it.
func FuzzProtobuf(f *testing.F) {
	one := stream(`{job="a"}`, "one", "two")
	one.Entries[1].StructuredMetadata = []push.LabelAdapter{{Name: "a", Value: "b"}}
	raw, _ := snappy.Decode(nil, protobuf(f, one))
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := newServer(Options{UseIncomingTimestamp: true})
		got := &taken{s: s, lease: &lease{room: &s.room}}
		err := decodeProtobuf(raw, got)
		var want push.PushRequest
		if want.Unmarshal(raw) != nil || err != nil {
			return // they differ in what they refuse, such as fields that neither needs
		}
		i := 0
		var entries []*lighter.Batch = got.batches
		for _, in := range want.Streams {
			if _, err := parseLabels(in.Labels); err != nil {
				continue
			}
			for _, e := range in.Entries {
				if len(entries) == 0 || i >= len(entries[0].Entries) {
					t.Fatal("entries are missing")
				}
				own := &entries[0].Entries[i]
				if string(own.Line) != e.Line {
					t.Fatalf("line %q, want %q", own.Line, e.Line)
				}
				if at := e.Timestamp.UnixNano(); !e.Timestamp.IsZero() && time.Unix(0, at).Equal(e.Timestamp) && own.Time != at {
					t.Fatalf("time %d, want %d", own.Time, at)
				}
				fields := entries[0].Fields(own)
				if len(fields) != len(e.StructuredMetadata) {
					t.Fatalf("%d fields, want %d", len(fields), len(e.StructuredMetadata))
				}
				for k, f := range fields {
					if f.Name != e.StructuredMetadata[k].Name || !bytes.Equal(f.Value, []byte(e.StructuredMetadata[k].Value)) {
						t.Fatalf("field %q=%q, want %v", f.Name, f.Value, e.StructuredMetadata[k])
					}
				}
				if i++; i == len(entries[0].Entries) {
					entries, i = entries[1:], 0
				}
			}
		}
		if len(entries) > 0 {
			t.Fatal("there are too many entries")
		}
	})
}
