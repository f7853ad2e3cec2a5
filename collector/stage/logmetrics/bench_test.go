package logmetrics_test

import (
	"fmt"
	"log/slog"
	"syscall"
	"testing"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/stage"
	"lighter/collector/stage/logmetrics"
)

const examples = `http_requests_total{path,status} = count(msg="http_request")
http_request_duration_seconds{path} = histogram(latencyMs/1000, msg="http_request")
queue_depth = gauge(depth, msg="queue")`

// The cost of a line, by the declarations and by whether one of them counts it.
func BenchmarkAppend(b *testing.B) {
	wanted, unwanted := []string(nil), []string(nil)
	for i := range 100 {
		wanted = append(wanted, fmt.Sprintf(`{"ts":"2026-04-25T03:01:53.%03dZ","level":"info","msg":"http_request","reqId":"req_%d","method":"POST","path":"/v1/apple/%d","status":200,"latencyMs":%d,"tenantId":"tenant_1"}`, i, i, i%10, 100+i))
		unwanted = append(unwanted, fmt.Sprintf(`{"ts":"2026-04-25T03:01:53.%03dZ","level":"info","msg":"cache_refreshed","reqId":"req_%d","method":"POST","path":"/v1/apple/%d","entries":200,"tookMs":%d,"tenantId":"tenant_1"}`, i, i, i%10, 100+i))
	}
	for _, c := range []struct {
		name, declared string
		lines          []string
	}{
		{"declared=0", "", wanted},
		{"declared=3/wanted", examples, wanted},
		{"declared=3/unwanted", examples, unwanted},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLog(b, newSet(500), "1", c.declared, nil)
			batch := batchOf(c.lines...)
			b.ReportAllocs()
			for b.Loop() {
				appendTo(b, l.stage, batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(c.lines)), "ns/line")
		})
	}
}

// The cost of the state kept with a batch, by the number of series, ten of which change with each batch.
func BenchmarkKeep(b *testing.B) {
	for _, n := range []int{50, 500} {
		for _, kind := range []string{"count()", "histogram(ms)"} {
			b.Run(fmt.Sprintf("series=%d/%s", n, kind), func(b *testing.B) {
				l := newLog(b, newSet(500), "1", "m{path} = "+kind, nil)
				var lines []string
				for i := range n {
					lines = append(lines, fmt.Sprintf("path=/v1/path/number/%d ms=%v", i, float64(i)/100))
				}
				appendTo(b, l.stage, batchOf(lines...))
				some := batchOf(lines[:10]...)
				var state []byte
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					appendTo(b, l.stage, some)
					b.StartTimer()
					state = l.stage.(stage.Keeper).Keep(state[:0])
				}
				b.ReportMetric(float64(len(state)), "bytes")
			})
		}
	}
}

// The cost of gathering a page of 100 containers with 50 series each.
func BenchmarkGather(b *testing.B) {
	set := newSet(5000)
	for i := range 100 {
		l := newLog(b, set, fmt.Sprint(i), "m{path} = histogram(ms)\nn{path} = count()", nil)
		for n := range 25 {
			l.read(fmt.Sprintf("path=/v1/path/number/%d/%d ms=1", i, n))
		}
		l.acknowledge()
	}
	g := set.Gatherer()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

func appendTo(tb testing.TB, s lighter.Logs, b *lighter.Batch) {
	for i := range b.Entries {
		b.Entries[i].Fields = 0
	}
	b.Begin(nil)
	if err := s.Append(tb.Context(), b); err != nil {
		tb.Fatal(err)
	}
	b.Done()
}

// The cost of acknowledging one of 10 logs, all the way to the disk, by the number of series, ten of which
// change with each batch.
func BenchmarkAcknowledge(b *testing.B) {
	for _, n := range []int{0, 50, 500} {
		for _, kind := range []string{"count()", "histogram(ms)"} {
			b.Run(fmt.Sprintf("series=%d/%s", n, kind), func(b *testing.B) {
				dir := b.TempDir()
				positions, err := position.Open(dir, slog.New(slog.DiscardHandler))
				if err != nil {
					b.Fatal(err)
				}
				defer positions.Close()
				set := newSet(10 * 500)
				var chains []*stage.Chain
				var cursors []*position.Cursor
				var lines []string
				for i := range max(n, 10) {
					lines = append(lines, fmt.Sprintf("path=/v1/path/number/%d ms=%v", i, float64(i)/100))
				}
				declared := "m{path} = " + kind
				if n == 0 {
					declared = ""
				}
				at := int64(0)
				acknowledge := func(i int, lines []string) {
					batch := batchOf(lines...)
					at += 1e6
					mark := cursors[i].Mark(at, position.Position{Time: at, Lines: 1}, position.Bookmark{})
					batch.Origin = mark
					batch.Begin(mark.Ack)
					if err := chains[i].Append(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
					batch.Done()
				}
				for i := range 10 {
					maker := set.Maker(logmetrics.Log{ID: fmt.Sprint(i), Declarations: parse(b, declared), Count: true, Acknowledged: func() []byte { return nil }})
					chains = append(chains, stage.NewChain(nowhere{}, stage.Log{Service: "api", Container: fmt.Sprint(i)}, nil, maker))
					cursors = append(cursors, positions.Cursor(fmt.Sprint("logs/loki/", i)))
					acknowledge(i, lines)
				}
				var before, after syscall.Rusage
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					acknowledge(i%10, lines[:10])
					i++
				}
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
				cpu := (after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
				b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(len(positions.State("logs/loki/0"))), "bytes")
			})
		}
	}
}
