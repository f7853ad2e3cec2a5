package fields_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/stage/fields"
)

func finder(t testing.TB, paths ...string) *fields.Finder {
	t.Helper()
	all := make([]fields.Path, len(paths))
	for i, text := range paths {
		p, err := fields.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = p
	}
	return fields.NewFinder(all...)
}

// find returns the text of one field, or "(none)".
func find(t testing.TB, line, path string) (string, fields.Kind, bool) {
	t.Helper()
	var values [1]fields.Value
	ok := finder(t, path).Find([]byte(line), values[:])
	if values[0].Kind == fields.None {
		return "(none)", fields.None, ok
	}
	return string(values[0].Text(nil)), values[0].Kind, ok
}

func TestFind(t *testing.T) {
	f := func(line, path, want string, kind fields.Kind) {
		t.Helper()
		got, gotKind, ok := find(t, line, path)
		if got != want || gotKind != kind || !ok {
			t.Errorf("%s in %s: %q of kind %d, %v; want %q of kind %d", path, line, got, gotKind, ok, want, kind)
		}
	}
	f(`{"a":"x"}`, "a", "x", fields.String)
	f(` { "b" : 1 , "a" : -1.5e3 } `, "a", "-1.5e3", fields.Number)
	f(`{"a":true}`, "a", "true", fields.Bool)
	f(`{"a":null}`, "a", "null", fields.Null)
	f(`{"a":{"b":[1,"}"]},"c":2}`, "a", `{"b":[1,"}"]}`, fields.Object)
	f(`{"a":[{"b":1},"]"],"c":2}`, "a", `[{"b":1},"]"]`, fields.Array)
	f(`{"a":[{"b":1},"]"],"c":2}`, "c", "2", fields.Number)
	f(`{"ctx":{"user":{"id":"u1"}}}`, "ctx.user.id", "u1", fields.String)
	f(`{"id":1,"ctx":{"id":2,"user":{"x":{"id":3},"id":4}}}`, "ctx.user.id", "4", fields.Number)
	// Keys with dots, and which of several fields wins.
	f(`{"ctx.user.id":5}`, "ctx.user.id", "5", fields.Number)
	f(`{"ctx.user":{"id":6}}`, "ctx.user.id", "6", fields.Number)
	f(`{"ctx":{"user.id":7}}`, "ctx.user.id", "7", fields.Number)
	f(`{"ctx.user.id":5,"ctx":{"user":{"id":8}}}`, "ctx.user.id", "8", fields.Number)
	f(`{"ctx.user.id":5,"ctx":{"user":{"name":8}}}`, "ctx.user.id", "5", fields.Number)
	f(`{"ctx.user":{"id":6},"ctx.user.id":5}`, "ctx.user.id", "6", fields.Number)
	f(`{"a":1,"a":2}`, "a", "1", fields.Number)
	f(`{"a":{"b":1},"a":{"c":2}}`, "a.c", "2", fields.Number)
	f(`{"a":"not an object","b":1}`, "a.b", "(none)", fields.None)
	f(`{"ab":1,"a":{"bc":2}}`, "a.b", "(none)", fields.None)
	f(`{"":1,"a":2}`, "a", "2", fields.Number)
	// Escapes.
	f(`{"a":"say \"hi\"\n\u00e4\ud83d\ude00\\"}`, "a", "say \"hi\"\nä😀\\", fields.String)
	f(`{"a":"\ud83d \x \u12"}`, "a", "\ufffd \\x \\u12", fields.String)
	f(`{"\u0061\u0062":"x"}`, "ab", "x", fields.String)
	f(`{"a\u002eb":"x"}`, "a.b", "x", fields.String)
	f(`{"a\\":1,"a":2}`, "a", "2", fields.Number)
	// Lines that are cut or damaged yield the fields before the damage.
	f(`{"a":1,"b":"cut he`, "a", "1", fields.Number)
	f(`{"a":1,"b":"cut he`, "b", "(none)", fields.None)
	f(`{"b":12`, "b", "(none)", fields.None)
	f(`{"b":{"a":1,"c":`, "b.a", "1", fields.Number)
	f(`{"a":1 "b":2}`, "a", "1", fields.Number)
	f(`{"a":1,b:2}`, "a", "1", fields.Number)
	f(`{"a":what,"b":2}`, "b", "(none)", fields.None)
	f(`{`, "a", "(none)", fields.None)
	// Logfmt.
	f(`a=1 b=x`, "b", "x", fields.String)
	f(`a=1 b=x`, "a", "1", fields.Number)
	f(`a=true`, "a", "true", fields.Bool)
	f(`a="1"`, "a", "1", fields.String)
	f(`a="say \"b=2\"" b=3`, "b", "3", fields.Number)
	f(`a="say \"b=2\"" b=3`, "a", `say "b=2"`, fields.String)
	f(`a= b=3`, "a", "", fields.String)
	f(`debug b=3`, "debug", "", fields.String)
	f(`status check status=200 status=500`, "status", "200", fields.Number)
	f(`12:00:01 INFO request done path=/x?a=b status=200`, "path", "/x?a=b", fields.String)
	f(`12:00:01 INFO request done path=/x?a=b status=200`, "status", "200", fields.Number)
	f(`ctx.user.id=9`, "ctx.user.id", "9", fields.Number)
	f(`a=1 b="cut he`, "a", "1", fields.Number)
	f(`a=1 b="cut he`, "b", "(none)", fields.None)
	f(`{a=1 b=2}`, "b", "2}", fields.String)
}

func TestFindNeither(t *testing.T) {
	for _, line := range []string{"", "plain text", "[1,2]", "{curly}", "= x", "a = b", "==", "\x00\xff"} {
		if got, _, ok := find(t, line, "a"); ok || got != "(none)" {
			t.Errorf("%q: %q, %v; want nothing", line, got, ok)
		}
	}
}

func TestFindSeveral(t *testing.T) {
	f := finder(t, "msg", "ctx", "ctx.id", "n", "ctx.name", "n")
	values := make([]fields.Value, 6)
	texts := func(line string) (got []string) {
		f.Find([]byte(line), values)
		for _, v := range values {
			got = append(got, string(v.Text(nil)))
		}
		return got
	}
	want := []string{"hi", `{"id":1,"name":"x"}`, "1", "2", "x", "2"}
	if diff := cmp.Diff(want, texts(`{"ctx":{"id":1,"name":"x"},"n":2,"msg":"hi"}`)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"hi", "", "", "", "", ""}, texts(`{"msg":"hi"}`)); diff != "" {
		t.Errorf("values of the line before are left, -want +got:\n%s", diff)
	}
	for _, line := range []string{`{"msg":"first","msg":"second","n":1,"n":2}`, `msg=first msg=second n=1 n=2`} {
		if diff := cmp.Diff([]string{"first", "", "", "1", "", "1"}, texts(line)); diff != "" {
			t.Errorf("of equal keys not the first counts, -want +got:\n%s", diff)
		}
	}
	if !fields.NewFinder().Find([]byte("a=1"), nil) || fields.NewFinder().Find([]byte("a = 1"), nil) {
		t.Error("a finder of no paths does not tell logfmt from text")
	}
}

// A Finder accepts more paths than one pass searches for.
func TestFindMany(t *testing.T) {
	var paths []string
	var json, logfmt strings.Builder
	for i := range 150 {
		paths = append(paths, fmt.Sprint("k", i))
		fmt.Fprintf(&json, `,"k%d":%d`, i, i)
		fmt.Fprintf(&logfmt, ` k%d=%d`, i, i)
	}
	f, values := finder(t, paths...), make([]fields.Value, len(paths))
	for _, line := range []string{"{" + json.String()[1:] + "}", logfmt.String()} {
		f.Find([]byte(line), values)
		for i, v := range values {
			if string(v.Raw) != strconv.Itoa(i) {
				t.Fatalf("k%d is %q", i, v.Raw)
			}
		}
	}
}

func TestFloat(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "1", "12.5", "-12.5e-3", "1E3", "+7", ".5", "5.", "0.1", "1e22", "1e23", "123456789012345678901234567890", "0.30000000000000004",
		"9007199254740993", "179769313486231570000e288", "5e-324", "1e-400", "0e99999999999",
	} {
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []fields.Kind{fields.Number, fields.String} {
			got, ok := fields.Value{Raw: []byte(text), Kind: kind}.Float()
			if !ok || got != want || math.Signbit(got) != math.Signbit(want) {
				t.Errorf("%s: %v, %v; want %v", text, got, ok, want)
			}
		}
	}
	for _, text := range []string{"", "x", "1x", "1e", "1e+", ".", "-", "--1", "1.2.3", "0x10", "1_000", "NaN", "Inf", " 1", "1 ", "1e999", "12ms"} {
		if got, ok := (fields.Value{Raw: []byte(text), Kind: fields.String}).Float(); ok {
			t.Errorf("%q is no number, but %v", text, got)
		}
	}
	if _, ok := (fields.Value{Raw: []byte("1"), Kind: fields.Array}).Float(); ok {
		t.Error("an array is no number")
	}
}

func TestText(t *testing.T) {
	memory := make([]byte, 3, 64)
	v := fields.Value{Raw: []byte(`a\tb`), Kind: fields.String, Escaped: true}
	if got := v.Text(memory); string(got) != "a\tb" || &got[0] != &memory[0] {
		t.Errorf("%q, not in the memory it was given", got)
	}
	v = fields.Value{Raw: []byte("ab"), Kind: fields.String}
	if got := v.Text(memory); &got[0] != &v.Raw[0] {
		t.Error("a value without escapes is copied")
	}
}

func TestParsePath(t *testing.T) {
	for _, text := range []string{"", ".", ".a", "a.", "a..b"} {
		if p, err := fields.ParsePath(text); err == nil {
			t.Errorf("%q is a path: %v", text, p)
		}
	}
	if p, err := fields.ParsePath("ctx.user-id.Ä"); err != nil || p.String() != "ctx.user-id.Ä" {
		t.Errorf("%v, %v", p, err)
	}
}

func TestParseNamed(t *testing.T) {
	text := func(all []fields.Named) (s []string) {
		for _, n := range all {
			s = append(s, n.Name+"="+n.Path.String())
		}
		return s
	}
	got, err := fields.ParseNamed(" trace_id, user = ctx.user.id ,,_x9=http.status,")
	if diff := cmp.Diff([]string{"trace_id=trace_id", "user=ctx.user.id", "_x9=http.status"}, text(got)); diff != "" || err != nil {
		t.Errorf("%v; -want +got:\n%s", err, diff)
	}
	for in, want := range map[string]string{
		"ctx.user.id":  `field "ctx.user.id": it needs a name of letters, digits and underscores, such as ctx_user_id=ctx.user.id`,
		"9a":           `such as _9a=9a`,
		"user-id=x":    `the name "user-id" must have letters, digits and underscores only`,
		"9a=x":         `begin with no digit`,
		"=x":           `the name "" must have`,
		"a=":           `field "a=": a field's path is empty`,
		"a=b..c":       `has an empty key`,
		"a,b=c,a=ctx":  `the name a is taken twice`,
		"ä":            `such as __=ä`,
		"trace_id=a b": "",
	} {
		_, err := fields.ParseNamed(in)
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || want == "" {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}
