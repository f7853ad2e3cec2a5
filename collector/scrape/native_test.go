package scrape_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gogo/protobuf/types"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/prometheus/prompb/io/prometheus/client"

	"lighter"
)

const delimited = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// instrumented is a target that uses client_golang's registry and handler.
func instrumented(reg *prometheus.Registry) site {
	h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true})
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}
}

// shop registers a counter with an exemplar, a classic histogram, and a native histogram that is classic
// too.
func shop(reg *prometheus.Registry) {
	f := promauto.With(reg)
	orders := f.NewCounter(prometheus.CounterOpts{Name: "orders_total", Help: "Orders."})
	orders.Add(2)
	orders.(prometheus.ExemplarAdder).AddWithExemplar(1, prometheus.Labels{"trace_id": "abc"})
	f.NewHistogram(prometheus.HistogramOpts{Name: "classic_seconds", Help: "C.", Buckets: []float64{1}}).Observe(0.5)
	native := f.NewHistogram(prometheus.HistogramOpts{Name: "native_seconds", Help: "N.", Buckets: []float64{1}, NativeHistogramBucketFactor: 2})
	native.Observe(0.5)
	native.(prometheus.ExemplarObserver).ObserveWithExemplar(3, prometheus.Labels{"trace_id": "slow"})
}

func TestNativeHistograms(t *testing.T) {
	const own = `, instance="api:3000", job="api"`
	common := []sample{
		{Series: `{__name__="orders_total"` + own + `}`, Value: "3"},
		{Series: `{__name__="classic_seconds_bucket"` + own + `, le="1.0"}`, Value: "1"},
		{Series: `{__name__="classic_seconds_bucket"` + own + `, le="+Inf"}`, Value: "1"},
		{Series: `{__name__="classic_seconds_count"` + own + `}`, Value: "1"},
		{Series: `{__name__="classic_seconds_sum"` + own + `}`, Value: "0.5"},
	}
	for name, tc := range map[string]struct {
		native bool
		want   []sample
	}{
		"on: the native histogram alone": {true, append([]sample{
			{Series: `{__name__="native_seconds"` + own + `}`, Value: "int histogram {count:2, sum:3.5, (0.25,0.5]:1, (2,4]:1}"},
		}, common...)},
		"off: classic series": {false, append([]sample{
			{Series: `{__name__="native_seconds_bucket"` + own + `, le="1.0"}`, Value: "1"},
			{Series: `{__name__="native_seconds_bucket"` + own + `, le="+Inf"}`, Value: "2"},
			{Series: `{__name__="native_seconds_count"` + own + `}`, Value: "2"},
			{Series: `{__name__="native_seconds_sum"` + own + `}`, Value: "3.5"},
		}, common...)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				shop(reg)
				cfg := testConfig()
				cfg.NativeHistograms = tc.native
				l := mustNew(t, target(), cfg, instrumented(reg))
				got := l.once(t, false)
				var kept []sample
				for _, s := range got {
					if !strings.Contains(s.Series, "_created") { // in OpenMetrics they are series, too
						kept = append(kept, s)
					}
				}
				if diff := cmp.Diff(tc.want, kept, unordered, anyTime); diff != "" {
					t.Errorf("samples (-want +got):\n%s", diff)
				}
				traces := map[string]bool{}
				for _, e := range l.sink.exemplars {
					traces[e.Trace] = true
				}
				if !traces["abc"] || !traces["slow"] || len(traces) != 2 {
					t.Errorf("exemplars %+v, want those of abc and slow", l.sink.exemplars)
				}
			})
		})
	}
}

// All exemplars of a sample are sent, even if they have the same time and value.
func TestExemplarsOfOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := dto.Histogram{SampleCount: 3, SampleSum: 4, PositiveSpan: []dto.BucketSpan{{Offset: 0, Length: 2}}, PositiveDelta: []int64{1, 1}}
		want := map[string]bool{}
		for i := range 8 {
			trace := fmt.Sprint("trace", i)
			want[trace] = true
			h.Exemplars = append(h.Exemplars, &dto.Exemplar{Label: []dto.LabelPair{{Name: "trace_id", Value: trace}}, Value: 0.5, Timestamp: types.TimestampNow()})
		}
		cfg := testConfig()
		cfg.NativeHistograms = true
		l := mustNew(t, target(), cfg, pages(delimited, families(t, native(h))))
		l.once(t, false)
		got := map[string]bool{}
		for _, e := range l.sink.exemplars {
			got[e.Trace] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("exemplars (-want +got):\n%s", diff)
		}
	})
}

func TestAccept(t *testing.T) {
	for native, want := range map[bool]string{
		false: "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		true:  "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=underscores;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.NativeHistograms = native
			var got string
			l := mustNew(t, target(), cfg, site(func(r *http.Request) (*http.Response, error) {
				got = r.Header.Get("Accept")
				return response(200, text, "a 1\n"), nil
			}))
			if s := l.once(t, false); got != want || len(s) != 1 { // a target that knows only text is fine
				t.Errorf("native histograms %t: %d samples, Accept %s, want %s", native, len(s), got, want)
			}
		})
	}
}

// families encodes metric families as a protobuf page.
func families(tb testing.TB, all ...*dto.MetricFamily) string {
	tb.Helper()
	var b []byte
	for _, f := range all {
		raw, err := f.Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		b = binary.AppendUvarint(b, uint64(len(raw)))
		b = append(b, raw...)
	}
	return string(b)
}

func native(h dto.Histogram) *dto.MetricFamily {
	return &dto.MetricFamily{Name: "h", Type: dto.MetricType_HISTOGRAM, Metric: []dto.Metric{{Histogram: &h}}}
}

func TestProtobufPages(t *testing.T) {
	const series = `{__name__="h", instance="api:3000", job="api"}`
	span := []dto.BucketSpan{{Offset: 0, Length: 2}}
	gauge := native(dto.Histogram{SampleCount: 3, SampleSum: 4, PositiveSpan: span, PositiveDelta: []int64{1, 1}})
	gauge.Type = dto.MetricType_GAUGE_HISTOGRAM
	fine := dto.Histogram{SampleCount: 3, SampleSum: 4, Schema: 9, PositiveSpan: span, PositiveDelta: []int64{1, 1}}
	timed := native(dto.Histogram{SampleCount: 3, SampleSum: 4, PositiveSpan: span, PositiveDelta: []int64{1, 1}})
	timed.Metric[0].TimestampMs = 77
	for name, tc := range map[string]struct {
		page string
		want []sample
		err  string
	}{
		"integers":             {families(t, native(dto.Histogram{SampleCount: 3, SampleSum: 4, PositiveSpan: span, PositiveDelta: []int64{1, 1}})), []sample{{series, 0, "int histogram {count:3, sum:4, (0.5,1]:1, (1,2]:2}"}}, ""},
		"floats":               {families(t, native(dto.Histogram{SampleCountFloat: 3, SampleSum: 4, ZeroCountFloat: 0.5, ZeroThreshold: 0.25, NegativeSpan: span, NegativeCount: []float64{1, 1.5}})), []sample{{series, 0, "float histogram {count:3, sum:4, [-2,-1):1.5, [-1,-0.5):1, [-0.25,0.25]:0.5}"}}, ""},
		"a gauge":              {families(t, gauge), []sample{{series, 0, "gauge int histogram {count:3, sum:4, (0.5,1]:1, (1,2]:2}"}}, ""},
		"none yet":             {families(t, native(dto.Histogram{PositiveSpan: []dto.BucketSpan{{}}})), []sample{{series, 0, "int histogram {count:0, sum:0}"}}, ""},
		"NaN as sum":           {families(t, native(dto.Histogram{SampleCount: 3, SampleSum: math.NaN(), PositiveSpan: span, PositiveDelta: []int64{1, 1}})), []sample{{series, 0, "int histogram {count:3, sum:NaN, (0.5,1]:1, (1,2]:2}"}}, ""},
		"finer than is known":  {families(t, native(fine)), []sample{{series, 0, "int histogram {count:3, sum:4, (0.9972960560854698,1]:1, (1,1.0027112750502025]:2}"}}, ""},
		"its own time":         {families(t, timed), []sample{{series, 77, "int histogram {count:3, sum:4, (0.5,1]:1, (1,2]:2}"}}, ""},
		"schema of no meaning": {families(t, native(dto.Histogram{SampleCount: 3, Schema: -20, PositiveSpan: span, PositiveDelta: []int64{1, 1}})), nil, "its page is broken: histogram h: schema -20 is not known"},
		"custom buckets":       {families(t, native(dto.Histogram{SampleCount: 3, Schema: -53, PositiveSpan: span, PositiveDelta: []int64{1, 1}})), nil, "its page is broken: histogram h: schema -53 is not known"},
		"wrong count":          {families(t, native(dto.Histogram{SampleCount: 7, PositiveSpan: span, PositiveDelta: []int64{1, 1}})), nil, "its page is broken: histogram h: 3 observations found in buckets, but the Count field is 7: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)"},
		"negative bucket":      {families(t, native(dto.Histogram{SampleCount: 0, PositiveSpan: span, PositiveDelta: []int64{-1, 1}})), nil, "its page is broken: histogram h: positive side: bucket number 1 has observation count of -1: histogram has a bucket whose observation count is negative"},
		"spans and buckets":    {families(t, native(dto.Histogram{SampleCount: 3, PositiveSpan: span, PositiveDelta: []int64{1}})), nil, `its page is broken: histogram "h": positive side: spans require 2 buckets, have 1`},
		"a name with dots":     {families(t, &dto.MetricFamily{Name: "a.b", Type: dto.MetricType_GAUGE, Metric: []dto.Metric{{Gauge: &dto.Gauge{Value: 1}}}}), nil, `a series of a.b has a name, label name or value that backends do not take`},
		"cut":                  {families(t, gauge)[:20], nil, "its page is broken: "},
		"nothing":              {"", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.NativeHistograms = true
				l := mustNew(t, target(), cfg, pages(delimited, tc.page))
				got := l.once(t, false)
				for i := range got {
					if tc.want[i].Time == 0 {
						got[i].Time = 0
					}
				}
				if diff := cmp.Diff(tc.want, got, unordered); diff != "" {
					t.Errorf("samples (-want +got):\n%s", diff)
				}
				if st := l.Status(); !strings.HasPrefix(st.Err, tc.err) || (st.Err == "") != (tc.err == "") {
					t.Errorf("error %q, want %q", st.Err, tc.err)
				}
			})
		})
	}
}

// TestStaleHistograms: a histogram's staleness marker is a histogram of the same kind, because backends do
// not accept a float sample in between.
func TestStaleHistograms(t *testing.T) {
	span := []dto.BucketSpan{{Offset: 0, Length: 2}}
	ints := families(t, native(dto.Histogram{SampleCount: 3, SampleSum: 4, PositiveSpan: span, PositiveDelta: []int64{1, 1}}))
	floats := families(t, native(dto.Histogram{SampleCountFloat: 3, SampleSum: 4, PositiveSpan: span, PositiveCount: []float64{1, 2}}))
	for name, tc := range map[string]struct {
		bodies []string
		cause  error
		want   string
	}{
		"vanishes":          {[]string{ints, ""}, nil, "int stale"},
		"vanishes, floats":  {[]string{floats, ""}, nil, "float stale"},
		"scrape fails":      {[]string{ints, refused}, nil, "int stale"},
		"the target's end":  {[]string{ints}, lighter.ErrGone, "int stale"},
		"becomes a float":   {[]string{ints, floats, ""}, nil, "float stale"},
		"the agent's end":   {[]string{ints}, nil, "int histogram {count:3, sum:4, (0.5,1]:1, (1,2]:2}"},
		"is there, as ever": {[]string{ints, ints}, nil, "int histogram {count:3, sum:4, (0.5,1]:1, (1,2]:2}"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.NativeHistograms = true
				l := mustNew(t, target(), cfg, pages(delimited, tc.bodies...))
				stop := l.run(t)
				time.Sleep(5*time.Second + time.Duration(len(tc.bodies)-1)*cfg.Interval)
				stop(tc.cause)
				got := strip(l.sink.take(), false)
				if last := got[len(got)-1]; last.Value != tc.want {
					t.Errorf("the last sample is %s, want %s", last.Value, tc.want)
				}
			})
		})
	}
}
