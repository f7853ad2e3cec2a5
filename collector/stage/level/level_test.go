package level_test

import (
	"bufio"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lighter/collector/stage/level"
)

// example is a line of testdata/levels.tsv. deploy/e2e reads that file, too, and compares it with a real
// Loki.
type example struct{ loki, own, line string }

func examples(t testing.TB) (all []example) {
	t.Helper()
	f, err := os.Open("testdata/levels.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		columns := strings.Split(s.Text(), "\t")
		if len(columns) != 3 {
			t.Fatalf("%q does not have three columns", s.Text())
		}
		line, err := strconv.Unquote(columns[2])
		if err != nil {
			t.Fatalf("%s: %v", columns[2], err)
		}
		all = append(all, example{columns[0], columns[1], line})
	}
	if s.Err() != nil || len(all) < 80 {
		t.Fatalf("%d examples, %v", len(all), s.Err())
	}
	return all
}

func TestLevels(t *testing.T) {
	for _, e := range examples(t) {
		line := []byte(e.line)
		if got := level.Detect(line).String(); got != e.loki {
			t.Errorf("%q: Loki detects %s, not %s", e.line, e.loki, got)
		}
		got, send := level.Of(line)
		if got.String() != e.own || send != (e.own != e.loki) {
			t.Errorf("%q: %s, sent: %v; want %s, and it is %s to Loki", e.line, got, send, e.own, e.loki)
		}
		if better, ok := level.Better(line); ok && better.String() != e.own || !ok && e.own != e.loki {
			t.Errorf("%q: %s, %v; want %s", e.line, better, ok, e.own)
		}
		if string(line) != e.line {
			t.Errorf("%q has become %q", e.line, line)
		}
	}
}

// What Loki's own parsers do with lines that are damaged, escaped or in other letters. The expected levels
// are those of Loki 3.7.8.
func TestDetect(t *testing.T) {
	f := func(line string, want level.Level) {
		t.Helper()
		if got := level.Detect([]byte(line)); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
	// Names of fields.
	f(`{"x":"fatal","leVel":"info"}`, level.Fatal)
	f(`leVel=info x=fatal`, level.Info)
	f(`{"\u006cevel":"info","x":"fatal"}`, level.Info)
	f(`{"\ud83d":1,"level":"info","x":"fatal"}`, level.Info) // from its word: the name is damaged
	f(`{"\ud83d":"fatal","level":"info"}`, level.Fatal)
	f(`{"x":"fatal","level":"in\u0066o"}`, level.Fatal) // values keep their escapes
	f(`x=fatal level="in\u0066o"`, level.Info)
	f(`x=fatal ſeverity=info`, level.Info)
	f(`x=fatal level`, level.Fatal)
	f("x=fatal k\xffey=1 level=info", level.Fatal)
	f(`x=fatal severity=warn level=info`, level.Info)
	f(`x=fatal severity=warn lvl=info`, level.Warn)
	f(`x=fatal severity=warn severity=info`, level.Warn)
	// The first field wins, depth first, two objects deep.
	f(`{"x":"fatal","a":{"severity":"info"},"level":"warn"}`, level.Info)
	f(`{"x":"fatal","a":{"b":{"level":"info"}}}`, level.Fatal)
	f(`{"x":"fatal","a":[{"level":"info"}]}`, level.Fatal)
	f(`{"x":"fatal","level":"high","severity":"info"}`, level.Fatal)
	// Damage.
	f(`{"x":"fatal","a":nul,"level":"info"}`, level.Fatal)
	f(`{"x":"fatal","a":{]},"level":"info"}`, level.Fatal)
	f(`{"x":"fatal","a":[}],"level":"info"}`, level.Info)
	f(`{"x":"fatal","a":1 "level":"info"}`, level.Fatal)
	f(`{"x":"fatal","level":"info"`, level.Fatal)
	f(`x=fatal a"b level=info`, level.Fatal)
	f(`x=fatal a=b"c level=info`, level.Fatal)
	f(`x=fatal =1 level=info`, level.Fatal)
	f(`x=fatal a="\x" level=info`, level.Fatal)
	f(`x=fatal a="open level=info`, level.Fatal)
	// Words.
	f("\u2003{\"x\":\"fatal\",\"level\":\"info\"}\u00a0", level.Fatal)
	f("\u2003{\"x\":\"fatal\",\"level\":\"info\"}\v\f", level.Fatal)
	f(`fatality, not a warning!`, level.Warn)
	f(`pre-error post-warn: info`, level.Info)
	f(`'error' |warn| <fatal>`, level.Unknown)
	f(`cr`+"İ"+`t`+"İ"+`cal warn`, level.Critical)
	f(`wrn inf dbg trc`, level.Unknown)
	f(`errerr err`, level.Error)
	f(`warning`, level.Warn)
	f(`warningerr`, level.Unknown)
}

func TestString(t *testing.T) {
	var names []string
	for l := range level.Levels {
		names = append(names, level.Level(l).String())
	}
	if got := strings.Join(names, " "); got != "unknown trace debug info warn error critical fatal" {
		t.Error(got)
	}
}

const (
	jsonLine  = `{"time":"2026-11-26T16:10:54.123Z","level":"info","msg":"http_request","method":"GET","path":"/api/v1/orders","status":200,"latencyMs":12.7,"ctx":{"user":{"id":"u-93841"}},"trace_id":"4bf92f3577b34da6"}`
	pinoLine  = `{"level":30,"time":1795709454123,"pid":1,"hostname":"api","msg":"http_request","method":"GET","path":"/api/v1/orders","status":200,"latencyMs":12.7,"ctx":{"user":{"id":"u-93841"}},"trace_id":"4bf92f3577b34da6"}`
	fmtLine   = `time=2026-11-26T16:10:54.123Z level=info msg="http request" method=GET path=/api/v1/orders status=200 latencyMs=12.7 user=u-93841 trace_id=4bf92f3577b34da6 host=api-1 version=1.2.3 region=eu-west-1`
	textLine  = `the order of the customer was taken by the clerk and is on its way to the front of the counter, where it will be handed over in a few minutes; whoever wants it earlier may come in and fetch it right there`
	nginxLine = `192.0.2.7 - - [26/Nov/2026:16:10:54 +0000] "GET /assets/index-93841.js HTTP/1.1" 200 61213 "https://shop.example.com/orders" "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"`
	javaLine  = `2026-11-26T16:10:54.123Z  INFO 1 --- [orders] [nio-8080-exec-1] c.example.orders.OrderController         : taken by the clerk and on its way to the front of the counter, where it will be handed over soon`
)

func BenchmarkOf(b *testing.B) {
	for _, c := range []struct{ name, line string }{
		{"json", jsonLine}, {"json number", pinoLine}, {"logfmt", fmtLine}, {"text", textLine}, {"access", nginxLine}, {"header", javaLine},
	} {
		line := []byte(c.line)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				level.Of(line)
			}
		})
		b.Run("detect "+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				level.Detect(line)
			}
		})
	}
}

func TestAllocsOf(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	for _, e := range append(examples(t), example{line: `{"\u006cevel":"x"}`}, example{line: `level="in\u0066o"`}, example{line: "ſeverity=crİtİcal"}) {
		line := []byte(e.line)
		if n := testing.AllocsPerRun(10, func() {
			level.Of(line)
			level.Detect(line)
			level.Better(line)
		}); n != 0 {
			t.Errorf("%q: %v allocations, want none", e.line, n)
		}
	}
}

// FuzzOf reads any line: nothing panics, and the three results are consistent.
func FuzzOf(f *testing.F) {
	for _, e := range examples(f) {
		f.Add([]byte(e.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := string(line)
		loki := level.Detect(line)
		own, send := level.Of(line)
		better, known := level.Better(line)
		if send != (own != loki) {
			t.Errorf("%q: %s, sent: %v; Loki detects %s", line, own, send, loki)
		}
		if known && better != own || !known && (own != loki || better != level.Unknown) {
			t.Errorf("%q: %s, but better is %s, %v, and Loki detects %s", line, own, better, known, loki)
		}
		if again := level.Detect(slices.Clone(line)); again != loki || string(line) != before {
			t.Errorf("%q: %s, and then %s", before, loki, again)
		}
	})
}
