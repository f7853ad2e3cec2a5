package fields_test

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/fields"
)

// through passes lines through a stage, and returns the resulting fields of each.
func through(t *testing.T, declared string, lines ...string) (got []string) {
	t.Helper()
	names, err := fields.ParseNamed(declared)
	if err != nil {
		t.Fatal(err)
	}
	stream := lighter.NewStream(labels.FromStrings("service", "api"))
	b := &lighter.Batch{Streams: []*lighter.Stream{stream}}
	for _, line := range lines {
		b.Entries = append(b.Entries, lighter.Entry{Line: []byte(line)})
	}
	c := stage.NewChain(nothing{}, stage.Log{}, nil, fields.Maker(names))
	if err := c.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if b.Streams[0] != stream || stream.Labels.Len() != 1 {
		t.Error("stream labels have changed")
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		if string(e.Line) != lines[i] {
			t.Errorf("line %q has become %q", lines[i], e.Line)
		}
		var all []string
		for _, f := range b.Fields(e) {
			all = append(all, f.Name+"="+string(f.Value))
		}
		got = append(got, strings.Join(all, " "))
	}
	return got
}

type nothing struct{}

func (nothing) Append(context.Context, *lighter.Batch) error { return nil }

func TestStage(t *testing.T) {
	long := strings.Repeat("x", fields.MaxValue)
	lines := []string{
		`{"trace_id":"t1","ctx":{"user":{"id":42}},"ok":true}`,
		`{"trace_id":"a\"b","ctx":{"user":{"id":"c\td"}}}`,
		`{"trace_id":{"a":1},"ok":[1],"ctx":{"user":{"id":null}}}`,
		`{"trace_id":"","ok":false}`,
		`{"trace_id":"` + long + `"}`,
		`{"trace_id":"` + long + `x","ok":1}`,
		`level=info trace_id=t2 ok`,
		`nothing at all`,
		``,
	}
	want := []string{
		"trace_id=t1 user=42 ok=true",
		"trace_id=a\"b user=c\td",
		"",
		"ok=false",
		"trace_id=" + long,
		"ok=1",
		"trace_id=t2",
		"",
		"",
	}
	if diff := cmp.Diff(want, through(t, "trace_id,user=ctx.user.id,ok", lines...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

const (
	jsonLine = `{"level":"info","time":"2026-11-26T16:10:54.123Z","msg":"http_request","method":"GET","path":"/api/v1/orders","status":200,"latencyMs":12.7,"ctx":{"user":{"id":"u-93841"}},"trace_id":"4bf92f3577b34da6"}`
	fmtLine  = `time=2026-11-26T16:10:54.123Z level=info msg="http request" method=GET path=/api/v1/orders status=200 latencyMs=12.7 user=u-93841 trace_id=4bf92f3577b34da6 host=api-1 version=1.2.3 region=eu-west-1`
)

func BenchmarkFind(b *testing.B) {
	for _, c := range []struct {
		name, line string
		paths      []string
	}{
		{"json", jsonLine, []string{"path", "status", "latencyMs"}},
		{"json nested", jsonLine, []string{"trace_id", "ctx.user.id", "status"}},
		{"json absent", jsonLine, []string{"a", "b.c", "status.x"}},
		{"logfmt", fmtLine, []string{"path", "status", "latencyMs"}},
		{"logfmt absent", fmtLine, []string{"a", "b.c", "status.x"}},
		{"text", strings.Repeat("nothing of the kind ", 10), []string{"path", "status", "latencyMs"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, values, line := finder(b, c.paths...), make([]fields.Value, len(c.paths)), []byte(c.line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				f.Find(line, values)
			}
		})
	}
}

func BenchmarkStage(b *testing.B) {
	names, err := fields.ParseNamed("trace_id,user=ctx.user.id")
	if err != nil {
		b.Fatal(err)
	}
	s := fields.Maker(names).New(stage.Log{}, nothing{})
	batch, line := &lighter.Batch{}, []byte(jsonLine)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		batch.Entries = append(batch.Entries, lighter.Entry{Line: line})
		if err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// Neither finding nor setting fields allocates for a line, once a batch has been used before.
func TestAllocsFields(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	names, err := fields.ParseNamed("trace_id,user=ctx.user.id,path,absent")
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]byte
	for _, line := range []string{jsonLine, fmtLine, "plain text", `{"tr\u0061ce_id":"a\nb","path":1e400}`} {
		lines = append(lines, []byte(line))
	}
	s := fields.Maker(names).New(stage.Log{}, nothing{})
	b := &lighter.Batch{}
	if n := testing.AllocsPerRun(100, func() {
		b.Reset()
		for range 10 {
			for _, line := range lines {
				b.Entries = append(b.Entries, lighter.Entry{Line: line})
			}
		}
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 40 lines, want none", n)
	}
	v := fields.Value{Raw: []byte("0.30000000000000004"), Kind: fields.Number}
	if n := testing.AllocsPerRun(100, func() { v.Float() }); n != 0 {
		t.Errorf("%v allocations for a number, want none", n)
	}
}
