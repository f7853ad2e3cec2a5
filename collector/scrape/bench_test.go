package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/prompb"
)

// benchLines are lines without their values.
func benchLines(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("http_requests_total{method=\"GET\",route=\"/api/v1/things/%d\",status=\"%d\",region=\"eu-central-1\"}", i, 200+i%5)
	}
	return lines
}

// benchBody returns a page of lines, with values that differ from round to round.
func benchBody(lines []string, round int) []byte {
	var b strings.Builder
	b.WriteString("# HELP http_requests_total Requests by what was asked and answered.\n# TYPE http_requests_total counter\n")
	for i, line := range lines {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "%s %d\n", line, i*7+round)
		case 1:
			fmt.Fprintf(&b, "%s %g\n", line, float64(i*1_000_003+round)/1000)
		case 2:
			fmt.Fprintf(&b, "%s %g\n", line, float64(i+round)*1234567)
		default:
			fmt.Fprintf(&b, "%s %g\n", line, float64(i)*0.1+0.01*float64(round))
		}
	}
	return []byte(b.String())
}

func benchPage(n int) []byte { return benchBody(benchLines(n), 0) }

// churn returns lines of which one in a hundred has gone, one is new and one has moved.
func churn(lines []string, round int) []string {
	rng := rand.New(rand.NewPCG(1, uint64(round)))
	changed := append([]string(nil), lines...)
	for range max(1, len(lines)/300) {
		changed[rng.IntN(len(changed))] = fmt.Sprintf("http_requests_total{method=\"PUT\",route=\"/api/v1/others/%d\",status=\"201\",region=\"eu-central-1\"}", rng.IntN(1e9))
		i, j := rng.IntN(len(changed)), rng.IntN(len(changed))
		changed[i], changed[j] = changed[j], changed[i]
		k := rng.IntN(len(changed))
		changed = append(changed[:k], changed[k+1:]...)
	}
	return changed
}

// benchSink encodes labels as a remote-write endpoint does, without the library.
type benchSink struct{ plainSink }

func (benchSink) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	l.Range(func(one labels.Label) {
		dst = append(dst, 1<<3|2, byte(4+len(one.Name)+len(one.Value)), 1<<3|2, byte(len(one.Name))) // names and values are short
		dst = append(append(dst, one.Name...), 2<<3|2, byte(len(one.Value)))
		dst = append(dst, one.Value...)
	})
	return dst, true
}

// rounds returns a function that reads the next of the pages, in the next round, and compresses the
// resulting blocks.
func rounds(tb testing.TB, buffers *Buffers, pages [][]byte) func() {
	return roundsOf(tb, buffers, DefaultConfig(), "text/plain", pages)
}

func roundsOf(tb testing.TB, buffers *Buffers, cfg Config, contentType string, pages [][]byte) func() {
	of := newPages(testTarget, cfg, []Sink{benchSink{}}, make([]string, 1))
	at, next := int64(1_700_000_000_000), 0
	p := &page{contentType: contentType}
	spare := sync.Pool{New: func() any { return &[]byte{} }}
	return func() {
		at += 1000
		p.body = pages[next%len(pages)]
		next++
		w := buffers.getWork(context.Background(), len(p.body), of.sinks)
		if _, err := of.read(p, at, &w.out, &w.reader); err != nil {
			tb.Fatal(err)
		}
		for _, b := range w.out.sinks[0].finish(at) {
			packed := spare.Get().(*[]byte)
			if n := snappy.MaxEncodedLen(len(b.Body)); len(*packed) < n {
				*packed = make([]byte, n)
			}
			snappy.Encode(*packed, b.Body)
			spare.Put(packed)
		}
		buffers.putWork(w)
	}
}

func steadyPages(n int) [][]byte {
	lines := benchLines(n)
	pages := make([][]byte, 8)
	for i := range pages {
		pages[i] = slices.Grow(benchBody(lines, i), 1) // with the spare capacity of a page that was read
	}
	return pages
}

func changingPages(n int) [][]byte {
	lines := benchLines(n)
	pages := make([][]byte, 20)
	for i := range pages {
		lines = churn(lines, i)
		pages[i] = slices.Grow(benchBody(lines, i), 1)
	}
	for i := len(pages) - 2; i > 0; i-- { // and back, so that the first page differs little from the last
		pages = append(pages, pages[i])
	}
	return pages
}

// createdPages returns OpenMetrics pages on which each series has a start time.
func createdPages(n int) [][]byte {
	return openMetricsPages(func(b *strings.Builder, round int) {
		for i := range n / 2 {
			fmt.Fprintf(b, "requests_total{route=\"/api/v1/things/%d\"} %d\nrequests_created{route=\"/api/v1/things/%d\"} 1.6e+09\n", i, i+round, i)
		}
	})
}

// exemplarPages returns OpenMetrics pages on which one line in ten has an exemplar: always the same one, or
// a fresh one each time.
func exemplarPages(n int, fresh bool) [][]byte {
	return openMetricsPages(func(b *strings.Builder, round int) {
		for i := range n {
			fmt.Fprintf(b, "requests_total{route=\"/api/v1/things/%d\"} %d", i, i+round)
			switch {
			case i%10 > 0:
			case fresh:
				fmt.Fprintf(b, " # {trace_id=\"%032d\"} 0.5", round)
			default:
				fmt.Fprintf(b, " # {trace_id=\"%032d\"} 0.5 1600000000.5", i)
			}
			b.WriteByte('\n')
		}
	})
}

func openMetricsPages(write func(b *strings.Builder, round int)) [][]byte {
	pages := make([][]byte, 8)
	for i := range pages {
		var b strings.Builder
		b.WriteString("# HELP requests Requests by route.\n# TYPE requests counter\n")
		write(&b, i)
		b.WriteString("# EOF\n")
		pages[i] = slices.Grow([]byte(b.String()), 1)
	}
	return pages
}

// BenchmarkOpenMetrics is BenchmarkScrape for what only OpenMetrics has.
func BenchmarkOpenMetrics(b *testing.B) {
	const n, contentType = 10_000, "application/openmetrics-text; version=1.0.0"
	cfg := DefaultConfig()
	cfg.StartTimes = true
	for name, pages := range map[string][][]byte{"created": createdPages(n), "same exemplars": exemplarPages(n, false), "new exemplars": exemplarPages(n, true)} {
		b.Run(name, func(b *testing.B) {
			again := roundsOf(b, NewBuffers(PageMemory), cfg, contentType, pages)
			again()
			again()
			b.ReportAllocs()
			for b.Loop() {
				again()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
		})
	}
}

// BenchmarkScrape turns a page's body into compressed blocks. The reference does the same with nothing
// remembered: textparse, relabel and prompb.
func BenchmarkScrape(b *testing.B) {
	buffers := NewBuffers(PageMemory)
	for _, n := range []int{1_000, 10_000, 50_000} {
		report := func(b *testing.B, size int) {
			b.SetBytes(int64(size))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/sample")
		}
		for name, pages := range map[string][][]byte{"steady": steadyPages(n), "changed": changingPages(n)} {
			b.Run(fmt.Sprintf("%s/series=%d", name, n), func(b *testing.B) {
				again := rounds(b, buffers, pages)
				for range pages {
					again()
				}
				b.ReportAllocs()
				for b.Loop() {
					again()
				}
				report(b, len(pages[0]))
			})
		}
		b.Run(fmt.Sprintf("new/series=%d", n), func(b *testing.B) {
			pages := steadyPages(n)
			b.ReportAllocs()
			for b.Loop() {
				rounds(b, buffers, pages)()
			}
			report(b, len(pages[0]))
		})
		b.Run(fmt.Sprintf("reference/series=%d", n), func(b *testing.B) {
			pages := steadyPages(n)
			b.ReportAllocs()
			for b.Loop() {
				referenceEncode(b, pages[0])
			}
			report(b, len(pages[0]))
		})
	}
}

// referenceEncode does the work of a scrape that remembers nothing.
func referenceEncode(tb testing.TB, body []byte) {
	p, _ := textparse.New(body, "text/plain", labels.NewSymbolTable(), textparse.ParserOptions{})
	c := newRules(testTarget, DefaultConfig())
	req := prompb.WriteRequest{}
	flush := func() {
		raw, err := req.Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		snappy.Encode(nil, raw)
		req.Timeseries = req.Timeseries[:0]
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, v := p.Series()
		var l labels.Labels
		p.Labels(&l)
		l, _, _ = c.relabel(l)
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels: prompb.FromLabels(l, nil), Samples: []prompb.Sample{{Value: v, Timestamp: 1_700_000_000_000}}})
		if len(req.Timeseries) == blockSamples {
			flush()
		}
	}
	flush()
}

// familyPages have HELP and TYPE lines for every 25 series.
func familyPages(n int) [][]byte {
	pages := make([][]byte, 8)
	for round := range pages {
		var b strings.Builder
		for i := range n {
			family := fmt.Sprintf("app_requests_by_route_%d_total", i/25)
			if i%25 == 0 {
				fmt.Fprintf(&b, "# HELP %s Requests by what was asked and answered, number %d.\n# TYPE %s counter\n", family, i/25, family)
			}
			fmt.Fprintf(&b, "%s{method=\"GET\",route=\"/api/v1/things/%d\",status=\"%d\",region=\"eu-central-1\"} %d\n", family, i%25, 200+i%5, i*7+round)
		}
		pages[round] = append(make([]byte, 0, b.Len()+1), b.String()...)
	}
	return pages
}

// BenchmarkMemory reports the memory of a remembered series, in use after a collection.
func BenchmarkMemory(b *testing.B) {
	buffers := NewBuffers(PageMemory)
	for _, shape := range []struct {
		name            string
		pages           func(n int) [][]byte
		targets, series int
	}{{"", steadyPages, 10, 1_000}, {"", steadyPages, 100, 1_000}, {"", steadyPages, 20, 50_000}, {"families/", familyPages, 20, 50_000}} {
		b.Run(fmt.Sprintf("%stargets=%d/series=%d", shape.name, shape.targets, shape.series), func(b *testing.B) {
			pages := shape.pages(shape.series)
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&before)
				all := make([]func(), shape.targets)
				for i := range all {
					all[i] = rounds(b, buffers, pages)
					all[i]()
					all[i]()
				}
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&after)
				runtime.KeepAlive(all)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(shape.targets*shape.series), "B/series")
		})
	}
}
