package scrape

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter/collector/scrape/memo"
)

// FuzzEncode compares the encoder with the library's. They differ only in -0, which the library drops and
// lighter sends.
func FuzzEncode(f *testing.F) {
	f.Add("__name__", "up", 1.0, int64(1_700_000_000_000))
	f.Add("", "", 0.0, int64(0))
	f.Add("a", string(bytes.Repeat([]byte("x"), 300)), math.Float64frombits(value.StaleNaN), int64(-1))
	f.Add("a", "b", math.Copysign(0, -1), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, name, val string, v float64, at int64) {
		series := prompb.TimeSeries{Labels: []prompb.Label{{Name: name, Value: val}}}
		encoded, err := series.Marshal()
		if err != nil || len(encoded) == 0 {
			t.Skip(err)
		}
		body := func(add func(*blocks, [][]byte)) []byte {
			out := blocks{sinks: make([]blockWriter, 1)}
			out.setTime(at)
			add(&out, [][]byte{encoded})
			return out.sinks[0].finish(at)[0].Body
		}
		got := body(func(out *blocks, encoded [][]byte) { out.addOrdinary(encoded, v) })
		if other := body(func(out *blocks, encoded [][]byte) {
			out.point = appendSample(nil, v, at, 0)
			out.addPoint(encoded, memo.Float, len(out.point), false)
		}); !bytes.Equal(got, other) {
			t.Errorf("the two ways to encode differ (-ordinary +point):\n%s", cmp.Diff(got, other))
		}

		series.Samples = []prompb.Sample{{Value: v, Timestamp: at}}
		want, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{series}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		negativeZero := v == 0 && math.Signbit(v)
		if !negativeZero && !bytes.Equal(got, want) {
			t.Errorf("encoded (-want +got):\n%s", cmp.Diff(want, got))
		}
		var back prompb.WriteRequest
		if err := back.Unmarshal(got); err != nil {
			t.Fatalf("what was encoded cannot be read: %v", err)
		}
		if s := back.Timeseries[0].Samples[0]; math.Float64bits(s.Value) != math.Float64bits(v) || s.Timestamp != at {
			t.Errorf("sample %v, want %v at %d", s, v, at)
		}
	})
}
