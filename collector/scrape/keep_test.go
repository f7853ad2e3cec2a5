package scrape

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"weak"

	dto "github.com/prometheus/prometheus/prompb/io/prometheus/client"
)

// TestNothingKeepsALargePage: once a page is returned, nothing that remains in use points into it. Reading
// such a pointer would crash the process, because the memory of a large page is freed by then. In this test
// the page is in Go's heap, where the garbage collector finds every pointer.
func TestNothingKeepsALargePage(t *testing.T) {
	const n = 25_000
	plain := func(round int) []byte {
		var b bytes.Buffer
		b.WriteString("# HELP requests Requests.\n# TYPE requests counter\n")
		for i := range n {
			fmt.Fprintf(&b, "requests_total{path=\"/api/v1/orders/%d\",round=\"%d\",le=\"0.1\"} %d\n", i, round, i+round)
		}
		return b.Bytes()
	}
	const text, openMetrics = "text/plain", "application/openmetrics-text; version=1.0.0"
	inProtobuf := func(round int) []byte {
		f := dto.MetricFamily{Name: "requests_total", Help: fmt.Sprint("Requests in round ", round), Type: dto.MetricType_COUNTER}
		for i := range n {
			f.Metric = append(f.Metric, dto.Metric{
				Label:   []dto.LabelPair{{Name: "path", Value: fmt.Sprintf("/api/v1/orders/%d/%d", round, i)}},
				Counter: &dto.Counter{Value: float64(i), Exemplar: &dto.Exemplar{Label: []dto.LabelPair{{Name: "trace_id", Value: "abc"}}, Value: 1}},
			})
		}
		raw, err := f.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return append(binary.AppendUvarint(nil, uint64(len(raw))), raw...)
	}
	native := DefaultConfig()
	native.NativeHistograms = true
	exemplars, created := exemplarPages(n, true), createdPages(n)
	startTimes := DefaultConfig()
	startTimes.StartTimes = true
	for name, tc := range map[string]struct {
		cfg         Config
		contentType string
		page        func(round int) []byte
		fails       bool
	}{
		"the same series":   {DefaultConfig(), text, func(int) []byte { return plain(0) }, false},
		"new series":        {DefaultConfig(), text, plain, false},
		"escapes":           {DefaultConfig(), text, func(i int) []byte { return bytes.ReplaceAll(plain(i), []byte("/api"), []byte(`\\api`)) }, false},
		"two spaces":        {DefaultConfig(), text, func(i int) []byte { return bytes.ReplaceAll(plain(i), []byte("} "), []byte("}  ")) }, false},
		"a histogram":       {DefaultConfig(), text, func(i int) []byte { return bytes.ReplaceAll(plain(i), []byte("counter"), []byte("histogram")) }, false},
		"a broken line":     {DefaultConfig(), text, func(i int) []byte { return append(plain(i), "a{b=\"c\"} d\n"...) }, true},
		"a label twice":     {DefaultConfig(), text, func(i int) []byte { return append(plain(i), "a{b=\"c\",b=\"d\"} 1\n"...) }, true},
		"exemplars":         {DefaultConfig(), openMetrics, func(i int) []byte { return exemplars[i] }, false},
		"protobuf":          {native, protobuf + ";proto=io.prometheus.client.MetricFamily;encoding=delimited", inProtobuf, false},
		"start times":       {startTimes, openMetrics, func(i int) []byte { return created[i] }, false},
		"a tail of nothing": {DefaultConfig(), text, func(i int) []byte { return append(plain(i), strings.Repeat("# nothing\n", 1000)...) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuffers(PageMemory)
			of := newPages(testTarget, tc.cfg, []Sink{benchSink{}}, make([]string, 1))
			for round := range 3 {
				body := tc.page(round)
				p := b.getPage(nil)
				p.contentType = tc.contentType
				p.body = append(make([]byte, 0, len(body)+spare), body...)
				if len(p.body) <= ordinaryPage {
					t.Fatalf("the page has only %d bytes", len(p.body))
				}
				kept := weak.Make(&p.body[0])
				w := b.getWork(t.Context(), len(p.body), of.sinks)
				_, err := of.read(p, int64(round+1)*1000, &w.out, &w.reader)
				if (err != nil) != tc.fails {
					t.Fatalf("err = %v", err)
				}
				b.putPage(p)
				b.putWork(w)
				runtime.GC()
				if kept.Value() != nil {
					t.Errorf("something points into page %d", round)
				}
				runtime.KeepAlive(err)
			}
			runtime.KeepAlive(b)
			runtime.KeepAlive(of)
		})
	}
}
