package drop_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/drop"
)

// end records the lines that it gets.
type end struct{ lines []string }

func (s *end) Append(_ context.Context, b *lighter.Batch) error {
	for _, e := range b.Entries {
		s.lines = append(s.lines, string(e.Line))
	}
	return nil
}

func batch(lines ...string) *lighter.Batch {
	b := &lighter.Batch{}
	for i, l := range lines {
		b.Entries = append(b.Entries, lighter.Entry{Time: int64(i), Line: []byte(l)})
	}
	return b
}

func parse(tb testing.TB, text string) *drop.Rules {
	tb.Helper()
	r, err := drop.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// kept returns the lines that rules do not drop.
func kept(t *testing.T, rules string, lines ...string) []string {
	t.Helper()
	sink := &end{}
	chain := stage.NewChain(sink, stage.Log{Service: "api"}, nil, drop.Maker(parse(t, rules), drop.NewMetrics(prometheus.NewRegistry())))
	b := batch(lines...)
	b.Begin(nil)
	if err := chain.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.Done()
	return sink.lines
}

func TestRules(t *testing.T) {
	all := []string{"", "cache hit 1", "cache miss 2", "CACHE HIT 3", "timeout after 10 s", "tick", "t\xffck", `GET /health 200 1.2 ms - 15`}
	for rules, want := range map[string][]string{
		"":                       all,
		"\n \n":                  all,
		"tick":                   {"", "cache hit 1", "cache miss 2", "CACHE HIT 3", "timeout after 10 s", "t\xffck", all[7]},
		"cache (hit|miss)":       {"", "CACHE HIT 3", "timeout after 10 s", "tick", "t\xffck", all[7]},
		"(?i)cache hit":          {"", "cache miss 2", "timeout after 10 s", "tick", "t\xffck", all[7]},
		"^$":                     {"cache hit 1", "cache miss 2", "CACHE HIT 3", "timeout after 10 s", "tick", "t\xffck", all[7]},
		"t\uFFFDck":              {"", "cache hit 1", "cache miss 2", "CACHE HIT 3", "timeout after 10 s", "tick", all[7]},
		`\d+ s$`:                 {"", "cache hit 1", "cache miss 2", "CACHE HIT 3", "tick", "t\xffck", all[7]},
		`(cache miss|\d+ s)`:     {"", "cache hit 1", "CACHE HIT 3", "tick", "t\xffck", all[7]},
		`(cache miss)?|tick`:     nil,
		`(cache miss)*2$`:        {"", "cache hit 1", "CACHE HIT 3", "timeout after 10 s", "tick", "t\xffck", all[7]},
		`(cache){0,1} (hit|x)`:   {"", "cache miss 2", "CACHE HIT 3", "timeout after 10 s", "tick", "t\xffck", all[7]},
		"health":                 all[:7],
		".*":                     nil,
		"  health \r\n\n\ttick ": {"", "cache hit 1", "cache miss 2", "CACHE HIT 3", "timeout after 10 s", "t\xffck"},
	} {
		if diff := cmp.Diff(want, kept(t, rules, all...)); diff != "" {
			t.Errorf("rules %q: kept lines (-want +got):\n%s", rules, diff)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a(b":                    `line 1: "a(b" is not a regular expression: error parsing regexp: missing closing ): ` + "`a(b`",
		"health\n\nx{2,1}\nfine": `line 3: "x{2,1}" is not a regular expression: error parsing regexp: invalid repeat count: ` + "`{2,1}`",
	} {
		if _, err := drop.Parse(text); err == nil || err.Error() != want {
			t.Errorf("Parse(%q): %v, want %s", text, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	got := parse(t, "health\ntick\n"+strings.Repeat("x", 40)+"\n"+strings.Repeat("é", 30)).Names()
	want := []string{"health", "tick", strings.Repeat("x", 40), strings.Repeat("é", 18) + "…"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if !parse(t, "").Empty() || !(*drop.Rules)(nil).Empty() || parse(t, "x").Empty() {
		t.Error("Empty is wrong")
	}
}

// A line counts once, under its service, for the first rule that it matches.
func TestCounts(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := drop.NewMetrics(reg)
	maker := drop.Maker(parse(t, "health\ntick\nti"), m)
	for _, service := range []string{"api", "worker", "api"} {
		sink := &end{}
		chain := stage.NewChain(sink, stage.Log{Service: service}, nil, maker)
		for range 2 {
			if err := chain.Append(t.Context(), batch("tick", "GET /health 200 1.2 ms - 15", "time", "hello", "tick")); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"hello", "hello"}, sink.lines); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP lighter_log_bytes_filtered_total Bytes of the log lines that a rule left out, by service and rule.
# TYPE lighter_log_bytes_filtered_total counter
lighter_log_bytes_filtered_total{rule="health",service="api"} 108
lighter_log_bytes_filtered_total{rule="health",service="worker"} 54
lighter_log_bytes_filtered_total{rule="ti",service="api"} 16
lighter_log_bytes_filtered_total{rule="ti",service="worker"} 8
lighter_log_bytes_filtered_total{rule="tick",service="api"} 32
lighter_log_bytes_filtered_total{rule="tick",service="worker"} 16
# HELP lighter_log_lines_filtered_total Log lines that a rule left out, by service and rule.
# TYPE lighter_log_lines_filtered_total counter
lighter_log_lines_filtered_total{rule="health",service="api"} 4
lighter_log_lines_filtered_total{rule="health",service="worker"} 2
lighter_log_lines_filtered_total{rule="ti",service="api"} 4
lighter_log_lines_filtered_total{rule="ti",service="worker"} 2
lighter_log_lines_filtered_total{rule="tick",service="api"} 8
lighter_log_lines_filtered_total{rule="tick",service="worker"} 4
`)); err != nil {
		t.Error(err)
	}
	want := []drop.Share{{"api", 20, 4 * 44, 16, 156}, {"worker", 10, 2 * 44, 8, 78}}
	if diff := cmp.Diff(want, m.Shares()); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
}

// Entries that are kept retain their positions and fields, and the memory behind them is cleared.
func TestEntriesKeepTheirFields(t *testing.T) {
	b := batch("drop", "one", "drop", "two", "drop")
	for i := range b.Entries {
		b.AddField(&b.Entries[i], "n", fmt.Append(nil, i))
	}
	backing := b.Entries
	next := lighterLogs(func(b *lighter.Batch) {
		for i, want := range []string{"1", "3"} {
			e := &b.Entries[i]
			if got := string(b.Fields(e)[0].Value); got != want || e.Time != int64(2*i+1) {
				t.Errorf("entry %d has field %s and time %d", i, got, e.Time)
			}
		}
	})
	if err := drop.Maker(parse(t, "drop"), drop.NewMetrics(prometheus.NewRegistry())).New(stage.Log{}, next).Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, e := range backing[2:] {
		if e.Line != nil {
			t.Errorf("the line %q is still referred to", e.Line)
		}
	}
}

type lighterLogs func(b *lighter.Batch)

func (f lighterLogs) Append(_ context.Context, b *lighter.Batch) error {
	f(b)
	return nil
}

// Searching for literals first does not change which lines match.
func FuzzLiterals(f *testing.F) {
	for _, seed := range []string{"tick", "cache (hit|miss)", "(?i)a", "a+b*", "(foo|bar)+", "x{2,3}y", "^$", "t\uFFFDck", "(?s)a.b", "[ab]c", "(a|)", `\bfoo\b`} {
		f.Add(seed, "tick cache hit foo xxy")
	}
	f.Fuzz(func(t *testing.T, expression, line string) {
		rules, err := drop.Parse(expression)
		if err != nil || len(rules.Names()) != 1 || strings.TrimSpace(expression) == "health" {
			return
		}
		if got, want := rules.Match([]byte(line)), drop.Regexp(strings.TrimSpace(expression)).MatchString(line); got != want {
			t.Errorf("%q matches %q: %v, want %v", expression, line, got, want)
		}
	})
}

var clean = []string{
	`{"level":"info","time":"2026-11-26T16:00:00.000Z","msg":"http_request","method":"GET","path":"/api/v1/orders/42","status":200,"latencyMs":12.4,"requestId":"3f1c5a0a-9d1b-4a6e-8f0e-0a1b2c3d4e5f","userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}`,
	`172.18.0.1 - - [26/Nov/2026:16:00:00 +0000] "GET /assets/app.3f1c5a0a.js HTTP/1.1" 200 48213 "https://www.example.com/orders" "Mozilla/5.0 (X11; Linux x86_64)"`,
	`2026-11-26 16:00:00.123 UTC [42] LOG:  checkpoint complete: wrote 12 buffers (0.1%); 0 WAL file(s) added, 0 removed, 0 recycled`,
}

func makeStage(tb testing.TB, rules string) lighter.Logs {
	return drop.Maker(parse(tb, rules), drop.NewMetrics(prometheus.NewRegistry())).New(stage.Log{Service: "api"}, lighterLogs(func(*lighter.Batch) {}))
}

func TestAllocs(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector lets pools forget")
	}
	s := makeStage(t, "health\nspecific text\n(cache|session) (hit|miss)")
	lines := append([]string{"GET /health 503 1.2 ms - 15", `{"msg":"GET /health 503"}`, "\x1b[0mGET /health \x1b[32m503\x1b[0m", "level=info msg=x path=/health status=500"}, clean...)
	b := batch(lines...)
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Append(t.Context(), b); err != nil || len(b.Entries) != len(lines) {
			t.Fatal(err, len(b.Entries))
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d lines, want none", n, len(lines))
	}
}

func BenchmarkClean(b *testing.B) {
	for _, rules := range []string{"health", "health\nspecific text\n(cache|session) (hit|miss)"} {
		for i, line := range clean {
			b.Run(fmt.Sprintf("rules=%d/line=%d", strings.Count(rules, "\n")+1, i), func(b *testing.B) {
				s := makeStage(b, rules)
				lines := slices.Repeat([]string{line}, 1000)
				batch := batch(lines...)
				b.ReportAllocs()
				b.SetBytes(int64(1000 * len(line)))
				start := time.Now()
				n := 0
				for b.Loop() {
					if err := s.Append(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
					n += len(lines)
				}
				b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(n), "ns/line")
			})
		}
	}
}
