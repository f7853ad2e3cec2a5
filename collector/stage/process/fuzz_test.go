package process

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grafana/alloy/syntax"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
)

// No stage text and no line causes a panic, and the output is consistent.
func FuzzStages(f *testing.F) {
	for _, c := range cases {
		f.Add(c.stages, c.line, "app", "x")
	}
	f.Add(benchStages, `{"level":"info"}`, "level", "")
	f.Fuzz(func(t *testing.T, text, line, name, value string) {
		var a Arguments
		if syntax.Unmarshal([]byte(text), &a) != nil || waits(a.Stages) {
			return
		}
		for i := range a.Stages {
			if a.Stages[i].GeoIP != nil {
				return // it opens any file
			}
		}
		reg := prometheus.NewRegistry()
		p, err := New(a, Options{Name: "p", Metrics: NewShared(reg)})
		if err != nil {
			return
		}
		defer p.Close()
		end := &sink{}
		chain := stage.NewChain(end, stage.Log{}, nil, p.Maker(Way{}))
		b := &lighter.Batch{Streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("stream", "stdout")), lighter.NewStream(labels.New(labels.Label{Name: name, Value: value}))}}
		for i := range int32(6) {
			e := lighter.Entry{Time: int64(i), Line: []byte(line), Stream: i % 2}
			b.AddField(&e, name, []byte(value))
			b.Entries = append(b.Entries, e)
		}
		b.Begin(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if chain.Append(ctx, b) == nil {
			_ = chain.Release(ctx)
		}
		chain.Drop()
		b.Done()
		if _, err := reg.Gather(); err != nil {
			t.Logf("the page cannot be read: %v", err)
		}
	})
}

// waits reports whether stages may take long: a limit waits for tokens, and templates are programs.
func waits(stages []Stage) bool {
	for _, s := range stages {
		if s.Limit != nil && !s.Limit.Drop || s.Match != nil && waits(s.Match.Stages) {
			return true
		}
	}
	return false
}

// The texts in stages are in languages of their own.
func FuzzTexts(f *testing.F) {
	f.Add(`^(?P<t>\S+) (?P<app>.*)$`, "{{ .Value | ToUpper }} {{ .app }}", `{app=~"x|y", b!="c"} |= "a" !~ "^b"`, "<app> - <_> <t>", "items[?a > `1`].b | [0]", "2006-01-02T15:04:05Z07:00", "2024-01-01T00:00:00Z x")
	f.Add(`(a)|(?P<b>b)`, "{{ range . }}{{ . }}{{ end }}{{ with .x }}{{ $.y }}{{ end }}", `{a="1"}`, "<a>", "a.\"b-c\".d", "Unix", `{"a":{"b-c":{"d":1}}}`)
	f.Add(`x`, "{{ substr 0 5 .Entry | quote }}", "{", "<_>", "@", "Jan _2 15:04:05", `[1,{"a":"b"}]`)
	f.Fuzz(func(t *testing.T, expr, template, selector, pattern, path, format, line string) {
		stages := []Stage{
			{Regex: &Regex{Expression: expr, LabelsFromGroups: true}},
			{Pattern: &Pattern{Pattern: pattern, LabelsFromGroups: true}},
			{JSON: &JSON{Expressions: map[string]string{"t": path, "v": pattern}, Regex: expr}},
			{Logfmt: &Logfmt{Mapping: map[string]string{"u": path}, Regex: expr}},
			{Template: &Template{Source: "v", Template: template}},
			{Replace: &Replace{Expression: expr, Replace: template}},
			{Timestamp: &Timestamp{Source: "t", Format: format, FallbackFormats: []string{"Unix", format}}},
			{Drop: &Drop{Source: path, Expression: expr}},
			{StructuredMetadata: &StructuredMetadata{Regex: expr}},
			{Luhn: &Luhn{Delimiters: pattern, MinLength: 1, SkipRegex: expr}},
			{Multiline: &Multiline{FirstLine: expr, MaxWaitTime: time.Second, MaxLines: 2}},
			{Docker: &Docker{}}, {CRI: &CRI{MaxPartialLines: 1}}, {SplitJSON: &SplitJSON{}}, {Decolorize: &Decolorize{}},
			{Pack: &Pack{Labels: []string{"v", "t", path}}},
		}
		var valid []Stage
		for _, s := range stages {
			if _, err := New(Arguments{Stages: []Stage{s}}, Options{Name: "p", Metrics: NewShared(prometheus.NewRegistry())}); err == nil {
				valid = append(valid, s)
			}
		}
		if m := (Stage{Match: &Match{Selector: selector, Stages: valid}}); len(valid) > 0 && m.Match.Validate() == nil {
			valid = append(valid, m)
		}
		p, err := New(Arguments{Stages: valid}, Options{Name: "p", Metrics: NewShared(prometheus.NewRegistry())})
		if err != nil {
			t.Fatalf("stages that are valid one by one are not valid together: %v", err)
		}
		chain := stage.NewChain(&sink{}, stage.Log{}, nil, p.Maker(Way{}))
		b := &lighter.Batch{Streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("stream", "stdout"))}}
		for i := range 5 {
			b.Entries = append(b.Entries, lighter.Entry{Time: int64(i), Line: []byte(line)})
		}
		b.Begin(nil)
		if err := chain.Append(t.Context(), b); err != nil {
			t.Error(err)
		}
		if err := chain.Release(t.Context()); err != nil {
			t.Error(err)
		}
		chain.Drop()
		b.Done()
	})
}

// The JSON scanner reads the same as encoding/json.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a":{"b":[1,"\u00e9",{}]},"c":-1.5e3,"d":null}`)
	f.Add(`{"a":"x","a":{"b":"y"}}`)
	f.Add(`[1, 2]`)
	f.Add(` null `)
	f.Fuzz(func(t *testing.T, input string) {
		s := jsonScanner{line: []byte(input), spans: make([]span, 3)}
		var want tree
		want.want([]string{"a"}, 0)
		want.want([]string{"a", "b"}, 1)
		want.want([]string{"c"}, 2)
		ok := s.document(&want)
		var doc map[string]any
		if err := json.Unmarshal([]byte(input), &doc); ok != (err == nil) {
			// As in Alloy, control characters after an escape are accepted, and numbers are parsed only if
			// they are wanted.
			if !ok || !strings.ContainsFunc(input, unicode.IsControl) && !strings.Contains(err.Error(), "number") {
				t.Fatalf("%q: %t, encoding/json says %v", input, ok, err)
			}
			return
		}
		if !ok || !utf8.ValidString(input) {
			return
		}
		a := doc["a"]
		inner, _ := a.(map[string]any)
		r := &runner{program: &program{}}
		for i, v := range []any{a, inner["b"], doc["c"]} {
			got := r.jsonValue(&entry{batch: &lighter.Batch{}}, s.line, s.spans[i])
			expected, simple := valueOf(v, nil)
			if !simple {
				again, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				expected.kind, expected.bytes = text, again
			}
			if got.kind != expected.kind || string(got.bytes) != string(expected.bytes) {
				t.Errorf("%q: value %d is %d %q, want %d %q", input, i, got.kind, got.bytes, expected.kind, expected.bytes)
			}
		}
	})
}
