package process

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Where the expectations come from: "doc" is the page of loki.process in Alloy's reference, code is a file of
// internal/component/loki/process/stages at 66ebea85, "FACTS" is section 1k of FACTS.
const (
	doc   = "docs/sources/reference/components/loki/loki.process.md"
	facts = "FACTS 1k"
)

// caseOf is an entry, the expected result of stages, and the source of that expectation.
type caseOf struct {
	name   string
	source string
	stages string
	line   string   // several entries are separated by \n--\n
	labels []string // name, value, …
	time   string
	fields []string // structured metadata: name, value, …
	want   string   // entries as show writes them, one a line; a newline within one is written as \n
}

func (c caseOf) run(t *testing.T) {
	p := newPipe(t, c.stages, labels.FromStrings(c.labels...))
	var entries []in
	for l := range strings.SplitSeq(c.line, "\n--\n") {
		e := in{line: l}
		if c.time != "" {
			e.at = mustParseTime(c.time)
		}
		for i := 0; i < len(c.fields); i += 2 {
			e.fields = append(e.fields, lighter.Field{Name: c.fields[i], Value: []byte(c.fields[i+1])})
		}
		entries = append(entries, e)
	}
	p.read(entries...)
	p.release()
	var got []string
	for _, e := range p.end.got {
		got = append(got, strings.ReplaceAll(e, "\n", `\n`))
	}
	if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" {
		t.Errorf("by %s (-want +got):\n%s", c.source, diff)
	}
}

func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.name] || c.source == "" {
			t.Errorf("case %q is there twice, or has no source", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, c.run)
	}
	if len(cases) < 100 {
		t.Errorf("%d cases, want at least 100", len(cases))
	}
}

const docJSON = `{"log":"log message\n","extra":"{\"user\":\"alloy\"}"}`

var cases = []caseOf{
	// stage.json
	{"json: two stages, the second one of an extracted value", doc, `
stage.json { expressions = {output = "log", extra = ""} }
stage.json {
	source      = "extra"
	expressions = {username = "user"}
}
stage.labels { values = {username = "", output = ""} }`, docJSON, nil, "", nil, `{output="log message\n", username="alloy"} ` + docJSON},
	{"json: an empty expression is the name", doc, `
stage.json { expressions = {level = ""} }
stage.labels { values = {level = ""} }`, `{"level":"warn"}`, nil, "", nil, `{level="warn"} {"level":"warn"}`},
	{"json: a dotted path", "json.go (JMESPath)", `
stage.json { expressions = {id = "user.id"} }
stage.labels { values = {id = null} }`, `{"user":{"name":"x","id":"7"}}`, nil, "", nil, `{id="7"} {"user":{"name":"x","id":"7"}}`},
	{"json: a quoted key with a hyphen", doc, `
stage.json { expressions = {agent = "\"request_User-Agent\""} }
stage.output { source = "agent" }`, `{"request_User-Agent":"curl"}`, nil, "", nil, `{} curl`},
	{"json: an index", "json.go (JMESPath)", `
stage.json { expressions = {first = "items[0].name"} }
stage.output { source = "first" }`, `{"items":[{"name":"a"},{"name":"b"}]}`, nil, "", nil, `{} a`},
	{"json: a function", "json.go (JMESPath)", `
stage.json { expressions = {n = "length(items)"} }
stage.output { source = "n" }`, `{"items":[1,2,3]}`, nil, "", nil, `{} 3`},
	{"json: an object becomes JSON text", "json.go simplifyType", `
stage.json { expressions = {ctx = ""} }
stage.output { source = "ctx" }`, `{"ctx": {"b": 1.0, "a": ["x"]}}`, nil, "", nil, `{} {"a":["x"],"b":1}`},
	{"json: numbers are read as float64", "json.go, util.go getString", `
stage.json { expressions = {a = "", b = "", c = ""} }
stage.template {
	source   = "out"
	template = "{{ .a }} {{ .b }} {{ .c }}"
}
stage.output { source = "out" }`, `{"a": 1.50, "b": 12345678901234567890, "c": 1e3}`, nil, "", nil, `{} 1.5 12345678901234567000 1000`},
	{"json: a boolean", "util.go getString", `
stage.json { expressions = {ok = ""} }
stage.labels { values = {ok = ""} }`, `{"ok":true}`, nil, "", nil, `{ok="true"} {"ok":true}`},
	{"json: null and what is missing make no label", "json.go, labels.go (getString of nil is an error)", `
stage.json { expressions = {a = "", b = ""} }
stage.labels { values = {a = "", b = ""} }`, `{"a":null}`, []string{"app", "x"}, "", nil, `{app="x"} {"a":null}`},
	{"json: what is missing hides an extracted value of the name", "json.go (a result of nil is set)", `
stage.json { expressions = {app = "nothing"} }
stage.labels { values = {copy = "app"} }`, `{}`, []string{"app", "x"}, "", nil, `{app="x"} {}`},
	{"json: the last of equal keys", "json.go (a map)", `
stage.json { expressions = {a = ""} }
stage.output { source = "a" }`, `{"a":"1","a":"2"}`, nil, "", nil, `{} 2`},
	{"json: a line that is none passes", facts, `
stage.json { expressions = {a = ""} }
stage.labels { values = {a = ""} }`, `plain`, nil, "", nil, `{} plain`},
	{"json: trailing text makes it malformed", "json.go (json.Unmarshal)", `
stage.json { expressions = {a = ""} }
stage.labels { values = {a = ""} }`, `{"a":"1"} x`, nil, "", nil, `{} {"a":"1"} x`},
	{"json: an array is malformed", "json.go (into a map)", `
stage.json {
	expressions    = {a = ""}
	drop_malformed = true
}`, `[1]`, nil, "", nil, ``},
	{"json: drop_malformed", doc, `
stage.json {
	expressions    = {a = ""}
	drop_malformed = true
}`, "{\"a\":1}\n--\n{\"a\":", nil, "", nil, `{} {"a":1}`},
	{"json: drop_malformed keeps a line without the source", "json.go (no error without the source)", `
stage.json {
	expressions    = {a = ""}
	source         = "none"
	drop_malformed = true
}`, `x`, nil, "", nil, `{} x`},
	{"json: regex of keys", doc, `
stage.json { regex = "^h" }
stage.template {
	source   = "out"
	template = "{{ .host }} {{ .height }}"
}
stage.output { source = "out" }`, `{"host":"a","height":2,"other":3}`, nil, "", nil, `{} a 2`},
	{"json: escapes", "json.go", `
stage.json { expressions = {m = ""} }
stage.output { source = "m" }`, `{"m":"a\"b\\c\/d\u00e9\ud83d\ude00"}`, nil, "", nil, `{} a"b\c/dé😀`},
	{"json: an escaped key", "json.go", `
stage.json { expressions = {level = ""} }
stage.output { source = "level" }`, `{"l\u0065vel":"info"}`, nil, "", nil, `{} info`},

	// stage.labels, static_labels, label_drop, label_keep
	{"labels: of another name", doc, `
stage.json { expressions = {username = ""} }
stage.labels { values = {user = "username"} }`, `{"username":"u"}`, nil, "", nil, `{user="u"} {"username":"u"}`},
	{"labels: in place of a label", "labels.go", `
stage.json { expressions = {app = ""} }
stage.labels { values = {app = ""} }`, `{"app":"new"}`, []string{"app", "old", "z", "z"}, "", nil, `{app="new", z="z"} {"app":"new"}`},
	{"labels: the extracted values begin with the labels", facts, `
stage.labels { values = {copy = "app"} }`, `x`, []string{"app", "a"}, "", nil, `{app="a", copy="a"} x`},
	{"labels: a value that is no UTF-8 is not set", "labels.go (IsValid)", `
stage.regex { expression = "(?P<a>\\S+)$" }
stage.labels { values = {a = ""} }`, "x \xff", nil, "", nil, "{} x \xff"},
	{"labels: of structured metadata", doc, `
stage.labels {
	source_type = "structured_metadata"
	values      = {env = "", user = "username"}
}
stage.structured_metadata_drop { values = ["env", "username"] }`, `x`, nil, "", []string{"env", "dev", "username", "u", "k", "v"}, `{env="dev", user="u"} [k=v] x`},
	{"static_labels", facts, `stage.static_labels { values = {a = "b", c = "d"} }`, `x`, []string{"a", "old"}, "", nil, `{a="b", c="d"} x`},
	{"static_labels: empty and null values set nothing", "static_labels.go", `stage.static_labels { values = {a = "", c = null} }`, `x`, []string{"a", "old"}, "", nil, `{a="old"} x`},
	{"label_drop", doc, `stage.label_drop { values = ["a", "none"] }`, `x`, []string{"a", "1", "b", "2"}, "", nil, `{b="2"} x`},
	{"label_drop: the extracted value stays", facts, `
stage.label_drop { values = ["a"] }
stage.output { source = "a" }`, `x`, []string{"a", "1"}, "", nil, `{} 1`},
	{"label_keep", doc, `stage.label_keep { values = ["a", "none"] }`, `x`, []string{"a", "1", "b", "2"}, "", nil, `{a="1"} x`},

	// stage.timestamp
	{"timestamp: RFC3339", doc, `
stage.json { expressions = {t = ""} }
stage.timestamp {
	source = "t"
	format = "RFC3339"
}`, `{"t":"2023-01-18T17:08:41+02:00"}`, nil, "2024-01-01T00:00:00Z", nil, `{} 2023-01-18T15:08:41Z {"t":"2023-01-18T17:08:41+02:00"}`},
	{"timestamp: RFC3339Nano", doc, `
stage.regex { expression = "^(?P<t>\\S+)" }
stage.timestamp {
	source = "t"
	format = "RFC3339Nano"
}`, `2023-01-18T15:08:41.123456789Z x`, nil, "", nil, `{} 2023-01-18T15:08:41.123456789Z 2023-01-18T15:08:41.123456789Z x`},
	{"timestamp: Unix with decimals", "util.go convertDateLayout", `
stage.regex { expression = "^(?P<t>\\S+)" }
stage.timestamp {
	source = "t"
	format = "Unix"
}`, `1562708916.919`, nil, "", nil, `{} 2019-07-09T21:48:36.919Z 1562708916.919`},
	{"timestamp: UnixMs of a JSON number", doc, `
stage.json { expressions = {t = "time"} }
stage.timestamp {
	source = "t"
	format = "UnixMs"
}`, `{"time":1562708916414}`, nil, "", nil, `{} 2019-07-09T21:48:36.414Z {"time":1562708916414}`},
	{"timestamp: UnixUs", doc, `
stage.regex { expression = "^(?P<t>\\S+)" }
stage.timestamp {
	source = "t"
	format = "UnixUs"
}`, `1562708916414123`, nil, "", nil, `{} 2019-07-09T21:48:36.414123Z 1562708916414123`},
	{"timestamp: UnixNs", doc, `
stage.regex { expression = "^(?P<t>\\S+)" }
stage.timestamp {
	source = "t"
	format = "UnixNs"
}`, `1562708916000000123`, nil, "", nil, `{} 2019-07-09T21:48:36.000000123Z 1562708916000000123`},
	{"timestamp: ANSIC", doc, `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source = "t"
	format = "ANSIC"
}`, `Mon Jan _2 15:04:05 2006`, nil, "2024-01-01T00:00:00Z", nil, `{} 2024-01-01T00:00:00Z Mon Jan _2 15:04:05 2006`},
	{"timestamp: RFC1123Z", doc, `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source = "t"
	format = "RFC1123Z"
}`, `Mon, 02 Jan 2006 15:04:05 -0700`, nil, "", nil, `{} 2006-01-02T22:04:05Z Mon, 02 Jan 2006 15:04:05 -0700`},
	{"timestamp: a layout with a location", doc, `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source   = "t"
	format   = "2006-01-02 15:04:05"
	location = "America/New_York"
}`, `2023-07-01 12:00:00`, nil, "", nil, `{} 2023-07-01T16:00:00Z 2023-07-01 12:00:00`},
	{"timestamp: a layout with comma decimals", "util.go (time.Parse)", `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source = "t"
	format = "2006-01-02 15:04:05,000"
}`, `2023-07-01 12:00:00,250`, nil, "", nil, `{} 2023-07-01T12:00:00.25Z 2023-07-01 12:00:00,250`},
	{"timestamp: a layout without a year", "util.go parseTimestampWithoutYear", `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source = "t"
	format = "Jan 02 15:04:05"
}`, `Jul 15 01:02:03`, nil, "2024-08-01T00:00:00Z", nil, `{} 2024-07-15T01:02:03Z Jul 15 01:02:03`},
	{"timestamp: December read in January is of the year before", "internal/util/time.go SetYearForLimitedTimeFormat", `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source = "t"
	format = "Jan 02 15:04:05"
}`, `Dec 31 23:59:59`, nil, "2024-01-01T00:00:00Z", nil, `{} 2023-12-31T23:59:59Z Dec 31 23:59:59`},
	{"timestamp: January read in December is of the next year", "internal/util/time.go SetYearForLimitedTimeFormat", `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source = "t"
	format = "Jan 02 15:04:05"
}`, `Jan 01 00:00:01`, nil, "2024-12-31T23:59:59Z", nil, `{} 2025-01-01T00:00:01Z Jan 01 00:00:01`},
	{"timestamp: fallback_formats", doc, `
stage.regex { expression = "^(?P<t>.*)$" }
stage.timestamp {
	source           = "t"
	format           = "RFC3339"
	fallback_formats = ["UnixDate", "Unix"]
}`, `1562708916`, nil, "2024-12-31T23:59:59Z", nil, `{} 2019-07-09T21:48:36Z 1562708916`},
	{"timestamp: fudge on failure is a nanosecond after the last one", doc, `
stage.regex { expression = "^time=(?P<t>.*)$" }
stage.timestamp {
	source = "t"
	format = "RFC3339Nano"
}`, "time=2019-01-01T01:00:00.000000001Z\n--\ntime=2019-01-01T01:00:01.000000001Z\n--\nx\n--\ny\n--\ntime=2019-01-01T01:00:00.000000003Z", nil, "2024-01-01T00:00:00Z", nil,
		`{} 2019-01-01T01:00:00.000000001Z time=2019-01-01T01:00:00.000000001Z
{} 2019-01-01T01:00:01.000000001Z time=2019-01-01T01:00:01.000000001Z
{} 2019-01-01T01:00:01.000000002Z x
{} 2019-01-01T01:00:01.000000003Z y
{} 2019-01-01T01:00:00.000000003Z time=2019-01-01T01:00:00.000000003Z`},
	{"timestamp: fudge on failure without a time before it changes nothing", "timestamp.go processActionOnFailureFudge", `
stage.timestamp {
	source = "t"
	format = "RFC3339Nano"
}`, "x", nil, "2024-01-01T00:00:00Z", nil, `{} 2024-01-01T00:00:00Z x`},
	{"timestamp: skip on failure", doc, `
stage.regex { expression = "^time=(?P<t>.*)$" }
stage.timestamp {
	source            = "t"
	format            = "RFC3339Nano"
	action_on_failure = "skip"
}`, "time=2019-01-01T01:00:00Z\n--\nx", nil, "2024-01-01T00:00:00Z", nil, "{} 2019-01-01T01:00:00Z time=2019-01-01T01:00:00Z\n{} 2024-01-01T00:00:00Z x"},
	{"timestamp: equal times are fudged", facts, `
stage.regex { expression = "^(?P<t>\\S+)" }
stage.timestamp {
	source = "t"
	format = "RFC3339"
}`, "2019-01-01T01:00:00Z a\n--\n2019-01-01T01:00:00Z b\n--\n2019-01-01T01:00:00Z c", nil, "", nil,
		"{} 2019-01-01T01:00:00Z 2019-01-01T01:00:00Z a\n{} 2019-01-01T01:00:00.000000001Z 2019-01-01T01:00:00Z b\n{} 2019-01-01T01:00:00.000000002Z 2019-01-01T01:00:00Z c"},
	{"timestamp: equal times are kept", doc, `
stage.regex { expression = "^(?P<t>\\S+)" }
stage.timestamp {
	source                        = "t"
	format                        = "RFC3339"
	action_on_duplicate_timestamp = "keep"
}`, "2019-01-01T01:00:00Z a\n--\n2019-01-01T01:00:00Z b", nil, "", nil, "{} 2019-01-01T01:00:00Z 2019-01-01T01:00:00Z a\n{} 2019-01-01T01:00:00Z 2019-01-01T01:00:00Z b"},
	{"timestamp: of each label set its own", "timestamp.go (the key is labels.String)", `
stage.regex { expression = "^(?P<t>\\S+) (?P<a>\\S+)" }
stage.labels { values = {a = ""} }
stage.timestamp {
	source = "t"
	format = "RFC3339"
}`, "2019-01-01T01:00:00Z a\n--\n2019-01-01T01:00:00Z b", nil, "", nil, "{a=\"a\"} 2019-01-01T01:00:00Z 2019-01-01T01:00:00Z a\n{a=\"b\"} 2019-01-01T01:00:00Z 2019-01-01T01:00:00Z b"},

	// stage.regex, stage.pattern
	{"regex: named groups", doc, `
stage.regex { expression = "^(?s)(?P<time>\\S+?) (?P<stream>stdout|stderr) (?P<flags>\\S+?) (?P<content>.*)$" }
stage.labels { values = {stream = "", flags = ""} }
stage.output { source = "content" }`, `2019-01-01T01:00:00.000000001Z stderr P i'm a log message!`, nil, "", nil, `{flags="P", stream="stderr"} i'm a log message!`},
	{"regex: of an extracted value", doc, `
stage.json { expressions = {time = "timestamp"} }
stage.regex {
	expression = "^(?P<year>\\d+)"
	source     = "time"
}
stage.labels { values = {year = ""} }`, `{"timestamp":"2022-01-01T01:00:00Z"}`, nil, "", nil, `{year="2022"} {"timestamp":"2022-01-01T01:00:00Z"}`},
	{"regex: no match changes nothing", "regex.go", `
stage.regex { expression = "^(?P<a>x)" }
stage.labels { values = {a = ""} }`, `y`, []string{"a", "old"}, "", nil, `{a="old"} y`},
	{"regex: a group without a match is empty", "regex.go (FindStringSubmatch)", `
stage.regex { expression = "^(?P<a>x)?(?P<b>y)" }
stage.template {
	source   = "out"
	template = "[{{ .a }}] {{ .b }}"
}
stage.output { source = "out" }`, `y`, nil, "", nil, `{} [] y`},
	{"regex: labels_from_groups", facts, `
stage.regex {
	expression         = "^(?P<method>\\S+) (?P<path>\\S+)"
	labels_from_groups = true
}`, `GET /x`, []string{"method", "old"}, "", nil, `{method="GET", path="/x"} GET /x`},
	{"pattern: named captures", facts, `
stage.pattern { pattern = "<ip> - - [<_>] \"<method> <path>\"<_>" }
stage.labels { values = {ip = "", method = "", path = ""} }`, `1.2.3.4 - - [now] "GET /x" 200`, nil, "", nil, `{ip="1.2.3.4", method="GET", path="/x"} 1.2.3.4 - - [now] "GET /x" 200`},
	{"pattern: labels_from_groups, of an extracted value", doc, `
stage.json { expressions = {m = ""} }
stage.pattern {
	pattern            = "<level>: <_>"
	source             = "m"
	labels_from_groups = true
}`, `{"m":"warn: x"}`, nil, "", nil, `{level="warn"} {"m":"warn: x"}`},
	{"pattern: the first text must be at the beginning", "loki pkg/logql/log/pattern/pattern.go", `
stage.pattern {
	pattern            = "a=<a>"
	labels_from_groups = true
}`, `b a=1`, nil, "", nil, `{} b a=1`},
	{"pattern: a text that is not there ends the last capture", "loki pkg/logql/log/pattern/pattern.go", `
stage.pattern {
	pattern            = "<a>,<b>;<c>"
	labels_from_groups = true
}`, `1,2`, nil, "", nil, `{a="1", b="2"} 1,2`},

	// stage.drop
	{"drop: expression", doc, `stage.drop { expression = ".*debug.*" }`, "a debug line\n--\nother", nil, "", nil, `{} other`},
	{"drop: source and value", doc, `
stage.json { expressions = {level = "", msg = ""} }
stage.drop {
	source = "level"
	value  = "debug"
}`, "{\"level\":\"debug\"}\n--\n{\"level\":\"debugger\"}", nil, "", nil, `{} {"level":"debugger"}`},
	{"drop: a source that is there", doc, `
stage.json { expressions = {a = ""} }
stage.regex { expression = "(?P<b>yes)" }
stage.drop { source = "b" }`, "{\"a\":\"yes\"}\n--\n{\"a\":\"no\"}", nil, "", nil, `{} {"a":"no"}`},
	{"drop: a source whose value is null is there", "drop.go shouldDrop, json.go", `
stage.json { expressions = {a = ""} }
stage.drop { source = "a" }`, `{"b":1}`, nil, "", nil, ``},
	{"drop: several sources joined", doc, `
stage.json { expressions = {level = "", msg = ""} }
stage.drop {
	source     = "level,msg"
	separator  = "#"
	expression = "^(error|info)#/loki/api/v1/push.*"
}`, "{\"level\":\"error\",\"msg\":\"/loki/api/v1/push 11\"}\n--\n{\"level\":\"warn\",\"msg\":\"/loki/api/v1/push\"}", nil, "", nil, `{} {"level":"warn","msg":"/loki/api/v1/push"}`},
	{"drop: the separator is a semicolon", doc, `
stage.json { expressions = {a = "", b = ""} }
stage.drop {
	source     = "a,b"
	expression = "^1;2$"
}`, "{\"a\":1,\"b\":2}\n--\n{\"a\":1,\"b\":3}", nil, "", nil, `{} {"a":1,"b":3}`},
	{"drop: all conditions must hold", doc, `
stage.drop {
	longer_than = "5B"
	expression  = "x"
}`, "xxxxxx\n--\nx\n--\nyyyyyy", nil, "", nil, "{} x\n{} yyyyyy"},
	{"drop: longer_than", doc, `stage.drop { longer_than = "1KiB" }`, strings.Repeat("x", 1025) + "\n--\n" + strings.Repeat("y", 1024), nil, "", nil, "{} " + strings.Repeat("y", 1024)},
	{"drop: older_than", doc, `stage.drop { older_than = "24h" }`, "x", nil, "2019-01-01T00:00:00Z", nil, ``},
	{"drop: an expression on a source that is missing sees an empty text", "drop.go (strings.Join of nothing)", `
stage.drop {
	source     = "none"
	expression = "^$"
}`, "x", nil, "", nil, ``},

	// stage.docker, stage.cri
	{"docker", doc, `stage.docker { }`, `{"log":"log message\n","stream":"stderr","time":"2019-04-30T02:12:41.8443515Z"}`, []string{"a", "b"}, "2024-01-01T00:00:00Z", nil, `{a="b", stream="stderr"} 2019-04-30T02:12:41.8443515Z log message\n`},
	{"docker: extracted values", doc, `
stage.docker { }
stage.labels { values = {t = "timestamp", o = "output", s = "stream"} }`, `{"log":"m","stream":"stdout","time":"2019-04-30T02:12:41Z"}`, nil, "", nil, `{o="m", s="stdout", stream="stdout", t="2019-04-30T02:12:41Z"} 2019-04-30T02:12:41Z m`},
	{"docker: a plain line passes", facts, `stage.docker { }`, `plain`, []string{"a", "b"}, "", nil, `{a="b"} plain`},
	{"docker: JSON without log passes", "docker.go", `stage.docker { }`, `{"stream":"stderr"}`, nil, "", nil, `{} {"stream":"stderr"}`},
	{"docker: a log that is no string passes", "docker.go (json.Unmarshal)", `stage.docker { }`, `{"log":1,"stream":"stderr"}`, nil, "", nil, `{} {"log":1,"stream":"stderr"}`},
	{"docker: keys of another case", "docker.go (encoding/json)", `stage.docker { }`, `{"LOG":"x","Stream":"stdout"}`, nil, "", nil, `{stream="stdout"} x`},
	{"docker: attrs are dropped unless they are extracted before", doc, `
stage.json { expressions = {attrs = ""} }
stage.docker { }
stage.json {
	expressions = {tag = ""}
	source      = "attrs"
}
stage.labels { values = {tag = ""} }`, `{"log":"m","attrs":{"tag":"t"},"stream":"stdout"}`, nil, "", nil, `{stream="stdout", tag="t"} m`},
	{"cri: a full line", doc, `
stage.cri { }
stage.labels { values = {flags = "", c = "content"} }`, `2019-04-30T02:12:41.8443515Z stdout F message`, nil, "", nil, `{c="message", flags="F", stream="stdout"} 2019-04-30T02:12:41.8443515Z message`},
	{"cri: partial lines are joined", facts, `stage.cri { }`, "2019-04-30T02:12:41Z stdout P one \n--\n2019-04-30T02:12:42Z stderr F other\n--\n2019-04-30T02:12:43Z stdout P two \n--\n2019-04-30T02:12:44Z stdout F three", nil, "", nil,
		"{stream=\"stderr\"} 2019-04-30T02:12:42Z other\n{stream=\"stdout\"} 2019-04-30T02:12:44Z one two three"},
	{"cri: the flag may be missing", "cri/parse.go", `stage.cri { }`, `2019-04-30T02:12:41Z stderr message`, nil, "", nil, `{stream="stderr"} 2019-04-30T02:12:41Z message`},
	{"cri: another line passes", "cri.go", `stage.cri { }`, `plain text`, nil, "", nil, `{} plain text`},
	{"cri: truncated", doc, `
stage.cri {
	max_partial_line_size          = 4
	max_partial_line_size_truncate = true
}`, "2019-04-30T02:12:41Z stdout P abc\n--\n2019-04-30T02:12:43Z stdout F def", nil, "", nil, "{stream=\"stdout\"} 2019-04-30T02:12:43Z abcd"},
	{"cri: more partial lines than may be", "cri.go", `
stage.regex {
	expression         = "app=(?P<app>.)"
	labels_from_groups = true
}
stage.cri { max_partial_lines = 1 }`, "2019-04-30T02:12:41Z stdout P app=1\n--\n2019-04-30T02:12:42Z stdout P app=2\n--\n2019-04-30T02:12:43Z stdout F app=2", nil, "", nil,
		"{app=\"1\", stream=\"stdout\"} 2019-04-30T02:12:41Z app=1\n{app=\"2\", stream=\"stdout\"} 2019-04-30T02:12:43Z app=2app=2"},

	// stage.match
	{"match: the example", doc, `
stage.json { expressions = {"appname" = "app"} }
stage.labels { values = {"applbl" = "appname"} }
stage.match {
	selector = "{applbl=\"example1\"}"
	stage.json { expressions = {"msg" = "message"} }
}
stage.match {
	selector = "{applbl=\"qux\"}"
	stage.json { expressions = {"msg" = "msg"} }
}
stage.match {
	selector            = "{applbl=\"example2\"} |~ \".*noisy error.*\""
	action              = "drop"
	drop_counter_reason = "discard_noisy_errors"
}
stage.output { source = "msg" }`,
		`{ "time":"2023-01-18T17:08:41+00:00", "app":"example1", "component": ["parser","type"], "level" : "WARN", "message" : "app1 log line" }` + "\n--\n" +
			`{ "time":"2023-01-18T17:08:42+00:00", "app":"example2", "component": ["parser","type"], "level" : "ERROR", "message" : "example noisy error" }`, nil, "", nil, `{applbl="example1"} app1 log line`},
	{"match: line filters", "internal/loki/logql/ast.go", `
stage.match {
	selector = "{a=\"1\"} |= \"x\" != \"y\" |~ \"z+\" !~ \"^q\""
	stage.static_labels { values = {hit = "1"} }
}`, "xz\n--\nxyz\n--\nqxz\n--\nx", []string{"a", "1"}, "", nil, "{a=\"1\", hit=\"1\"} xz\n{a=\"1\"} xyz\n{a=\"1\"} qxz\n{a=\"1\"} x"},
	{"match: matchers of labels are anchored", "internal/loki/logql/expr.y (labels.NewMatcher)", `
stage.match {
	selector = "{a=~\"1|2\", b!=\"x\", c!~\"y.*\"}"
	action   = "drop"
}`, "x", []string{"a", "12", "b", "1"}, "", nil, "{a=\"12\", b=\"1\"} x"},
	{"match: a missing label is empty", "match.go processLogQL", `
stage.match {
	selector = "{a=\"1\", b=\"\"}"
	action   = "drop"
}`, "x", []string{"a", "1"}, "", nil, ""},
	{"match: what does not match passes", facts, `
stage.match {
	selector = "{a=\"2\"}"
	stage.drop { expression = ".*" }
}`, "x", []string{"a", "1"}, "", nil, "{a=\"1\"} x"},
	{"match: inner stages see labels that were set before", "pipeline.go Run (labels are extracted again)", `
stage.static_labels { values = {b = "2"} }
stage.match {
	selector = "{a=\"1\"}"
	stage.labels { values = {c = "b"} }
}
stage.labels { values = {d = "b"} }`, "x", []string{"a", "1"}, "", nil, "{a=\"1\", b=\"2\", c=\"2\", d=\"2\"} x"},
	{"match: in a match", doc, `
stage.match {
	selector = "{a=\"1\"}"
	stage.match {
		selector = "{a=~\".+\"} |= \"x\""
		stage.static_labels { values = {b = "2"} }
	}
	stage.static_labels { values = {c = "3"} }
}`, "x\n--\ny", []string{"a", "1"}, "", nil, "{a=\"1\", b=\"2\", c=\"3\"} x\n{a=\"1\", c=\"3\"} y"},
	{"match: a multiline in it", doc, `
stage.match {
	selector = "{a=\"1\"}"
	stage.multiline { firstline = "^\\S" }
	stage.static_labels { values = {b = "2"} }
}`, "x\n--\n y\n--\nz", []string{"a", "1"}, "", nil, "{a=\"1\", b=\"2\"} x\\n y\n{a=\"1\", b=\"2\"} z"},

	// stage.template, stage.output, stage.replace
	{"template: Value", doc, `
stage.static_labels { values = {app = "LOKI"} }
stage.match {
	selector = "{app=~\".+\"}"
	stage.template {
		source   = "app"
		template = "{{ .Value | ToLower }} {{ ToUpper .Value }}"
	}
}
stage.output { source = "app" }`, "x", nil, "", nil, `{app="LOKI"} loki LOKI`},
	{"template: a new value of others", doc, `
stage.json { expressions = {level = "", app = "app1"} }
stage.template {
	source   = "new_key"
	template = "{{.level}}_{{.app}} {{.Entry}}"
}
stage.output { source = "new_key" }`, `{"level":"a","app1":2}`, nil, "", nil, `{} a_2 {"level":"a","app1":2}`},
	{"template: what is missing", "template.go (a map of any)", `
stage.template {
	source   = "out"
	template = "{{ .none }}"
}
stage.output { source = "out" }`, `x`, nil, "", nil, `{} <no value>`},
	{"template: an empty result removes the value", doc, `
stage.regex { expression = "(?P<a>.*)" }
stage.template {
	source   = "a"
	template = "{{ if eq .Value \"no\" }}{{ .Value }}{{ end }}"
}
stage.labels { values = {a = ""} }`, "yes", nil, "", nil, `{} yes`},
	{"template: Alloy's functions", "template.go", `
stage.template {
	source   = "out"
	template = "{{ Replace .Entry \"a\" \"b\" 1 }} {{ Trim .Entry \"xa\" }} {{ TrimPrefix .Entry \"x\" }} {{ TrimSuffix .Entry \"x\" }} {{ TrimLeft .Entry \"x\" }} {{ TrimRight .Entry \"x\" }} {{ TrimSpace \" y \" }}"
}
stage.output { source = "out" }`, "xaax", nil, "", nil, `{} xbax  aax xaa aax xaa y`},
	{"template: Hash is SHA3, Sha2Hash SHA2, with a salt", "template.go", `
stage.template {
	source   = "out"
	template = "{{ Hash \"salt\" .Entry | trunc 8 }} {{ Sha2Hash \"salt\" .Entry | trunc 8 }}"
}
stage.output { source = "out" }`, "x", nil, "", nil, `{} da3408f0 c9ef43a0`},
	{"template: regexReplaceAll", doc, `
stage.template {
	source   = "out"
	template = "{{ regexReplaceAll \"(a*)bc\" .Entry \"${1}a\" }} {{ regexReplaceAllLiteral \"(ts=)\" .Entry \"$1\" }}"
}
stage.output { source = "out" }`, "aabc ts=1", nil, "", nil, `{} aaa ts=1 aabc $11`},
	{"template: sprig", doc, `
stage.template {
	source   = "out"
	template = "{{ $m := dict \"30\" \"info\" \"40\" \"warn\" }}{{ get $m .Entry }} {{ .Entry | int | add 1 }} {{ contains \"4\" .Entry }}"
}
stage.output { source = "out" }`, "40", nil, "", nil, `{} warn 41 true`},
	{"template: all values", "template.go", `
stage.json { expressions = {b = ""} }
stage.template {
	source   = "out"
	template = "{{ range $k, $v := . }}{{ $k }}={{ $v }} {{ end }}"
}
stage.output { source = "out" }`, `{"b":1}`, []string{"a", "x"}, "", nil, `{a="x"} Entry={"b":1} a=x b=1 `},
	{"template: an error changes nothing", "template.go", `
stage.template {
	source   = "app"
	template = "{{ regexReplaceAll \"(\" .Value \"\" }}"
}
stage.output { source = "app" }`, `x`, []string{"app", "a"}, "", nil, `{app="a"} a`},
	{"output", doc, `
stage.json { expressions = {"user" = "user", "message" = "message"} }
stage.labels { values = {"user" = "user"} }
stage.output { source = "message" }`, `{"user": "John Doe", "message": "hello, world!"}`, nil, "", nil, `{user="John Doe"} hello, world!`},
	{"output: what is missing changes nothing", "output.go", `stage.output { source = "none" }`, `x`, nil, "", nil, `{} x`},
	{"replace: the groups", doc, `
stage.replace {
	expression = "password (\\S+)"
	replace    = "****"
}`, `2023-01-01T01:00:00.000000001Z stderr P i'm a log message who has sensitive information with password xyz!`, nil, "", nil, `{} 2023-01-01T01:00:00.000000001Z stderr P i'm a log message who has sensitive information with password ****`},
	{"replace: an empty text", doc, `
stage.replace {
	expression = "^(\\S+) "
	replace    = ""
}`, `11.11.11.11 - frank`, nil, "", nil, `{}  - frank`},
	{"replace: by a template, several matches", doc, `
stage.replace {
	expression = "([a-z]+)=(\\d+)"
	replace    = "<{{ .Value | ToUpper }}>"
}`, `a=1 b=2 c`, nil, "", nil, `{} <A>=<1> <B>=<2> c`},
	{"replace: of an extracted value, named groups are extracted", "replace.go", `
stage.json { expressions = {level = "", msg = ""} }
stage.replace {
	expression = "\\S+ (?P<last>\\S+)"
	source     = "msg"
	replace    = "redacted {{ .level }}"
}
stage.labels { values = {msg = "", last = ""} }`, `{"level":"info","msg":"hello world"}`, nil, "", nil, `{last="redacted info", msg="hello redacted info"} {"level":"info","msg":"hello world"}`},
	{"replace: adjacent groups", "replace_test.go", `stage.replace { expression = "(a|b|c)" }`, `abcd`, nil, "", nil, `{} d`},
	{"replace: a group in a group", "replace_test.go", `
stage.replace {
	expression = "^(?P<all>(?P<ip>\\S+) (?P<user>\\S+)) (?P<status>\\d+)"
	replace    = "{{ if eq .Value \"200\" }}{{ Replace .Value \"200\" \"HttpStatusOk\" -1 }}{{ else }}{{ .Value | ToUpper }}{{ end }}"
}
stage.labels { values = {all = "", user = "", status = ""} }`, `1.1.1.1 frank 200 x`, nil, "", nil, `{all="1.1.1.1 FRANK", status="HttpStatusOk", user="FRANK"} 1.1.1.1 FRANK HttpStatusOk x`},
	{"replace: no match", "replace.go", `
stage.replace {
	expression = "(x)"
	replace    = "y"
}`, `a`, nil, "", nil, `{} a`},

	// stage.structured_metadata
	{"structured_metadata: of extracted values", doc, `
stage.logfmt { mapping = {env = "", user = "username"} }
stage.structured_metadata { values = {env = "", user = ""} }`, `env=dev username=u`, nil, "", nil, `{} [env=dev user=u] env=dev username=u`},
	{"structured_metadata: a label that is used is removed", facts, `stage.structured_metadata { values = {pod = "", n = "node"} }`, `x`, []string{"pod", "p", "node", "n1", "z", "z"}, "", nil, `{z="z"} [n=n1 pod=p] x`},
	{"structured_metadata: in place of what was there", "structured_metadata.go", `
stage.logfmt { mapping = {env = ""} }
stage.structured_metadata { values = {env = ""} }`, `env=new`, nil, "", []string{"env", "old", "k", "v"}, `{} [env=new k=v] env=new`},
	{"structured_metadata: regex of extracted values and labels", doc, `
stage.logfmt { regex = "^m_" }
stage.structured_metadata { regex = "^m_" }`, `m_a=1 b=2`, []string{"m_l", "3", "z", "z"}, "", nil, `{z="z"} [m_a=1 m_l=3] m_a=1 b=2`},
	{"structured_metadata_drop", doc, `stage.structured_metadata_drop { values = ["a"] }`, `x`, nil, "", []string{"a", "1", "b", "2"}, `{} [b=2] x`},

	// stage.logfmt
	{"logfmt: two stages, the second one of an extracted value", doc, `
stage.logfmt { mapping = {"extra" = ""} }
stage.logfmt {
	mapping = {"username" = "user"}
	source  = "extra"
}
stage.labels { values = {username = ""} }`, `time=2012-11-01T22:08:41+00:00 app=loki level=WARN duration=125 message="this is a log line" extra="user=example_name"`, nil, "", nil,
		`{username="example_name"} time=2012-11-01T22:08:41+00:00 app=loki level=WARN duration=125 message="this is a log line" extra="user=example_name"`},
	{"logfmt: escapes and keys alone", "logfmt.go (go-logfmt)", `
stage.logfmt { mapping = {m = "", flag = ""} }
stage.template {
	source   = "out"
	template = "{{ .m }}|{{ .flag }}|"
}
stage.output { source = "out" }`, `flag m="a \"b\" \u00e9"`, nil, "", nil, `{} a "b" é||`},
	{"logfmt: an error keeps what was in front of it", "logfmt.go", `
stage.logfmt { mapping = {a = "", b = ""} }
stage.labels { values = {a = "", b = ""} }`, `a=1 "x" b=2`, nil, "", nil, `{a="1"} a=1 "x" b=2`},
	{"logfmt: regex", doc, `
stage.logfmt { regex = "^l" }
stage.template {
	source   = "out"
	template = "{{ .level }}{{ .line }}"
}
stage.output { source = "out" }`, `level=a line=b x=c`, nil, "", nil, `{} ab`},

	// stage.multiline
	{"multiline: the example", doc, `
stage.multiline {
	firstline     = "^\\[\\d{4}-\\d{2}-\\d{2} \\d{1,2}:\\d{2}:\\d{2}\\]"
	max_wait_time = "10s"
}`, "[2023-01-18 17:41:21] a\n--\n[2023-01-18 17:41:25] ERROR\n--\nTraceback\n--\n  File\n--\n[2023-01-18 17:42:24] b", nil, "", nil,
		"{} [2023-01-18 17:41:21] a\n{} [2023-01-18 17:41:25] ERROR\\nTraceback\\n  File\n{} [2023-01-18 17:42:24] b"},
	{"multiline: lines in front of the first one pass", facts, `stage.multiline { firstline = "^START" }`, "a\n--\nb\n--\nSTART\n--\nc", nil, "", nil, "{} a\n{} b\n{} START\\nc"},
	{"multiline: max_lines, and what comes after them", "multiline.go processEntry", `
stage.multiline {
	firstline = "^START"
	max_lines = 2
}`, "START\n--\na\n--\nb\n--\nc\n--\nd\n--\nSTART", nil, "", nil, "{} START\\na\n{} b\\nc\n{} d\n{} START"},
	{"multiline: trims newlines", doc, `stage.multiline { firstline = "^START" }`, "START\r\n\n--\na\r\n\n--\nb\n", nil, "", nil, "{} START\\na\\nb"},
	{"multiline: keeps newlines", doc, `
stage.multiline {
	firstline     = "^START"
	trim_newlines = false
}`, "START\n\n--\na", nil, "", nil, "{} START\\n\\na"},
	{"multiline: time, metadata and extracted values of the first line", facts, `
stage.regex { expression = "n=(?P<n>\\d)" }
stage.multiline { firstline = "^START" }
stage.labels { values = {n = ""} }`, "START n=1\n--\nn=2", nil, "2024-01-01T00:00:00Z", []string{"k", "v"}, "{n=\"1\"} 2024-01-01T00:00:00Z [k=v] START n=1\\nn=2"},
	{"multiline: of each label set its own", facts, `
stage.regex {
	expression         = "app=(?P<app>.)"
	labels_from_groups = true
}
stage.multiline { firstline = "^START" }`, "START app=1\n--\nSTART app=2\n--\na app=1\n--\nb app=2", nil, "", nil, "{app=\"1\"} START app=1\\na app=1\n{app=\"2\"} START app=2\\nb app=2"},

	// stage.limit, stage.sampling, stage.pack, stage.tenant
	{"limit: drops what is over the burst", doc, `
stage.limit {
	rate  = 0.000001
	burst = 2
	drop  = true
}`, "a\n--\nb\n--\nc", nil, "", nil, "{} a\n{} b"},
	{"limit: by a label", doc, `
stage.regex {
	expression         = "app=(?P<app>.)"
	labels_from_groups = true
}
stage.limit {
	rate          = 0.000001
	burst         = 1
	drop          = true
	by_label_name = "app"
}`, "app=1\n--\napp=2\n--\napp=1\n--\nx\n--\nx", nil, "", nil, "{app=\"1\"} app=1\n{app=\"2\"} app=2\n{} x\n{} x"},
	{"sampling: nothing", "internal/sampling/sampler.go", `stage.sampling { rate = 0 }`, "a\n--\nb", nil, "", nil, ""},
	{"sampling: everything", "internal/sampling/sampler.go", `stage.sampling { rate = 1 }`, "a\n--\nb", nil, "", nil, "{} a\n{} b"},
	{"pack", doc, `
stage.pack {
	labels           = ["env", "user_id", "none"]
	ingest_timestamp = false
}`, `something "went" wrong`, []string{"level", "error", "env", "dev", "user_id", "f8fas0r"}, "2024-01-01T00:00:00Z", nil, `{level="error"} 2024-01-01T00:00:00Z {"env":"dev","user_id":"f8fas0r","_entry":"something \"went\" wrong"}`},
	{"tenant: a value", doc, `stage.tenant { value = "team-a" }`, `x`, nil, "", nil, `{__tenant_id__="team-a"} x`},
	{"tenant: an extracted value", doc, `
stage.json { expressions = {customer = "customer_id"} }
stage.tenant { source = "customer" }`, `{"customer_id":"1"}`, nil, "", nil, `{__tenant_id__="1"} {"customer_id":"1"}`},
	{"tenant: a label", doc, `stage.tenant { label = "namespace" }`, `x`, []string{"namespace", "n"}, "", nil, `{__tenant_id__="n", namespace="n"} x`},
	{"tenant: nothing to take it from", "tenant.go", `stage.tenant { source = "none" }`, `x`, nil, "", nil, `{} x`},

	// stage.split_json, stage.truncate, stage.luhn, stage.decolorize
	{"split_json: the line", doc, `stage.split_json { }`, ` [{"a": 1}, "x", null ]`, []string{"a", "b"}, "", []string{"k", "v"}, "{a=\"b\"} [k=v] {\"a\": 1}\n{a=\"b\"} [k=v] \"x\"\n{a=\"b\"} [k=v] null"},
	{"split_json: an extracted value", doc, `
stage.json { expressions = {items = ""} }
stage.split_json { source = "items" }
stage.json { expressions = {n = ""} }
stage.labels { values = {n = ""} }`, `{"items":[{"n":1},{"n":2}]}`, nil, "", nil, "{n=\"1\"} {\"n\":1}\n{n=\"2\"} {\"n\":2}"},
	{"split_json: what is no array passes", "split_json.go", `stage.split_json { }`, "{\"a\":[1]}\n--\n[1,", nil, "", nil, "{} {\"a\":[1]}\n{} [1,"},
	{"split_json: an empty array leaves nothing", "split_json.go", `stage.split_json { }`, `[]`, nil, "", nil, ""},
	{"truncate: the line", doc, `
stage.truncate {
	rule {
		limit  = "10B"
		suffix = "..."
	}
}`, "0123456789\n--\n0123456\n--\n01234567", nil, "", nil, "{} 0123456...\n{} 0123456\n{} 0123456..."},
	{"truncate: labels, structured metadata, extracted values", "truncate.go", `
stage.json { expressions = {e = ""} }
stage.truncate {
	rule {
		limit       = "2B"
		source_type = "label"
		sources     = ["a"]
	}
	rule {
		limit       = "2B"
		source_type = "structured_metadata"
	}
	rule {
		limit       = "2B"
		source_type = "extracted"
		sources     = ["e"]
	}
}
stage.labels { values = {e = "", truncated = ""} }`, `{"e":"eeee"}`, []string{"a", "aaa", "b", "bbb"}, "", []string{"k", "vvv"}, `{a="aa", b="bbb", e="ee", truncated="extracted,label,structured_metadata"} [k=vv] {"e":"eeee"}`},
	{"luhn: the example", doc, `stage.luhn { replacement = "**DELETED**" }`, `message="credit card approved 4242424242424242" extra`, nil, "", nil, `{} message="credit card approved **DELETED**" extra`},
	{"luhn: delimiters", doc, `
stage.luhn {
	replacement = "**DELETED**"
	delimiters  = "-"
}`, `approved 4242-4242-4242-4242"`, nil, "", nil, `{} approved **DELETED**"`},
	{"luhn: several delimiters", "luhn_test.go", "stage.luhn { delimiters = \" -\" }", "Cards 4532-0151-1283-0366 and 6011 1111 1111 1117 are valid and 3530:1113:3330:0000 has unexpected delimiters.", nil, "", nil, "{} Cards **REDACTED** and **REDACTED** are valid and 3530:1113:3330:0000 has unexpected delimiters."},
	{"luhn: the default replacement, other numbers stay", "luhn.go", `stage.luhn { }`, `4242424242424242 4242424242424241 42`, nil, "", nil, `{} **REDACTED** 4242424242424241 42`},
	{"luhn: skip_regex", doc, `
stage.luhn {
	replacement = "**DELETED**"
	min_length  = 12
	skip_regex  = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
}`, `4242424242424242 a3f1b2e4-c5d6-7e8f-4242-424242424242`, nil, "", nil, `{} **DELETED** a3f1b2e4-c5d6-7e8f-4242-424242424242`},
	{"luhn: of an extracted value becomes the line", "luhn.go Process", `
stage.json { expressions = {n = ""} }
stage.luhn { source = "n" }`, `{"n":"card 4242424242424242"}`, nil, "", nil, `{} card **REDACTED**`},
	{"decolorize", "decolorize.go (the pattern of ansi-regex)", `stage.decolorize { }`, "\x1b[31mred\x1b[0m \x1b[1;32;40mx\x1b[K y \u009b4mz \x1b]0;title\x07end \x1b", nil, "", nil, "{} red x y z end \x1b"},
}
