package scrape

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
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

// subject holds the pages of a target under test, and what reading them needs.
type subject struct {
	*pages
	buffers *Buffers
	reader  *reader
	changed []lighter.Metadata // the new metadata of the last page
}

func newSubject(cfg Config, sinks ...Sink) *subject {
	return &subject{pages: newPages(testTarget, cfg, sinks, make([]string, len(sinks))), buffers: NewBuffers(PageMemory), reader: &reader{}}
}

// read reads one page. The points are those of the first sink.
func (s *subject) read(tb testing.TB, body []byte, contentType string, at int64) ([]datum, counts, error) {
	tb.Helper()
	out := blocks{sinks: make([]blockWriter, len(s.sinks))}
	p := &page{body: slices.Clone(body), contentType: contentType}
	n, err := s.pages.read(p, at, &out, s.reader)
	s.changed = s.reader.changed
	s.reader.release()
	return pointsOf(tb, out.sinks[0].finish(at)), n, err
}

// FuzzRounds compares the optimized reading of pages with the oracle. Both must give the same samples, bit
// for bit and in the same order, and the same markers, exemplars, counts and errors, whatever came before,
// even if a loop takes over from another. script says which page each round shows; each page is made of
// two.
func FuzzRounds(f *testing.F) {
	const om = "application/openmetrics-text; version=1.0.0"
	add := func(a, b, contentType string) {
		for _, flags := range []uint8{0, 1, 2, 4 | 16, 8} {
			f.Add(a, b, contentType, []byte{0, 0, 1, 1, 2, 3, 4, 5, 0, 6, 7, 0, 1, 8, 2, 9, 10, 0}, flags)
			f.Add(a, b, contentType, []byte{0, 1, 0, 0x80, 0, 0, 0x81, 9, 0x80 | 7, 0, 10, 0x84, 4, 4, 2, 7, 0x80, 0x80, 0x80, 0, 7, 0x83, 0x81}, flags) // the clock goes back
			f.Add(a, b, contentType, []byte{0, 0x40, 0, 1, 0x41, 4, 0x44, 0, 7, 0x40, 2, 0x45}, flags)                                                   // a loop takes over from another
		}
	}
	add("# TYPE a counter\na 1\nb{x=\"1\"} 2.5 1000\nc NaN\n", "# TYPE a gauge\na 2\nb{x=\"1\"} 2.5 1700000000000\nd 5\n", "text/plain")
	add("a{x=\"\\\"\\\\\\n\"} 1\na{job=\"x\"} 2\na{ job = \"x\" , } 3\n{\"a\",y=\"z\"} 4\n", "a{job=\"x\"} 2\na 1\na 2\na 3\n", "text/plain")
	add("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 3\n", "h_bucket{le=\"1\"} 1\n# TYPE s summary\ns{quantile=\"0\"} 5\n", "text/plain; version=0.0.4")
	add("# TYPE a counter\n# UNIT a seconds\na_total 1 123.5 # {id=\"1\"} 1 2\n# EOF\n", "# HELP a x\n# TYPE a counter\na_total 1 # {id=\"1\"} 1\nb 2\n# EOF\n", om)
	add("a 1 \nb 2\n# EOF\n", "a 1\nb 2\n# EOF\n", om)
	add("a 1 -9223372036854775808\na 2 9223372036854775807\n", "a 1\n\n\n  a 5\n", "")
	add("a 1\nb 2\nc 3\nd 4\ne 5\n", "e 1\nd 2\nb{", "text/plain")
	add("a\t1\nb 1  \nc 1\r\n", "# a comment\n#\n# HELP a \n# TYPE a untyped\na 1 5\na 2 6", "text/plain")
	add("<html>", "# EOF", "text/html")
	add("b 1\na{x=\"1\",y=\"2\"} 1\n", "a{y=\"2\",x=\"1\"} 5\nb 1\na{x=\"1\",y=\"2\"} 6\n", "text/plain")
	add("a{x=\"1\"}\t1\nb 2\n", "b 2\na{x=\"1\"}\v1\n", "text/plain")
	add(strings.Repeat("a{x=\"1\"} 1\n", 3)+string(benchPage(70)), string(benchPage(65)), "text/plain")
	add("# TYPE h histogram\n# HELP h What it is.\nh_bucket{le=\"1\",a=\"x\"} 1\nh_bucket{le=\"0.50\"} 2\nh_bucket{le=\"1e3\",quantile=\"1\"} 2\nh_bucket{le=\"x\"} 3\n# TYPE s summary\ns{quantile=\"1\",le=\"1\"} 4\n", "s{quantile=\"1\"} 4\n# TYPE g gauge\ng{le=\"1\"} 1\n# TYPE g untyped\n", "text/plain")
	add("a{job=\"x\",exported_job=\"y\",instance=\"\"} 1\na{instance=\"z\",zone=\"1\",abc=\"2\",Upper=\"3\",_u=\"4\"} 2\na{exported_job=\"y\"} 3\na{x=\"\"} 4\na{} 5\n", "a{job=\"\"} 1\na{x=\"1\",x=\"2\"} 2\n", "text/plain")
	add("a{x=\"\\\\\\\"\\n\\\\n\",y=\"\u00e9\"} 1\na{x=\"\\t\"} 2\na{__name__=\"b\"} 3\n", "a{x=\"\xff\"} 1\n", "text/plain")
	add("a{x=\"1\",} 1\na{x=\"1\",y=\"2\" } 2\na {z=\"1\"} 3\na{x = \"3\"} 4\n:a:b{x=\"4\"} 5\na{x=\"5\"}6\n", "a{x:y=\"1\"} 1\n9a 1\n", "text/plain")
	add("# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds It \\\\ is.\na_seconds_total{x=\"1\",} 1 5.5 # {id=\"1\",b=\"2\"} 1 2.5\na_seconds_total{x=\"2\"} 1 # {id=\"\\\\\"} 2\na_seconds_created{x=\"1\"} 5\n# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE st stateset\nst{st=\"a\"} 1\n# TYPE gh gaugehistogram\ngh_bucket{le=\"1\"} 1\n# TYPE u unknown\nu 1\n# EOF\n", "# UNIT a seconds\na 1\n# EOF\n", om)
	add("a{x=\"1\"} 1 # {id=\"1\"} NaN\na{x=\"2\"} 1 # {} 5\na{x=\"3\"} 1 # {id=\"1\"} 5 6 \na{x=\"4\"} 2  # {id=\"1\"} 5\n# EOF\n", "a{x=\"1\"} 1 # {id=\"2\"} 5 6\n# EOF\n", om)
	add("# TYPE a  counter\na 1\n", "# TYPE a unknown\na 1\n", "text/plain")
	add("# HELP a  x\n# HELP b\n# HELP c \n# TYPE \"a\" counter\n#HELP\n# HELP a \xff\na 1\n", "# TYPE a counter \na 1\n# TYPE a", "text/plain")
	add("up 5\na 1\nup{job=\"x\"} 2\nup{job=\"api\"} 3\nscrape_series_added 7\n", "a 2\nup{x=\"1\"} 4\nup 6\nscrape_samples_scraped{instance=\"api:3000\"} 1 1700000000000\n", "text/plain")
	add("# TYPE up gauge\nup 5 # {id=\"1\"} 1\nscrape_duration_seconds 1 # {id=\"1\"} 1 2\n# EOF\n", "# TYPE up gauge\na 1\nup 6\n# EOF\n", om)
	add("# TYPE b counter\nb_total 1 # {id=\"1\"} 5\n# TYPE a counter\na_total 1 # {id=\"9\"} 1\n# EOF\n", "# TYPE b counter\nb_total 1 # {id=\"2\"} 6\n# TYPE a counter\na_total 1 # {id=\"9\"} 1\n# EOF\n", om)
	for _, contentType := range []string{"text/plain", om} {
		add("a{x=\"1\n2\"} 1\n# EOF\n", "a{x=\"1\"} 1\n# EOF\n", contentType)
	}
	f.Fuzz(func(t *testing.T, a, b, contentType string, script []byte, flags uint8) {
		if strings.Contains(contentType, "protobuf") || len(script) > 30 {
			t.Skip("not this test's")
		}
		cfg := DefaultConfig()
		cfg.StartTimes = flags&1 != 0 // must not change the samples
		cfg.HonorTimestamps = flags&2 == 0
		cfg.HonorLabels = flags&4 != 0
		if flags&8 != 0 {
			cfg.SampleLimit = 3
		}
		if flags&16 != 0 {
			cfg.MetricRelabel = []*relabel.Config{{Action: relabel.Drop, SourceLabels: model.LabelNames{"__name__"}, Separator: ";", Regex: relabel.MustNewRegexp("b.*|.*_sum"), NameValidationScheme: model.LegacyValidation}}
		}
		m, s := newOracle(cfg), newSubject(cfg, plainSink{})
		at := int64(1_700_000_000_000)
		for round, step := range script {
			at += 1000 - 1300*int64(step>>7) // the clock may go back
			body := pageOf(a, b, int(step&63))
			if step&64 != 0 {
				next := newPages(testTarget, cfg, []Sink{plainSink{}}, make([]string, 1))
				next.takeOver(s.pages)
				s.pages = next
			}
			want, wantCounts, wantErr := m.read([]byte(body), contentType, at)
			got, gotCounts, err := s.read(t, []byte(body), contentType, at)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("round %d: err = %v, want %v\n%q", round, err, wantErr, body)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("round %d (-reference +got):\n%s\n%q", round, diff, body)
			}
			if wantCounts != gotCounts {
				t.Fatalf("round %d: counts %+v, want %+v\n%q", round, gotCounts, wantCounts, body)
			}
		}
	})
}

// pageOf makes a page of two others.
func pageOf(a, b string, how int) string {
	lines, end := strings.SplitAfter(a, "\n"), ""
	if n := len(lines); n > 1 && lines[n-2] == "# EOF\n" {
		lines, end = lines[:n-2], "# EOF\n"
	}
	switch how {
	case 1:
		return b
	case 2: // in reverse
		slices.Reverse(lines)
	case 3: // the first line is gone
		lines = lines[1:]
	case 4: // twice
		lines = append(lines, lines...)
	case 5: // with others in front
		lines = append([]string{strings.TrimSuffix(b, "# EOF\n")}, lines...)
	case 6: // with others behind
		lines = append(lines, strings.TrimSuffix(b, "# EOF\n"))
	case 7: // broken at the end
		lines = append(lines, "broken{\n")
	case 8: // every second line
		for i := range lines {
			if i%2 == 1 {
				lines[i] = ""
			}
		}
	case 9: // with lines between
		for i := range lines {
			lines[i] += fmt.Sprintf("new_%d{le=\"%d\"} 1\n", i, i)
		}
	case 10: // turned round
		lines = append(lines[len(lines)/2:], lines[:len(lines)/2]...)
	}
	return strings.Join(lines, "") + end
}

// FuzzProtobuf: whatever a protobuf page holds, nothing panics, a page that is valid once is valid again,
// and the blocks can be decoded.
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
		s, good := newSubject(cfg, plainSink{}), false
		for round := range int64(3) {
			_, _, err := s.read(t, body, protobuf, 1_700_000_000_000+round*1000)
			if round > 0 && (err == nil) != good {
				t.Fatalf("round %d: err = %v", round, err)
			}
			good = err == nil
		}
	})
}

// TestForgets: series that a target no longer shows, or showed only on a broken page, are not remembered.
func TestForgets(t *testing.T) {
	s := newSubject(DefaultConfig(), plainSink{})
	for round := range int64(20) {
		body := fmt.Sprintf("# TYPE a_%d gauge\na_%d 1\nb{id=\"%d\"} 2\n", round, round, round)
		if round%3 == 2 {
			body += "broken{"
		}
		_, _, err := s.read(t, []byte(body), "text/plain", round+1)
		if broken := round%3 == 2; (err != nil) != broken {
			t.Fatalf("round %d: err = %v", round, err)
		}
		if lines, size := s.memo.Size(); lines > 2 || size > 400 {
			t.Fatalf("round %d: %d lines in %d bytes are remembered, want 2 in at most 400", round, lines, size)
		}
	}
}

// TestALongTailIsNotRemembered: a page that ends with megabytes of comments is read like any other, and
// retains no memory for them.
func TestALongTailIsNotRemembered(t *testing.T) {
	s := newSubject(DefaultConfig(), plainSink{})
	page := append([]byte("# TYPE a counter\na 1\n"), bytes.Repeat([]byte("# nothing that anybody needs\n"), 100_000)...)
	for round := range int64(3) {
		got, n, err := s.read(t, page, "text/plain", 1000*(round+1))
		if err != nil || n.scraped != 1 || len(got) != 1 {
			t.Errorf("round %d: %v of %+v, err = %v", round, got, n, err)
		}
		if _, size := s.memo.Size(); size > 1000 {
			t.Errorf("round %d: %d bytes of the page are remembered", round, size)
		}
		if size := s.reader.last.Size(); size > maxSeriesText {
			t.Errorf("round %d: reading one series takes %d bytes", round, size)
		}
	}
}

// TestPlain: pages of the common shapes are learnt without a parser, except for their ends.
func TestPlain(t *testing.T) {
	for name, tc := range map[string]struct{ contentType, body string }{
		"text":        {"text/plain", "# HELP a What it is.\n# TYPE a counter\na 1\na{x=\"\\\"\",b=\"ä\"} 1.5e3 1700000000000\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"},
		"OpenMetrics": {"application/openmetrics-text; version=1.0.0", "# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total{x=\"1\"} 1 5.5 # {id=\"1\"} 2 3\n# EOF\n"},
		"both labels": {"text/plain", "a{job=\"own\"} 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(DefaultConfig(), plainSink{})
			s.format = textFormat
			if name == "OpenMetrics" {
				s.format = openMetrics
			}
			out := blocks{sinks: make([]blockWriter, 1)}
			r := s.reader
			r.begin(s.pages, []byte(tc.body), 1_700_000_000_000, &out)
			for {
				ok, err := r.learnPlain()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
			}
			if rest := string(r.body[r.pos:]); rest != "" && rest != "# EOF\n" {
				t.Errorf("%q is left to the parser", rest)
			}
		})
	}
}
