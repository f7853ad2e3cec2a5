package process

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/stage"
)

func TestCounts(t *testing.T) {
	for name, c := range map[string]struct {
		stages string
		lines  []string
		want   string
	}{
		"drop": {"stage.drop { expression = \"a\" }\nstage.drop {\n\texpression = \"b\"\n\tdrop_counter_reason = \"bad\"\n}", []string{"a", "ab", "b", "c"},
			`loki_process_dropped_lines_total{reason="bad"} 1
loki_process_dropped_lines_total{reason="drop_stage"} 2`},
		"match": {"stage.match {\n\tselector = \"{app=\\\"x\\\"}\"\n\taction = \"drop\"\n}", []string{"a", "b"}, `loki_process_dropped_lines_total{reason="match_stage"} 2`},
		"limit": {"stage.limit {\n\trate = 0.001\n\tburst = 1\n\tdrop = true\n\tby_label_name = \"app\"\n}", []string{"a", "b", "c"},
			`loki_process_dropped_lines_by_label_total{label_name="app",label_value="x"} 2
loki_process_dropped_lines_total{reason="ratelimit_drop_stage"} 2`},
		"malformed JSON": {"stage.json {\n\texpressions = {a = \"\"}\n\tdrop_malformed = true\n}", []string{"a", "{}"}, `loki_process_dropped_lines_total{reason="json_drop_malformed"} 1`},
		"sampling":       {`stage.sampling { rate = 0 }`, []string{"a"}, `loki_process_dropped_lines_total{reason="sampling_stage"} 1`},
		"truncate":       {"stage.truncate {\n\trule { limit = \"1B\" }\n\trule {\n\t\tlimit = \"1B\"\n\t\tsource_type = \"label\"\n\t}\n}", []string{"aa", "b", "cc"}, `loki_process_truncated_fields_total{field="line"} 2`},
		"cri":            {"stage.cri {\n\tmax_partial_line_size = 1\n\tmax_partial_line_size_truncate = true\n}", []string{"t stdout P abc"}, `loki_process_cri_lines_truncated_total 1`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t, c.stages, labels.FromStrings("app", "x"))
			for _, l := range c.lines {
				p.read(in{line: l})
			}
			if diff := cmp.Diff(c.want, p.page("loki_process_")); diff != "" {
				t.Errorf("page (-want +got):\n%s", diff)
			}
		})
	}
}

// The metrics of stage.metrics have the labels of entries, and are deleted when they are idle.
func TestCustomMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, `
stage.json { expressions = {ms = "", ok = "", order = "", d = ""} }
stage.tenant { value = "t" }
stage.metrics {
	metric.counter {
		name              = "lines_total"
		description       = "lines"
		prefix            = "my_"
		match_all         = true
		action            = "inc"
		max_idle_duration = "24h"
	}
	metric.counter {
		name              = "bytes_total"
		match_all         = true
		count_entry_bytes = true
		action            = "add"
	}
	metric.counter {
		name   = "orders_total"
		source = "order"
		value  = "success"
		action = "inc"
	}
	metric.counter {
		name   = "ms_total"
		source = "ms"
		action = "add"
	}
	metric.gauge {
		name   = "ok"
		action = "set"
	}
	metric.gauge {
		name   = "left"
		source = "ms"
		action = "sub"
	}
	metric.histogram {
		name    = "seconds"
		source  = "d"
		buckets = [0.1, 1]
	}
}`, labels.FromStrings("app", "x", "le", "1"), labels.FromStrings("app", "y"))
		p.read(
			in{line: `{"ms":2.5,"ok":true,"order":"success","d":"50ms"}`},
			in{line: `{"ms":"1","ok":false,"order":"fail","d":0.5}`},
			in{line: `{"ms":-7,"d":"x"}`},
			in{line: `z`, stream: 1},
		)
		const want = `loki_process_custom_bytes_total{app="y"} 1
loki_process_custom_bytes_total{app="x",le="1"} 110
loki_process_custom_left{app="x",le="1"} 3.5
loki_process_custom_ms_total{app="x",le="1"} 3.5
loki_process_custom_ok{app="x",le="1"} 0
loki_process_custom_orders_total{app="x",le="1"} 1
loki_process_custom_seconds_bucket{app="x",le="0.1"} 1
loki_process_custom_seconds_bucket{app="x",le="1"} 2
loki_process_custom_seconds_bucket{app="x",le="+Inf"} 2
loki_process_custom_seconds_sum{app="x"} 0.55
loki_process_custom_seconds_count{app="x"} 2`
		if diff := cmp.Diff(want, p.page("loki_process_custom_")); diff != "" {
			t.Errorf("page (-want +got):\n%s", diff)
		}
		time.Sleep(4 * time.Minute)
		p.read(in{line: "zz", stream: 1})
		time.Sleep(time.Minute)
		if got := p.page("loki_process_custom_"); got != `loki_process_custom_bytes_total{app="y"} 3` {
			t.Errorf("page after five minutes:\n%s", got)
		}
		if got := p.page("my_"); got != "my_lines_total{app=\"y\"} 2\nmy_lines_total{app=\"x\",le=\"1\"} 3" {
			t.Errorf("page of what is kept for a day:\n%s", got)
		}
		p.pipeline.Close()
		if got := p.page("my_"); got != "" {
			t.Errorf("page of a closed pipeline:\n%s", got)
		}
	})
}

// The series of stage.metrics are bounded, even if nobody requests the page and labels always have new
// values.
func TestCustomMetricsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, `
stage.regex {
	expression         = "(?P<id>.+)"
	labels_from_groups = true
}
stage.metrics {
	metric.counter {
		name      = "lines_total"
		match_all = true
		action    = "inc"
	}
}`, labels.EmptyLabels())
		m := p.pipeline.custom[0]
		n := 0
		read := func(lines int) {
			var entries []in
			for range lines {
				n++
				entries = append(entries, in{line: fmt.Sprint(n)})
			}
			p.read(entries...)
		}
		most := 0
		for range 1000 {
			read(20)
			time.Sleep(5 * time.Second)
			most = max(most, len(m.series))
		}
		if limit := 1200 + 2*40; most > limit { // 20 in five seconds are 1,200 in five minutes, the default of max_idle_duration
			t.Errorf("%d series of %d label sets are kept, want at most the %d that are not idle", most, n, limit)
		}
		if got := p.page("lighter_"); got != "" {
			t.Errorf("there is room, and the page says:\n%s", got)
		}

		time.Sleep(time.Hour)
		read(maxSeries + 3)
		p.read(in{line: fmt.Sprint(n - maxSeries)}) // an existing series continues
		if got := len(m.series); got != maxSeries {
			t.Errorf("%d series, want %d", got, maxSeries)
		}
		if got, want := p.page("lighter_"), `lighter_process_metrics_refused_total{metric="loki_process_custom_lines_total"} 3`; got != want {
			t.Errorf("page:\n%s\nwant\n%s", got, want)
		}
		if got, want := m.series[labels.FromStrings("id", fmt.Sprint(n-maxSeries)).Hash()].value, 2.0; got != want {
			t.Errorf("a series that is kept is %v, want %v", got, want)
		}
		time.Sleep(time.Hour)
		read(1)
		if got := len(m.series); got != 1 {
			t.Errorf("%d series, want the one that is not idle", got)
		}
	})
}

// Two components that declare a metric differently, or the same metric twice, leave the page readable.
func TestMetricsThatConflict(t *testing.T) {
	reg := prometheus.NewRegistry()
	shared := NewShared(reg)
	for i, text := range []string{
		"stage.metrics {\n\tmetric.counter {\n\t\tname = \"a\"\n\t\tdescription = \"one\"\n\t\tmatch_all = true\n\t\taction = \"inc\"\n\t}\n}",
		"stage.metrics {\n\tmetric.counter {\n\t\tname = \"a\"\n\t\tdescription = \"other\"\n\t\tmatch_all = true\n\t\taction = \"inc\"\n\t}\n}",
		"stage.metrics {\n\tmetric.gauge {\n\t\tname = \"a\"\n\t\tsource = \"app\"\n\t\taction = \"set\"\n\t}\n}",
	} {
		a, err := decode(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"one", "one", fmt.Sprint(i)} {
			p, err := New(a, Options{Name: name, Metrics: shared})
			if err != nil {
				t.Fatal(err)
			}
			b := &lighter.Batch{Streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("app", "1"))}, Entries: []lighter.Entry{{}}}
			b.Begin(nil)
			if err := stage.NewChain(&nowhere{}, stage.Log{}, nil, p.Maker(Way{})).Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Done()
		}
	}
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
}

func TestRelabel(t *testing.T) {
	rule := func(c relabel.Config) *relabel.Config {
		c.Separator, c.NameValidationScheme = ";", model.LegacyValidation
		if c.Regex.Regexp == nil {
			c.Regex = relabel.MustNewRegexp("(.*)")
		}
		if c.Replacement == "" {
			c.Replacement = "$1"
		}
		return &c
	}
	reg := prometheus.NewRegistry()
	made := Relabel([]*relabel.Config{
		rule(relabel.Config{Action: relabel.Drop, SourceLabels: model.LabelNames{"app"}, Regex: relabel.MustNewRegexp("noisy")}),
		rule(relabel.Config{Action: relabel.Replace, SourceLabels: model.LabelNames{"app"}, TargetLabel: "service"}),
		rule(relabel.Config{Action: relabel.LabelDrop, Regex: relabel.MustNewRegexp("app|only")}),
	}, Options{Name: "loki.relabel.test", Metrics: NewShared(reg)})
	defer made.Close()
	p := &pipe{t: t, pipeline: made, reg: reg, end: &sink{}}
	p.chain = stage.NewChain(p.end, stage.Log{}, nil, made.Maker(Way{}))
	for _, set := range []labels.Labels{labels.FromStrings("app", "a", "z", "z"), labels.FromStrings("app", "noisy"), labels.FromStrings("only", "x"), labels.FromStrings("z", "z")} {
		p.streams = append(p.streams, lighter.NewStream(set))
	}
	p.read(in{line: "1"}, in{line: "2", stream: 1}, in{line: "3", stream: 2}, in{line: "4", stream: 3}, in{line: "5"})
	want := []string{`{service="a", z="z"} 1`, `{z="z"} 4`, `{service="a", z="z"} 5`}
	if diff := cmp.Diff(want, p.end.got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 2 || families[0].GetMetric()[0].GetCounter().GetValue() != 5 || families[1].GetMetric()[0].GetCounter().GetValue() != 3 {
		t.Errorf("metrics = %v, %v; want 5 processed, 3 written", families, err)
	}
}

// There is one Stream value per label set, for all batches, and a batch's own streams keep their places.
func TestStreamsAreReused(t *testing.T) {
	p := newPipe(t, "stage.json { expressions = {level = \"\"} }\nstage.labels { values = {level = \"\"} }", labels.FromStrings("app", "x"), labels.FromStrings("app", "x", "level", "info"))
	p.end.holds = true
	for range 3 {
		p.read(in{line: `{"level":"warn"}`}, in{line: `{"level":"info"}`}, in{line: `x`}, in{line: `y`, stream: 1}, in{line: `{"level":"warn"}`})
	}
	for i := range 500 {
		p.read(in{line: fmt.Sprintf(`{"level":"l%d"}`, i)})
	}
	first := p.end.held[0]
	for i, b := range p.end.held[:3] {
		if len(b.Streams) != 3 || b.Streams[0] != p.streams[0] || b.Streams[1] != p.streams[1] || b.Streams[2] != first.Streams[2] {
			t.Errorf("streams of batch %d = %v", i, b.Streams)
		}
		for k, want := range []int32{2, 1, 0, 1, 2} {
			if got := b.Entries[k].Stream; got != want {
				t.Errorf("entry %d is of stream %d, want %d", k, got, want)
			}
		}
	}
	for _, b := range p.end.held {
		if len(b.Streams) > maxListed+4 {
			t.Fatalf("a batch of %d entries has %d streams", len(b.Entries), len(b.Streams))
		}
	}
}

// A log whose labels always change is processed with bounded memory.
func TestManyLabels(t *testing.T) {
	p := newPipe(t, "stage.regex {\n\texpression = \"(?P<id>.+)\"\n\tlabels_from_groups = true\n}\nstage.static_labels { values = {a = \"b\"} }", labels.FromStrings("app", "x"))
	var r *runner
	maker := p.pipeline.Maker(Way{})
	p.chain = stage.NewChain(p.end, stage.Log{}, nil, stage.Maker{Name: "p", New: func(log stage.Log, next lighter.Logs) lighter.Logs {
		r = maker.New(log, next).(*runner)
		return r
	}})
	for i := range 3 * maxNodes {
		p.read(in{line: fmt.Sprint("id", i)})
	}
	if len(r.nodes) > maxNodes {
		t.Errorf("%d label sets are remembered", len(r.nodes))
	}
	if got := p.end.got[3*maxNodes-1]; got != fmt.Sprintf(`{a="b", app="x", id="id%d"} id%[1]d`, 3*maxNodes-1) {
		t.Errorf("the last entry is %s", got)
	}
}

// Sampling keeps its share, and the same entries when a log is read again.
func TestSampling(t *testing.T) {
	var before []string
	for range 2 {
		p := newPipe(t, `stage.sampling { rate = 0.25 }`, labels.FromStrings("app", "x"))
		for i := range 4000 {
			p.read(in{line: "the same", at: time.Unix(1700000000, int64(i)*1000)})
		}
		if n := len(p.end.got); n < 850 || n > 1150 {
			t.Errorf("%d of 4000 entries came through, want about 1000", n)
		}
		if before != nil && cmp.Diff(before, p.end.got) != "" {
			t.Error("another time other entries came through")
		}
		before = p.end.got
	}
}

// Packed entries have the time at which they were packed.
func TestPackTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, `stage.pack { labels = [] }`, labels.FromStrings("app", "x"))
		p.read(in{line: "x", at: time.Unix(1, 0)})
		want := fmt.Sprintf(`{app="x"} %s {"_entry":"x"}`, time.Now().UTC().Format(time.RFC3339Nano))
		if diff := cmp.Diff([]string{want}, p.end.got); diff != "" {
			t.Error(diff)
		}
	})
}

// Stages that a program made instead of the decoder are validated, too.
func TestNewChecks(t *testing.T) {
	for _, a := range []Arguments{
		{Stages: []Stage{{}}},
		{Stages: []Stage{{Docker: &Docker{}, CRI: &CRI{}}}},
		{Stages: []Stage{{Output: &Output{}}}},
		{Stages: []Stage{{Match: &Match{Selector: `{a="b"}`, Stages: []Stage{{Tenant: &Tenant{}}}}}}},
		{Stages: []Stage{{GeoIP: &GeoIP{DB: "/none", Source: new(string), DBType: "city"}}}},
	} {
		if _, err := New(a, Options{Name: "p", Metrics: NewShared(prometheus.NewRegistry())}); err == nil {
			t.Errorf("New(%+v) has no error", a)
		}
	}
}

// The log of an endpoint is read beside that of another: what a component counts is counted once, and each has
// its own tokens of stage.limit.
func TestWays(t *testing.T) {
	for name, label := range map[string]string{"one bucket": "", "by label": "\n\tby_label_name = \"app\""} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t, "stage.limit {\n\trate = 0.001\n\tburst = 2\n\tdrop = true"+label+"\n}\nstage.metrics {\n\tmetric.counter {\n\t\tname = \"lines\"\n\t\tmatch_all = true\n\t\taction = \"inc\"\n\t}\n}", labels.FromStrings("app", "a"))
			p.read(in{line: "1"}, in{line: "2"}, in{line: "3"})
			end := &sink{}
			p.chain = stage.NewChain(end, stage.Log{}, nil, p.pipeline.Maker(Way{Name: "other", Again: true}))
			p.read(in{line: "1"}, in{line: "2"}, in{line: "3"})
			if diff := cmp.Diff(p.end.got, end.got); diff != "" || len(end.got) != 2 {
				t.Errorf("entries (-first way +other way):\n%s", diff)
			}
			for _, want := range []string{"loki_process_custom_lines{app=\"a\"} 2", "loki_process_dropped_lines_total{reason=\"ratelimit_drop_stage\"} 1"} {
				if page := p.page("loki_process_"); !strings.Contains(page, want) {
					t.Errorf("the page has no %s:\n%s", want, page)
				}
			}
		})
	}
}
