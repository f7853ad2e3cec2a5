package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
)

func TestSequence(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []uint32
		want count
	}{
		"in order":          {[]uint32{1, 2, 3}, count{Items: 3}},
		"from anywhere":     {[]uint32{700, 701}, count{Items: 2}},
		"one is missing":    {[]uint32{1, 3}, count{Items: 2, Missing: 1}},
		"a hundred are":     {[]uint32{1, 102}, count{Items: 2, Missing: 100}},
		"twice":             {[]uint32{1, 1, 2, 1}, count{Items: 2, Repeated: 2}},
		"out of order":      {[]uint32{1, 3, 2}, count{Items: 3, Late: 1}},
		"late and twice":    {[]uint32{1, 3, 2, 2}, count{Items: 3, Late: 1, Repeated: 1}},
		"before the first":  {[]uint32{5, 4}, count{Items: 1, Repeated: 1}},
		"long ago":          {[]uint32{1, 200, 2}, count{Items: 2, Missing: 198, Repeated: 1}},
		"64 before the one": {[]uint32{1, 65, 2}, count{Items: 3, Missing: 62, Late: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var s sequence
			var got count
			for _, n := range tc.in {
				s.see(n, &got)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("count (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryLineSaysItsNumber(t *testing.T) {
	for seq := 1; seq < 1_000_000; seq += 1 + seq/50 {
		line := string(appendLine(nil, seq))
		if len(line) != lineBytes || seqOf(line) != seq || strings.ContainsAny(line, "\n") {
			t.Fatalf("line %d is number %d, of %d bytes: %s", seq, seqOf(line), len(line), line)
		}
	}
}

func TestWriterStaysAfterItsLines(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &lineCounter{at: 3, reached: cancel}
	if err := runWriter(ctx, []string{"-count", "3"}, w); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(w.String(), "\n"); got != 3 || seqOf(strings.Split(w.String(), "\n")[2]) != 3 {
		t.Errorf("%d lines, want 3:\n%s", got, w)
	}
}

// lineCounter signals when it has the wanted number of lines.
type lineCounter struct {
	bytes.Buffer
	at      int
	reached func()
}

func (c *lineCounter) Write(p []byte) (int, error) {
	n, err := c.Buffer.Write(p)
	if bytes.Count(c.Bytes(), []byte("\n")) >= c.at {
		c.reached()
	}
	return n, err
}

func pushOf(t *testing.T, container string, lines ...string) []byte {
	t.Helper()
	s := push.Stream{Labels: fmt.Sprintf(`{container="%s", service="x"}`, container)}
	for _, l := range lines {
		s.Entries = append(s.Entries, push.Entry{Line: l})
	}
	b, err := proto.Marshal(&push.PushRequest{Streams: []push.Stream{s}})
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

func TestLineTally(t *testing.T) {
	line := func(seq int) string { return string(appendLine(nil, seq)) }
	tally := newLineTally()
	for i, body := range [][]byte{
		pushOf(t, "somebody-else", "hello"),
		pushOf(t, writerName(0), line(1), line(2)),
		pushOf(t, writerName(1), line(1), line(3)),                      // 2 is missing
		pushOf(t, writerName(0), line(2), line(3)),                      // 2 comes twice
		pushOf(t, writerName(0), line(4)[:199]+"!", "", line(4)+"more"), // changed, foreign, glued
	} {
		if err := tally.take(body, time.Unix(0, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	want := lineReport{count: count{Items: 5, Missing: 1, Repeated: 1, Wrong: 3}, Streams: 2, First: 1, Last: 4}
	if diff := cmp.Diff(want, tally.report(), cmp.AllowUnexported(lineReport{}), cmp.AllowUnexported(count{})); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if err := tally.take([]byte("no snappy"), time.Time{}); err == nil || len(tally.refused()) != 1 {
		t.Errorf("a broken body: err = %v, refused = %q", err, tally.refused())
	}
}

// scrape reads a page as a scraper does and returns the series that it would write.
func scrape(t *testing.T, h http.Handler, target string, change func(i int, ts *prompb.TimeSeries) bool) []byte {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, "http://"+target+"/metrics", nil)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	p, err := textparse.New(rec.Body.Bytes(), rec.Header().Get("Content-Type"), nil, textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out prompb.WriteRequest
	for i := 0; ; {
		entry, err := p.Next()
		if err != nil {
			break
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, v := p.Series()
		ts := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: familyOf(i)}, {Name: "instance", Value: target},
			{Name: routeLabel, Value: fmt.Sprintf("/api/v1/orders/%d", i)}}, Samples: []prompb.Sample{{Value: v}}}
		if change == nil || change(i, &ts) {
			out.Timeseries = append(out.Timeseries, ts)
		}
		i++
	}
	b, err := proto.Marshal(&out)
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

func TestSampleTally(t *testing.T) {
	const series = 120 // a family of counters, one of gauges, one of counters
	header := http.Header{"Content-Encoding": {"snappy"}, "Content-Type": {"application/x-protobuf"}}
	for name, tc := range map[string]struct {
		change func(scrape, i int, ts *prompb.TimeSeries) bool // false leaves the series out
		want   count
		lost   int
	}{
		"all": {nil, count{Items: 3 * series}, 0},
		"one sample missing": {func(scrape, i int, _ *prompb.TimeSeries) bool { return scrape != 2 || i != 70 },
			count{Items: 3*series - 1, Missing: 1}, 1},
		"a series missing": {func(_, i int, _ *prompb.TimeSeries) bool { return i != series-1 },
			count{Items: 3*series - 3}, 3},
		"the first scrape missing": {func(scrape, _ int, _ *prompb.TimeSeries) bool { return scrape != 1 },
			count{Items: 2 * series}, series},
		"the last scrape is cut": {func(scrape, _ int, _ *prompb.TimeSeries) bool { return scrape != 3 },
			count{Items: 2 * series}, 0},
		"the last two are missing": {func(scrape, _ int, _ *prompb.TimeSeries) bool { return scrape == 1 },
			count{Items: series}, series},
		"a value of another series": {func(_, i int, ts *prompb.TimeSeries) bool {
			if i == 60 {
				ts.Samples[0].Value = 1
			}
			return true
		}, count{Items: 3*series - 3, Wrong: 3}, 3},
		"another name": {func(_, i int, ts *prompb.TimeSeries) bool {
			if i == 60 {
				ts.Labels[0].Value = familyOf(0)
			}
			return true
		}, count{Items: 3*series - 3, Wrong: 3}, 3},
		"twice": {func(scrape, i int, ts *prompb.TimeSeries) bool {
			if scrape == 2 && i == 7 {
				ts.Samples = append(ts.Samples, ts.Samples[0])
			}
			return true
		}, count{Items: 3 * series, Repeated: 1}, 0},
		"markers and what agents say": {func(_, i int, ts *prompb.TimeSeries) bool {
			if i == 0 {
				ts.Samples = append(ts.Samples, prompb.Sample{Value: math.Float64frombits(value.StaleNaN)})
			}
			return true
		}, count{Items: 3 * series}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pages{page: newPage(series), scrapes: map[string]int{}}
			tally := newSampleTally()
			for n := 1; n <= 3; n++ {
				body := scrape(t, p, "a:1", func(i int, ts *prompb.TimeSeries) bool { return tc.change == nil || tc.change(n, i, ts) })
				if err := tally.take(header, body); err != nil {
					t.Fatal(err)
				}
			}
			r := tally.report()
			if diff := cmp.Diff(tc.want, r.count); diff != "" || r.lost(p.scrapes, series) != tc.lost {
				t.Errorf("lost = %d, want %d; count (-want +got):\n%s", r.lost(p.scrapes, series), tc.lost, diff)
			}
		})
	}
	if err := newSampleTally().take(http.Header{"Content-Encoding": {"zstd"}}, nil); err == nil {
		t.Error("zstd is taken for snappy")
	}
}

func TestVerdict(t *testing.T) {
	for want, got := range map[string]string{
		"all":                       count{Items: 5}.verdict(0),
		"3 lost":                    count{}.verdict(3),
		"1 twice, 2 not as written": count{Repeated: 1, Wrong: 2}.verdict(0),
	} {
		if got != want {
			t.Errorf("verdict %q, want %q", got, want)
		}
	}
}

func TestTables(t *testing.T) {
	var out strings.Builder
	tb := &tables{out: &out}
	for range 2 { // the second one does not open the table again
		tb.table([]string{"a", "b", "c"})
	}
	tb.row([]string{thousands(1234567), rate(2000, time.Second), perMillion(3*time.Second, 2_000_000)})
	tb.skip([]string{"a", "b", "c"}, "x", "y", fmt.Errorf("a|b"))
	want := "\n| a | b | c |\n|---|---|---|\n| 1,234,567 | 2,000 | 1.50 |\n| x | y | skipped: a/b |\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// TestHostileTargets checks that each target begins to send what its name says.
func TestHostileTargets(t *testing.T) {
	for name, page := range hostilePages {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(page))
			defer srv.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			head := make([]byte, len(comments))
			if _, err := io.ReadFull(res.Body, head); err != nil || !bytes.Equal(head, comments) {
				t.Errorf("its page begins with %.100q, err = %v", head, err)
			}
		})
	}
	if err := runHostile(t.Context(), []string{"-sends", "nothing"}, nil, nil); err == nil {
		t.Error("a target may send what is not known")
	}
}
