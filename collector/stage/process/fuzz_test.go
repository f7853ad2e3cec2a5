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

// No stage text and no line panics, and what is handed on is consistent.
func FuzzStages(f *testing.F) {
	for _, c := range cases {
		f.Add(c.stages, c.line, "app", "x")
	}
	f.Add(benchStages, `{"level":"info"}`, "level", "")
	f.Fuzz(func(t *testing.T, text, line, name, value string) {
		var a Arguments
		if !unmarshal([]byte(text), &a) || waits(a.Stages) {
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
		chain := stage.NewChain(end, stage.Log{}, nil, p.Maker())
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

// unmarshal decodes text. Alloy's own decoder panics on some texts, which is not for this package to mend.
func unmarshal(text []byte, a *Arguments) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return syntax.Unmarshal(text, a) == nil
}

// waits reports whether stages may take their time: a limit waits for tokens, and templates do what they say.
func waits(stages []Stage) bool {
	for _, s := range stages {
		if s.Limit != nil && !s.Limit.Drop || s.Match != nil && waits(s.Match.Stages) {
			return true
		}
	}
	return false
}

// What is read of JSON is what encoding/json reads of it.
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
			// Control characters behind an escape are let through, as in Alloy; numbers are not parsed unless they are taken.
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
