package scrape

import (
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// FuzzSeries holds our reading of name and labels to the parsers'.
func FuzzSeries(f *testing.F) {
	for _, s := range []string{
		"a", "a{}", `a{x="1"}`, `a{y="1",x="2",Z="3",_="4"}`, `a{x="1",}`, `a{,}`, `a{x="1",,}`, `a{x="1" }`, `a{x="1"y="2"}`, `a {x="1"}`, `:a:{x="1"}`, `a{x:y="1"}`, `a{9="1"}`, `9a`,
		`a{x="\\\"\n\\n"}`, `a{x="\t"}`, `a{x="\`, `a{x="`, `a{x=""}`, `a{x="1",x="2"}`, `a{__name__="b"}`, "a{x=\"\xff\"}", "a{x=\"ä\\\\\"}", `a{"x"="1"}`, `{"a"}`,
		`a{le="1"}`, `a{le="1e3",quantile="0.50"}`, `a{le="x"}`, `a{le="+Inf"}`, `a{le="NaN",quantile="NaN"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, series string) {
		if strings.ContainsAny(series, "\n\x00") {
			t.Skip("more than a line")
		}
		for _, form := range []format{textFormat, openMetrics} {
			for _, kind := range []model.MetricType{model.MetricTypeCounter, model.MetricTypeHistogram, model.MetricTypeSummary} {
				r := reading{body: []byte(series + " 1\n"), format: form, cache: &cache{symbols: labels.NewSymbolTable()}}
				end, ok := r.readSeries(0, kindFlags(kind))
				if !ok || end >= len(r.body) || r.body[end] != ' ' {
					continue
				}
				p := r.newParser([]byte("# TYPE a " + string(kind) + "\n" + string(r.body)))
				_, err := p.Next()
				if err != nil {
					t.Fatal(err)
				}
				entry, err := p.Next()
				if end == len(series) && (err != nil || entry != textparse.EntrySeries) {
					t.Fatalf("%q is taken, and the parser says %v", series, err)
				}
				if end != len(series) {
					continue // what follows is readSample's
				}
				var got, want labels.Labels
				r.setOnPage(&got)
				p.Labels(&want)
				if !labels.Equal(got, want) {
					t.Errorf("%q is %s, want %s", series, got, want)
				}
			}
		}
	})
}

// TestPlain: pages of the common shapes are learnt without a parser, but for what is at their end.
func TestPlain(t *testing.T) {
	for name, tc := range map[string]struct{ contentType, body string }{
		"text":        {"text/plain", "# HELP a What it is.\n# TYPE a counter\na 1\na{x=\"\\\"\",b=\"ä\"} 1.5e3 1700000000000\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"},
		"OpenMetrics": {"application/openmetrics-text; version=1.0.0", "# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total{x=\"1\"} 1 5.5 # {id=\"1\"} 2 3\n# EOF\n"},
		"both labels": {"text/plain", "a{job=\"own\"} 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(DefaultConfig(), plainSink{})
			w := s.buffers.getWork(t.Context(), len(tc.body), s.sinks)
			w.reading.reset(s.cache, &page{body: []byte(tc.body)}, 1_700_000_000_000, &w.out)
			w.reading.format = textFormat
			if name == "OpenMetrics" {
				w.reading.format = openMetrics
			}
			for {
				ok, err := w.reading.plain()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
			}
			if rest := string(w.reading.body[w.reading.pos:]); rest != "" && rest != "# EOF\n" {
				t.Errorf("%q is left to the parser", rest)
			}
		})
	}
}
