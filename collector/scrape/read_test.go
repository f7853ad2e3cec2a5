package scrape

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/prompb"
	dto "github.com/prometheus/prometheus/prompb/io/prometheus/client"

	"lighter"
)

// plainSink encodes with the library and keeps nothing.
type plainSink struct{}

func (plainSink) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	b, err := (&prompb.TimeSeries{Labels: prompb.FromLabels(l, nil)}).Marshal()
	if err != nil {
		panic(err)
	}
	return append(dst, b...), true
}
func (plainSink) Append(context.Context, uint64, []lighter.Block) error { return nil }
func (plainSink) Metadata([]lighter.Metadata)                           {}

var testTarget = labels.FromStrings("instance", "api:3000", "job", "api")

type datum struct {
	Series string
	Time   int64
	Bits   uint64
}

// reference reads a page the slow way: every series parsed and relabelled anew. ok is
// false when the page must be refused.
func reference(body []byte, contentType string, at int64) (points []datum, ok bool) {
	p, _ := textparse.New(append([]byte(nil), body...), contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if p == nil {
		return nil, false
	}
	c := newCache(testTarget, DefaultConfig(), nil)
	last := map[string]int64{}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return points, true
		}
		if err != nil {
			return nil, false
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, ts, v := p.Series()
		var l labels.Labels
		p.Labels(&l)
		if l, _, err = c.relabel(l); err != nil {
			return nil, false
		}
		t := at
		if ts != nil {
			t = *ts
		}
		before, seen := last[l.String()]
		if t > at+maxAhead.Milliseconds() || seen && t <= before || t == math.MinInt64 {
			continue
		}
		last[l.String()] = t
		points = append(points, datum{l.String(), t, math.Float64bits(v)})
	}
}

func pointsOf(tb testing.TB, blocks []lighter.Block) (points []datum) {
	tb.Helper()
	var b labels.ScratchBuilder
	for _, block := range blocks {
		var req prompb.WriteRequest
		if err := req.Unmarshal(block.Body); err != nil {
			tb.Fatal(err)
		}
		for _, ts := range req.Timeseries {
			for _, s := range ts.Samples {
				points = append(points, datum{ts.ToLabels(&b, nil).String(), s.Timestamp, math.Float64bits(s.Value)})
			}
		}
	}
	return points
}

// FuzzRead holds the cached reading of a page to the plain one, three times over: as new,
// as known, and after a round of other series.
func FuzzRead(f *testing.F) {
	const openMetrics = "application/openmetrics-text; version=1.0.0"
	f.Add("# TYPE a counter\na 1\nb{x=\"1\"} 2.5 1000\nc NaN\n", "text/plain")
	f.Add("a{x=\"\\\"\\\\\\n\"} 1\na{job=\"x\"} 2\na{ job = \"x\" , } 3\n{\"a\",y=\"z\"} 4\n", "text/plain")
	f.Add("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 3\n", "text/plain; version=0.0.4")
	f.Add("# TYPE a counter\n# UNIT a seconds\na_total 1 123.5 # {id=\"1\"} 1 2\n# EOF\n", openMetrics)
	f.Add("a 1 -9223372036854775808\na 2 9223372036854775807\n", "")
	f.Add("<html>", "text/html")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		if strings.Contains(contentType, "protobuf") || strings.Contains(body, "\x00") {
			t.Skip("refused before it is parsed")
		}
		cfg := DefaultConfig()
		cfg.StartTimes = true // which changes nothing of the samples
		c := newCache(testTarget, cfg, []Sink{plainSink{}})
		fams := families{}
		var out blocks
		for round := range int64(3) {
			at := 1_700_000_000_000 + round*1000
			want, ok := reference([]byte(body), contentType, at)
			out = blocks{sinks: make([]blockWriter, 1)}
			c.begin()
			_, err := c.read(&page{body: []byte(body), contentType: contentType}, at, &out, fams)
			if (err == nil) != ok {
				t.Fatalf("round %d: err = %v, the reference says ok = %v", round, err, ok)
			}
			if err != nil {
				out.reset()
				c.markAll(at, &out)
				if got := out.sinks[0].finish(at); len(got) > 0 || len(c.texts) > 0 || len(c.byHash) > 0 {
					t.Fatalf("a page that was never good leaves %d blocks and %d texts", len(got), len(c.texts))
				}
				continue
			}
			c.markVanished(at, &out)
			if round > 0 {
				want = after(want, at)
			}
			if diff := cmp.Diff(want, pointsOf(t, out.sinks[0].finish(at))); diff != "" {
				t.Fatalf("round %d (-reference +got):\n%s", round, diff)
			}
		}
	})
}

// after leaves out the samples that a second look at a page has sent already: those with
// times of their own, and what comes before a later one of the same series.
func after(points []datum, at int64) (left []datum) {
	for _, p := range points {
		if p.Time == at {
			left = append(left, p)
		}
	}
	return left
}

// FuzzProtobuf: whatever a page in protobuf holds, nothing panics, what is good once is
// good again, and the blocks can be read.
func FuzzProtobuf(f *testing.F) {
	add := func(h dto.Histogram) {
		one := dto.MetricFamily{Name: "h", Type: dto.MetricType_HISTOGRAM, Metric: []dto.Metric{{Histogram: &h}}}
		raw, err := one.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(binary.AppendUvarint(nil, uint64(len(raw))), raw...))
	}
	span := []dto.BucketSpan{{Offset: -1, Length: 2}}
	example := []*dto.Exemplar{{Value: 1, Label: []dto.LabelPair{{Name: "a", Value: "b"}}}}
	add(dto.Histogram{SampleCount: 3, SampleSum: 4, PositiveSpan: span, PositiveDelta: []int64{1, 1}, Exemplars: example})
	add(dto.Histogram{SampleCountFloat: 3, Schema: 9, NegativeSpan: span, NegativeCount: []float64{1, 2}, Bucket: []dto.Bucket{{UpperBound: 1, Exemplar: example[0]}}})
	add(dto.Histogram{SampleCount: 3, Bucket: []dto.Bucket{{CumulativeCount: 1, UpperBound: 1, Exemplar: example[0]}}})
	f.Fuzz(func(t *testing.T, body []byte) {
		cfg := DefaultConfig()
		cfg.NativeHistograms, cfg.StartTimes = true, true
		c := newCache(testTarget, cfg, []Sink{plainSink{}})
		fams, good := families{}, false
		for round := range int64(3) {
			at := 1_700_000_000_000 + round*1000
			out := blocks{sinks: make([]blockWriter, 1)}
			c.begin()
			_, err := c.read(&page{body: body, contentType: protobuf}, at, &out, fams)
			if round > 0 && (err == nil) != good {
				t.Fatalf("round %d: err = %v", round, err)
			}
			good = err == nil
			if good {
				c.markVanished(at, &out)
			} else {
				out.reset()
				c.markAll(at, &out)
			}
			pointsOf(t, out.sinks[0].finish(at))
		}
	})
}

func benchPage(n int) []byte {
	var b strings.Builder
	b.WriteString("# HELP http_requests_total Requests by what was asked and answered.\n# TYPE http_requests_total counter\n")
	for i := range n {
		fmt.Fprintf(&b, "http_requests_total{method=\"GET\",route=\"/api/v1/things/%d\",status=\"%d\",region=\"eu-central-1\"} %d\n", i, 200+i%5, i*7)
	}
	return []byte(b.String())
}

// steady returns a function that reads the same page again, a round later.
func steady(tb testing.TB, n int) (again func(), size int) {
	body := benchPage(n)
	c := newCache(testTarget, DefaultConfig(), []Sink{plainSink{}})
	buffers, fams := NewBuffers(), families{}
	p := &page{body: body, contentType: "text/plain"}
	at := int64(1_700_000_000_000)
	return func() {
		at += 1000
		out := buffers.getBlocks(1)
		defer buffers.putBlocks(out)
		c.begin()
		if _, err := c.read(p, at, out, fams); err != nil {
			tb.Fatal(err)
		}
		c.markVanished(at, out)
		if got := out.sinks[0].finish(at); len(got) != (n+blockSamples-1)/blockSamples {
			tb.Fatalf("%d blocks", len(got))
		}
	}, len(body)
}

// TestReadAllocs: a page that shows what is known costs no allocation a sample.
func TestReadAllocs(t *testing.T) {
	again, _ := steady(t, 5000)
	again()
	if n := testing.AllocsPerRun(10, again); n > 50 { // a new parser, and under -race pools that forget
		t.Errorf("%v allocations for 5000 known series, want at most 50", n)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("known/series=%d", n), func(b *testing.B) {
			again, size := steady(b, n)
			again()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				again()
			}
		})
		b.Run(fmt.Sprintf("new/series=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				again, size := steady(b, n)
				b.SetBytes(int64(size))
				again()
			}
		})
		b.Run(fmt.Sprintf("reference/series=%d", n), func(b *testing.B) {
			body := benchPage(n)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				referenceEncode(b, body)
			}
		})
	}
}

// referenceEncode is what a scrape costs that remembers nothing.
func referenceEncode(tb testing.TB, body []byte) {
	p, _ := textparse.New(body, "text/plain", labels.NewSymbolTable(), textparse.ParserOptions{})
	c := newCache(testTarget, DefaultConfig(), nil)
	req := prompb.WriteRequest{}
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
			Labels: prompb.FromLabels(l, nil), Samples: []prompb.Sample{{Value: v, Timestamp: 1}}})
	}
	if _, err := req.Marshal(); err != nil {
		tb.Fatal(err)
	}
}

// TestForgets: what a target no longer shows, or showed on a broken page, is not remembered.
func TestForgets(t *testing.T) {
	c := newCache(testTarget, DefaultConfig(), []Sink{plainSink{}})
	fams := families{}
	for round := range int64(20) {
		body := fmt.Sprintf("# TYPE a_%d gauge\na_%d 1\nb{id=\"%d\"} 2\n", round, round, round)
		if round%3 == 2 {
			body += "broken{"
		}
		out := blocks{sinks: make([]blockWriter, 1)}
		c.begin()
		_, err := c.read(&page{body: []byte(body), contentType: "text/plain"}, round+1, &out, fams)
		if err == nil {
			c.markVanished(round+1, &out)
			fams.takeChanged(c.round)
		} else {
			out.reset()
			c.markAll(round+1, &out)
		}
		if len(c.texts) > 2 || len(c.byHash) > 2 || len(fams) > 2 {
			t.Fatalf("round %d: %d texts, %d series and %d families are remembered, want 2, 2 and at most 2", round, len(c.texts), len(c.byHash), len(fams))
		}
	}
}
