package redact_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/redact"
)

// sink records the lines that it gets, by stream.
type sink struct {
	lines []string
	batch *lighter.Batch
}

func (s *sink) Append(_ context.Context, b *lighter.Batch) error {
	s.batch = b
	for _, e := range b.Entries {
		s.lines = append(s.lines, b.Streams[e.Stream].Labels.Get("stream")+": "+string(e.Line))
	}
	return nil
}

// origin records the state of a batch.
type origin struct{ state []byte }

func (o *origin) SetState(state []byte) { o.state = state }
func (o *origin) Rewind()               {}

func streams() []*lighter.Stream {
	return []*lighter.Stream{lighter.NewStream(labels.FromStrings("stream", "out")), lighter.NewStream(labels.FromStrings("stream", "err"))}
}

// batch returns a batch of lines, each of which begins with the name of its stream.
func batch(lines ...string) (*lighter.Batch, *origin) {
	o := &origin{}
	b := &lighter.Batch{Streams: streams(), Origin: o}
	for _, l := range lines {
		stream, text, _ := strings.Cut(l, ": ")
		e := lighter.Entry{Line: []byte(text)}
		if stream == "err" {
			e.Stream = 1
		}
		b.Entries = append(b.Entries, e)
	}
	b.Begin(nil)
	return b, o
}

const limit = 256 << 10

func TestStage(t *testing.T) {
	reg := prometheus.NewRegistry()
	end := &sink{}
	chain := stage.NewChain(end, stage.Log{Service: "api"}, nil, redact.New().Maker(redact.NewMetrics(reg), limit))
	b, _ := batch("out: hello", "err: pass"+"word=hunter2", "out: DB_PASS"+"WORD=hunter2 and to"+"ken=abc123def456")
	b.AddField(&b.Entries[0], "trace_id", []byte("4bf92f3577b34da6a3ce929d0e0e4736"))
	b.AddField(&b.Entries[0], "url", []byte("redis://:hunter2"+"@cache"))
	b.AddField(&b.Entries[0], "user.password", []byte("hunter2"))
	source := b.Entries[1].Line
	if err := chain.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := []string{"out: hello", "err: password=<redacted:password>", "out: DB_PASSWORD=<redacted:password> and token=<redacted:secret>"}
	if diff := cmp.Diff(want, end.lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	var fields []string
	for _, f := range end.batch.Fields(&end.batch.Entries[0]) {
		fields = append(fields, f.Name+"="+string(f.Value))
	}
	if diff := cmp.Diff([]string{"trace_id=4bf92f3577b34da6a3ce929d0e0e4736", "url=redis://:<redacted:url-password>@cache", "user.password=<redacted:password>"}, fields); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if !bytes.Contains(source, []byte("hunter2")) {
		t.Error("the memory of the log's own line was changed")
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP lighter_log_redactions_total Secrets in log lines that were replaced before the lines left, by the rule that found them.
# TYPE lighter_log_redactions_total counter
lighter_log_redactions_total{rule="password",service="api"} 3
lighter_log_redactions_total{rule="secret",service="api"} 1
lighter_log_redactions_total{rule="url-password",service="api"} 1
`)); err != nil {
		t.Error(err)
	}
}

// A private key that is printed line by line is redacted in its stream, even across a restart. It ends with
// its END, or before the first line that is not part of it.
func TestKeyOverLines(t *testing.T) {
	m := newMaker(1)
	key := strings.Split(pemOf(m, "RSA PRIVATE "+"KEY", 5), "\n")
	const mark = "<redacted:private-key>"
	for name, tc := range map[string]struct {
		after string
		want  string
	}{
		"END":          {key[len(key)-1], key[len(key)-1]},
		"another line": {"listening on :8080", "listening on :8080"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := []string{"out: " + key[0], "err: connected", "out: Proc-Type: 4,ENCRYPTED", "out: "}
			want := append([]string{}, lines...)
			for _, l := range key[1 : len(key)-1] {
				lines, want = append(lines, "out:   "+l), append(want, "out:   "+mark)
			}
			lines, want = append(lines, "out: "+tc.after, "out: MIIEow"+m.of(base64s, 58)), append(want, "out: "+tc.want, "")
			want[len(want)-1] = lines[len(lines)-1]

			maker := redact.New().Maker(redact.NewMetrics(prometheus.NewRegistry()), limit)
			end := &sink{}
			var state []byte
			for _, l := range lines { // a new process reads each line
				b, o := batch(l)
				if err := stage.NewChain(end, stage.Log{Service: "api"}, state, maker).Append(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				state = o.state
			}
			if diff := cmp.Diff(want, end.lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if len(state) != 0 {
				t.Errorf("state = %q after the key, want none", state)
			}
		})
	}
}

// What looks like a key without an end is not followed forever.
func TestKeyWithoutEnd(t *testing.T) {
	m := newMaker(2)
	end := &sink{}
	chain := stage.NewChain(end, stage.Log{}, nil, redact.New().Maker(redact.NewMetrics(prometheus.NewRegistry()), limit))
	lines := []string{"out: -----BEG" + "IN PRIVATE KEY-----"}
	for range 300 {
		lines = append(lines, "out: "+m.of(base64s, 64))
	}
	b, _ := batch(lines...)
	if err := chain.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	redacted := 0
	for _, l := range end.lines {
		if strings.Contains(l, "<redacted:private-key>") {
			redacted++
		}
	}
	if redacted != 200 {
		t.Errorf("%d lines redacted, want 200", redacted)
	}
}

// A batch without secrets passes without allocating.
func TestAllocsStage(t *testing.T) {
	skipUnderRace(t)
	s := redact.New().Maker(redact.NewMetrics(prometheus.NewRegistry()), limit).New(stage.Log{}, nothing{})
	b, _ := batch()
	for _, line := range cleanLines {
		b.Entries = append(b.Entries, lighter.Entry{Line: []byte(line)})
	}
	b.AddField(&b.Entries[0], "trace_id", []byte("4bf92f3577b34da6a3ce929d0e0e4736"))
	if n := testing.AllocsPerRun(100, func() { _ = s.Append(t.Context(), b) }); n > 0 {
		t.Errorf("%v allocations for a batch, want 0", n)
	}
}

type nothing struct{}

func (nothing) Append(context.Context, *lighter.Batch) error { return nil }
