package plain

import (
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// FuzzSeries compares our reading of name and labels with the parsers'.
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
		for _, openMetrics := range []bool{false, true} {
			for _, kind := range []model.MetricType{model.MetricTypeCounter, model.MetricTypeHistogram, model.MetricTypeSummary} {
				body := []byte(series + " 1\n")
				bound := map[model.MetricType]string{model.MetricTypeHistogram: "le", model.MetricTypeSummary: "quantile"}[kind]
				var l Labels
				end, ok := l.Series(body, bound)
				if !ok || end >= len(body) || body[end] != ' ' {
					continue
				}
				p := newParser([]byte("# TYPE a "+string(kind)+"\n"+string(body)), openMetrics)
				_, err := p.Next()
				if err != nil {
					t.Fatal(err)
				}
				entry, err := p.Next()
				if end == len(series) && (err != nil || entry != textparse.EntrySeries) {
					t.Fatalf("%q is taken, and the parser says %v", series, err)
				}
				if end != len(series) {
					continue // what follows belongs to a value
				}
				var got, want labels.Labels
				l.CopyTo(&got)
				p.Labels(&want)
				if !labels.Equal(got, want) {
					t.Errorf("%q is %s, want %s", series, got, want)
				}
			}
		}
	})
}

// newParser returns a parser of one of the two formats.
func newParser(b []byte, openMetrics bool) textparse.Parser {
	if openMetrics {
		return textparse.NewOpenMetricsParser(b, labels.NewSymbolTable())
	}
	return textparse.NewPromParser(b, labels.NewSymbolTable(), false)
}
