package remotewrite_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/prompb"
)

func decodeLabels(tb testing.TB, encoded []byte) string {
	tb.Helper()
	var ts prompb.TimeSeries
	if err := ts.Unmarshal(encoded); err != nil {
		tb.Fatal(err)
	}
	var pairs []string
	for _, l := range ts.Labels {
		pairs = append(pairs, l.Name+"="+l.Value)
	}
	return strings.Join(pairs, ",")
}

func TestAppendLabels(t *testing.T) {
	rule := func(action relabel.Action, source, regex, target string) *relabel.Config {
		r := relabel.DefaultRelabelConfig
		r.Action, r.Regex, r.TargetLabel = action, relabel.MustNewRegexp(regex), target
		r.NameValidationScheme = model.LegacyValidation
		if source != "" {
			r.SourceLabels = model.LabelNames{model.LabelName(source)}
		}
		return &r
	}
	for name, tc := range map[string]struct {
		external labels.Labels
		rules    []*relabel.Config
		want     string // empty: dropped
	}{
		"nothing":                 {want: "__name__=up,job=api"},
		"external":                {external: labels.FromStrings("a", "1", "z", "2"), want: "__name__=up,a=1,job=api,z=2"},
		"own label wins":          {external: labels.FromStrings("job", "other"), want: "__name__=up,job=api"},
		"one of two is its own":   {external: labels.FromStrings("A", "0", "env", "1", "job", "other"), want: "A=0,__name__=up,env=1,job=api"},
		"an empty external label": {external: labels.FromStrings("a", "", "b", "1"), want: "__name__=up,b=1,job=api"},
		"an external one is none": {external: labels.FromStrings("1a", "x")},
		"rules see external ones": {external: labels.FromStrings("a", "1"), rules: []*relabel.Config{rule(relabel.Replace, "a", "(.*)", "b")}, want: "__name__=up,a=1,b=1,job=api"},
		"drop":                    {rules: []*relabel.Config{rule(relabel.Drop, "__name__", "up", "")}},
		"labeldrop":               {rules: []*relabel.Config{rule(relabel.LabelDrop, "", "job", "")}, want: "__name__=up"},
		"no name is left":         {rules: []*relabel.Config{rule(relabel.LabelDrop, "", "__name__", "")}},
		"a name that is not one":  {rules: []*relabel.Config{rule(relabel.Replace, "job", "api()", "__name__")}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.ExternalLabels, cfg.WriteRelabel = tc.external, tc.rules
			e := mustNew(t, cfg)
			for range 2 { // once with a new builder, once with a used one
				got, keep := e.AppendLabels([]byte("before"), labels.FromStrings("__name__", "up", "job", "api"))
				if !bytes.HasPrefix(got, []byte("before")) {
					t.Fatalf("dst is overwritten: %q", got)
				}
				if keep != (tc.want != "") {
					t.Fatalf("keep = %v", keep)
				}
				if diff := cmp.Diff(tc.want, decodeLabels(t, got[len("before"):])); diff != "" {
					t.Errorf("labels (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// FuzzAppendLabels compares the encoding with the library's, byte for byte.
func FuzzAppendLabels(f *testing.F) {
	f.Add("__name__", "up", "job", "api")
	f.Add("", "", "a", "")
	f.Add(strings.Repeat("a", 127), strings.Repeat("b", 128), strings.Repeat("c", 16383), strings.Repeat("d", 16384))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		var b labels.ScratchBuilder
		b.Add(name1, value1)
		b.Add(name2, value2)
		b.Sort()
		l := b.Labels()
		got, _ := mustNew(t, testConfig()).AppendLabels(nil, l)
		want, err := (&prompb.TimeSeries{Labels: prompb.FromLabels(l, nil)}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("encoded %x, want %x", got, want)
		}
	})
}

func BenchmarkAppendLabels(b *testing.B) {
	cfg := testConfig()
	cfg.ExternalLabels = labels.FromStrings("environment", "production")
	e := mustNew(b, cfg)
	l := labels.FromStrings("__name__", "http_requests_total", "instance", "api:3000", "job", "api", "method", "GET", "route", "/api/v1/things", "status", "200")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = e.AppendLabels(buf[:0], l)
	}
}
