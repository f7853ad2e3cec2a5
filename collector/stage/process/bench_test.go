package process

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
)

// nowhere takes batches.
type nowhere struct{ entries int }

func (n *nowhere) Append(_ context.Context, b *lighter.Batch) error {
	n.entries += len(b.Entries)
	return nil
}

// again is a batch that is refilled with the same lines.
type again struct {
	lighter.Batch
	streams []*lighter.Stream
	lines   [][]byte
}

func newAgain(lines ...string) *again {
	a := &again{streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("host", "h1", "container", "api", "service", "api", "stream", "stdout"))}}
	for _, l := range lines {
		a.lines = append(a.lines, []byte(l))
	}
	return a
}

func (a *again) fill() *lighter.Batch {
	a.Reset()
	a.Streams = a.streams
	for i, l := range a.lines {
		a.Entries = append(a.Entries, lighter.Entry{Time: 1700000000000000000 + int64(i), Line: l})
	}
	a.Begin(nil)
	return &a.Batch
}

func chainOf(t testing.TB, text string) *stage.Chain {
	t.Helper()
	a, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(a, Options{Name: "loki.process.test", Metrics: NewShared(prometheus.NewRegistry())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return stage.NewChain(&nowhere{}, stage.Log{}, nil, p.Maker(Way{}))
}

// Stages that do not change an entry allocate nothing.
func TestAllocs(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector makes a pool forget a part of what it is given")
	}
	const line = `{"level":"info","msg":"GET /api/v1/items","time":"2024-05-01T10:00:00.123Z","status":200,"user":{"id":"u1"}}`
	for name, text := range map[string]string{
		"json, labels that are the same": `
stage.json { expressions = {service = "level", status = "", id = "user.id"} }
stage.match {
	selector = "{service=\"other\"}"
	stage.labels { values = {service = ""} }
}`,
		"labels":                       `stage.labels { values = {service = "container"} }`,
		"static labels":                `stage.static_labels { values = {service = "api"} }`,
		"new labels":                   "stage.static_labels { values = {env = \"prod\"} }\nstage.label_drop { values = [\"host\"] }",
		"labels of values":             "stage.json { expressions = {level = \"\"} }\nstage.labels { values = {level = \"\"} }",
		"label_keep":                   `stage.label_keep { values = ["host", "container", "service", "stream"] }`,
		"drop":                         "stage.drop { expression = \"^never\" }\nstage.drop { longer_than = \"10KiB\" }\nstage.drop { older_than = \"300000h\" }",
		"regex":                        `stage.regex { expression = "^(?P<a>never)" }`,
		"docker":                       `stage.docker { }`,
		"cri":                          `stage.cri { }`,
		"logfmt":                       `stage.logfmt { mapping = {a = ""} }`,
		"timestamp of a missing value": "stage.timestamp {\n\tsource = \"t\"\n\tformat = \"RFC3339\"\n}",
		"timestamp":                    "stage.json { expressions = {t = \"time\"} }\nstage.timestamp {\n\tsource = \"t\"\n\tformat = \"RFC3339\"\n}",
		"output":                       "stage.json { expressions = {m = \"msg\"} }\nstage.output { source = \"m\" }",
		"match":                        "stage.match {\n\tselector = \"{service=~\\\"a.*\\\"} |= \\\"never\\\"\"\n\taction = \"drop\"\n}",
		"decolorize":                   `stage.decolorize { }`,
		"luhn":                         `stage.luhn { }`,
		"truncate":                     "stage.truncate {\n\trule { limit = \"1MiB\" }\n}",
		"sampling":                     `stage.sampling { rate = 1 }`,
		"split_json":                   `stage.split_json { }`,
		"limit":                        "stage.limit {\n\trate = 1e9\n\tburst = 1000000\n}",
		"multiline":                    `stage.multiline { firstline = "^never" }`,
	} {
		t.Run(name, func(t *testing.T) {
			chain := chainOf(t, text)
			batch := newAgain(line, line)
			if allocs := testing.AllocsPerRun(100, func() {
				b := batch.fill()
				if err := chain.Append(t.Context(), b); err != nil {
					t.Error(err)
				}
				b.Done()
			}); allocs > 0 {
				t.Errorf("%v allocations a batch of two entries, want none", allocs)
			}
		})
	}
}

const benchStages = `
stage.json { expressions = {level = "", msg = "", ts = "time"} }
stage.labels { values = {level = ""} }
stage.timestamp {
	source = "ts"
	format = "RFC3339Nano"
}
stage.output { source = "msg" }`

// The reported time is that of one line. Compare it with that of no stages.
func BenchmarkLine(b *testing.B) {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf(`{"time":"%s","level":"%s","msg":"request finished","method":"GET","path":"/api/v1/items/%d","status":200,"latency_ms":12.5,"request_id":"01HXYZ%06d"}`,
			time.Unix(1700000000, int64(i)*1e6).UTC().Format(time.RFC3339Nano), []string{"info", "warn", "debug"}[i%3], i, i))
	}
	for _, c := range []struct{ name, stages string }{
		{"no stages", ""},
		{"a stage that changes nothing", `stage.drop { expression = "^never" }`},
		{"json", `stage.json { expressions = {level = "", msg = "", ts = "time"} }` + "\nstage.drop { source = \"none,level,msg,ts\" }"},
		{"json, labels, timestamp, output", benchStages},
		{"regex, labels", "stage.regex { expression = \"\\\"level\\\":\\\"(?P<level>\\\\w+)\\\"\" }\nstage.labels { values = {level = \"\"} }"},
		{"template", "stage.template {\n\tsource = \"a\"\n\ttemplate = \"{{ .Entry | trunc 10 }}\"\n}"},
		{"multiline of single lines", `stage.multiline { firstline = "^{" }`},
	} {
		b.Run(c.name, func(b *testing.B) {
			chain := chainOf(b, c.stages)
			batch := newAgain(lines...)
			ctx := context.Background()
			b.ReportAllocs()
			b.SetBytes(int64(len(lines[0])))
			for n := 0; n < b.N; n += len(lines) {
				one := batch.fill()
				if err := chain.Append(ctx, one); err != nil {
					b.Fatal(err)
				}
				one.Done()
			}
		})
	}
}
