package recent_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/exporters/recent"
)

func TestNewestLines(t *testing.T) {
	s := recent.New()
	stream := lighter.NewStream(labels.FromStrings("service", "api"))
	n := 0
	for range 23 {
		b := &lighter.Batch{Streams: []*lighter.Stream{stream}}
		for range 100 {
			b.Entries = append(b.Entries, lighter.Entry{Time: int64(n), Line: fmt.Append(nil, n)})
			n++
		}
		released := false
		b.Begin(func() { released = true })
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.Done()
		if !released {
			t.Fatal("not released")
		}
	}
	lines := s.Lines()
	if len(lines) != 1000 {
		t.Fatalf("%d lines, want 1000", len(lines))
	}
	for i, l := range lines {
		if want := fmt.Sprint(n - 1000 + i); l.Text != want || l.Labels.Get("service") != "api" {
			t.Fatalf("line %d = %+v, want %s", i, l, want)
		}
	}
}

func block(t *testing.T, samples map[string]float64) lighter.Block {
	t.Helper()
	var req prompb.WriteRequest
	for name, v := range samples {
		b, ok := recent.Sink{}.AppendLabels(nil, labels.FromStrings("__name__", name))
		var one prompb.TimeSeries
		if err := proto.Unmarshal(b, &one); err != nil || !ok {
			t.Fatal(ok, err)
		}
		one.Samples = []prompb.Sample{{Timestamp: 1000, Value: v}}
		req.Timeseries = append(req.Timeseries, one)
	}
	body, err := proto.Marshal(&req)
	if err != nil {
		t.Fatal(err)
	}
	return lighter.Block{Body: body, Samples: len(samples)}
}

func TestLastSamples(t *testing.T) {
	s := recent.New()
	for _, b := range []lighter.Block{
		block(t, map[string]float64{"a": 1, "b": 1}),
		block(t, map[string]float64{"a": 2, "b": math.Float64frombits(value.StaleNaN)}),
	} {
		if err := s.Sink().Append(t.Context(), 0, []lighter.Block{b}); err != nil {
			t.Fatal(err)
		}
	}
	want := []recent.Sample{{Time: time.UnixMilli(1000).UTC(), Labels: labels.FromStrings("__name__", "a"), Value: 2}}
	if diff := cmp.Diff(want, s.Samples(), cmp.Comparer(labels.Equal)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.Sink().Append(t.Context(), 0, []lighter.Block{{Body: []byte("no protobuf")}}); err == nil {
		t.Error("a broken block is taken")
	}
}
