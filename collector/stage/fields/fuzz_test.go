package fields_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"lighter/collector/stage/fields"
)

// FuzzFind compares the results for valid JSON with encoding/json, and reads everything else, too.
func FuzzFind(f *testing.F) {
	for _, line := range []string{
		jsonLine, fmtLine, `{"ctx":{"user.id":7},"ctx.user":{"id":[{"a":1}]}}`, `{"a":"\u00e4\"","a\u002eb":-1.5e3 , "a":{"b":null}}`,
		`{"a":{"b":1},"a":{"b":2}}`, `{"a":{"a":{"a":"\\"}},"b":"\\\""}`, `{"a":`, `a="x\"" a b=`, `{}`, `{"a":{}}`,
	} {
		f.Add([]byte(line), "a.b")
		f.Add([]byte(line), "ctx.user.id")
		f.Add([]byte(line), "a")
	}
	f.Fuzz(func(t *testing.T, line []byte, text string) {
		path, err := fields.ParsePath(text)
		if err != nil {
			return
		}
		other, _ := fields.ParsePath("a.a.b")
		var both [2]fields.Value
		ok := fields.NewFinder(other, path).Find(line, both[:])
		got := both[1]
		for _, v := range both {
			if !ok && v.Kind != fields.None {
				t.Fatalf("a value %v without fields", v)
			}
			v.Text(nil)
			v.Float()
		}
		if !json.Valid(line) || !utf8.Valid(line) || !strings.HasPrefix(strings.TrimLeft(string(line), " \t\r\n"), "{") {
			return
		}
		if !ok {
			t.Fatal("an object is not taken for one")
		}
		var r reference
		r.walk(t, line, text, true)
		want := r.first
		if want == nil {
			want = r.second
		}
		compare(t, got, want)
	})
}

func compare(t *testing.T, got fields.Value, want json.RawMessage) {
	t.Helper()
	if want == nil || got.Kind == fields.None {
		if want != nil || got.Kind != fields.None {
			t.Fatalf("got %v, want %s", got, want)
		}
		return
	}
	switch got.Kind {
	case fields.String:
		var s string
		if err := json.Unmarshal(want, &s); err != nil || string(got.Text(nil)) != s {
			t.Fatalf("got %q, want %q, %v", got.Text(nil), s, err)
		}
		return
	case fields.Number:
		n, err := strconv.ParseFloat(string(want), 64)
		if f, ok := got.Float(); ok != (err == nil) || ok && f != n {
			t.Fatalf("%s is %v, %v; want %v", want, f, ok, n)
		}
	}
	if !bytes.Equal(got.Raw, want) || got.Escaped {
		t.Fatalf("got %q, want %s", got.Raw, want)
	}
}

// reference finds a path with encoding/json.
type reference struct{ first, second json.RawMessage }

func (r *reference) walk(t *testing.T, object []byte, rest string, straight bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		key := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		straight := straight && !strings.Contains(key, ".")
		below, goesOn := strings.CutPrefix(rest, key+".")
		switch {
		case rest == key && straight && r.first == nil:
			r.first = value
		case rest == key && !straight && r.second == nil:
			r.second = value
		case goesOn && key != "":
			r.walk(t, value, below, straight)
		}
	}
}
