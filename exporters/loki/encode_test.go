package loki

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/send"
)

var (
	streamA = lighter.NewStream(labels.FromStrings("service", "api", "stream", "stdout"))
	streamB = lighter.NewStream(labels.FromStrings("service", "api", "stream", "stderr"))
)

func text(s *lighter.Stream) string { return s.Text("test", labels.EmptyLabels()) }

func batchOf(entries ...lighter.Entry) *lighter.Batch {
	return &lighter.Batch{Streams: []*lighter.Stream{streamA, streamB}, Entries: entries}
}

// slowPack makes the body of a request with the same entries, using the libraries.
func slowPack(t testing.TB, batches []*lighter.Batch) []byte {
	t.Helper()
	var req push.PushRequest
	index := map[string]int{}
	for _, b := range batches {
		for i := range b.Entries {
			e := &b.Entries[i]
			l := text(b.Streams[e.Stream])
			i, ok := index[l]
			if !ok {
				i = len(req.Streams)
				index[l] = i
				req.Streams = append(req.Streams, push.Stream{Labels: l})
			}
			entry := push.Entry{Timestamp: time.Unix(0, e.Time).UTC(), Line: string(e.Line)}
			for _, f := range b.Fields(e) {
				entry.StructuredMetadata = append(entry.StructuredMetadata, push.LabelAdapter{Name: f.Name, Value: string(f.Value)})
			}
			req.Streams[i].Entries = append(req.Streams[i].Entries, entry)
		}
	}
	largest := 0
	for i := range req.Streams {
		if req.Streams[i].Size() >= req.Streams[largest].Size() {
			largest = i
		}
	}
	if len(req.Streams) > 0 { // a stream that Loki limits is noticed only at the end of a request
		last := req.Streams[largest]
		req.Streams = append(slices.Delete(req.Streams, largest, largest+1), last)
	}
	b, err := proto.Marshal(&req)
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

// slowUnpack decodes a request's body using the libraries: each entry with its labels and time.
func slowUnpack(t testing.TB, body []byte) (entries []string) {
	t.Helper()
	b, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	var req push.PushRequest
	if err := proto.Unmarshal(b, &req); err != nil {
		t.Fatal(err)
	}
	for _, s := range req.Streams {
		for _, e := range s.Entries {
			entries = append(entries, fmt.Sprintf("%s %d %s %v", s.Labels, e.Timestamp.UnixNano(), e.Line, e.StructuredMetadata))
		}
	}
	return entries
}

func TestPackAsTheLibrariesDo(t *testing.T) {
	var p packer
	for name, batches := range map[string][]*lighter.Batch{
		"nothing":       nil,
		"one":           {batchOf(lighter.Entry{Time: 1767323045000000006, Line: []byte("hello")})},
		"empty line":    {batchOf(lighter.Entry{Time: 1767323045000000006})},
		"whole second":  {batchOf(lighter.Entry{Time: 1767323045000000000, Line: []byte("x")})},
		"epoch":         {batchOf(lighter.Entry{Line: []byte("x")})},
		"before 1970":   {batchOf(lighter.Entry{Time: -1, Line: []byte("x")})},
		"largest time":  {batchOf(lighter.Entry{Time: math.MaxInt64, Line: []byte("x")})},
		"long":          {batchOf(lighter.Entry{Time: 1, Line: bytes.Repeat([]byte("x"), 300<<10)})},
		"pieces":        manyLines(2000),
		"a whole piece": {batchOf(lighter.Entry{Line: bytes.Repeat([]byte("x"), 65488)})}, // 64 KiB with all that is around it
		"one byte more": {batchOf(lighter.Entry{Line: bytes.Repeat([]byte("x"), 65489)})},
		"metadata":      {withFields(batchOf(lighter.Entry{Time: 1, Line: []byte("a")}, lighter.Entry{Time: 2}, lighter.Entry{Time: 3, Line: []byte("c")}), []byte("1234"))},
		"long metadata": {withFields(batchOf(lighter.Entry{Time: 1, Line: []byte("a")}), bytes.Repeat([]byte("x"), 100_000))},
		"streams mixed": {batchOf(lighter.Entry{Time: 1, Line: []byte("a")}, lighter.Entry{Time: 2, Line: []byte("b"), Stream: 1}, lighter.Entry{Time: 3, Line: []byte("c")}), batchOf(lighter.Entry{Time: 4, Line: []byte("d"), Stream: 1})},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time with what the first has left behind
				if got, want := p.pack(batches, text).Body, slowPack(t, batches); !bytes.Equal(got, want) {
					t.Errorf("packed %.200q, want %.200q", got, want)
				}
			}
		})
	}
}

// withFields gives every other entry of a batch structured metadata derived from a value.
func withFields(b *lighter.Batch, value []byte) *lighter.Batch {
	for i := range b.Entries {
		switch i % 4 {
		case 0:
			b.SetFields(&b.Entries[i], []lighter.Field{{Name: "trace_id", Value: value}, {Name: "", Value: nil}, {Name: "empty", Value: value[:0]}})
		case 2:
			b.SetFields(&b.Entries[i], []lighter.Field{{Name: "pod", Value: value[len(value)/2:]}})
		}
	}
	return b
}

func FuzzPack(f *testing.F) {
	f.Add([]byte("hello"), int64(1767323045000000006), uint8(3), uint8(2), []byte("1234"))
	f.Add([]byte(nil), int64(-5), uint8(0), uint8(1), []byte(nil))
	f.Fuzz(func(t *testing.T, line []byte, at int64, n, split uint8, value []byte) {
		one, two := batchOf(), batchOf()
		for i := range int64(n) {
			entry := lighter.Entry{Time: at/2 + i*i*977, Line: line[:int(i)*len(line)/256], Stream: int32(i*int64(split)>>1) & 1}
			if uint8(i) < split {
				one.Entries = append(one.Entries, entry)
			} else {
				two.Entries = append(two.Entries, entry)
			}
		}
		batches := []*lighter.Batch{withFields(one, value), two}
		var p packer
		if got, want := p.pack(batches, text).Body, slowPack(t, batches); !bytes.Equal(got, want) {
			t.Errorf("packed %q, want %q", got, want)
		}
	})
}

// TestPackHoldsLittle: at most a piece and a line are uncompressed, and the memory of a huge line is not
// retained after the next request.
func TestPackHoldsLittle(t *testing.T) {
	var p packer
	p.pack(manyLines(10_000), text)
	if n := cap(p.out.raw); n > 2*pieceBytes {
		t.Errorf("%d bytes are held uncompressed for lines of 200", n)
	}
	p.pack([]*lighter.Batch{batchOf(lighter.Entry{Time: 1, Line: make([]byte, 4<<20)})}, text)
	p.pack(manyLines(1), text)
	if n := cap(p.out.raw) + cap(p.out.body); n > 2*pieceBytes+snappy.MaxEncodedLen(pieceBytes) {
		t.Errorf("%d bytes are kept after a line of 4 MiB", n)
	}
}

func manyLines(n int) []*lighter.Batch {
	b := batchOf()
	for i := range n {
		b.Entries = append(b.Entries, lighter.Entry{Time: 1767323045000000006 + int64(i), Line: []byte(strings.Repeat("x", 190) + fmt.Sprintf("%010d", i)), Stream: int32(i % 7 / 6)})
	}
	return []*lighter.Batch{b}
}

func BenchmarkPack(b *testing.B) {
	for _, n := range []int{1, 100, 5000} {
		batches := manyLines(n)
		size, err := snappy.DecodedLen(slowPack(b, batches))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("ours/entries=%d", n), func(b *testing.B) {
			var p packer
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				p.pack(batches, text)
			}
		})
		b.Run(fmt.Sprintf("library/entries=%d", n), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				slowPack(b, batches)
			}
		})
	}
}

func TestSplitKeepsOrderAndLosesNothing(t *testing.T) {
	var p packer
	batches := manyLines(21)
	withFields(batches[0], []byte("1234"))
	r := p.pack(batches, text)
	var lines []string
	var walk func(send.Request)
	walk = func(r send.Request) {
		a, b, err := protocol{}.Split(r)
		if err == nil {
			if a.Items+b.Items != r.Items || a.Items == 0 || b.Items == 0 {
				t.Fatalf("%d items split into %d and %d", r.Items, a.Items, b.Items)
			}
			walk(a)
			walk(b)
			return
		}
		if r.Items != 1 {
			t.Fatalf("%d items do not split: %v", r.Items, err)
		}
		lines = append(lines, slowUnpack(t, r.Body)...)
	}
	walk(r)
	if diff := cmp.Diff(slowUnpack(t, r.Body), lines); diff != "" {
		t.Errorf("entries one by one (-want +got):\n%s", diff)
	}
}

// Loki's own texts, from its sources (pkg/validation/validate.go, pkg/ingester/stream.go).
func TestRefused(t *testing.T) {
	var p packer
	r := p.pack(manyLines(21), text)
	const stream = `{service="api", stream="stderr"}`
	for name, tc := range map[string]struct {
		text string
		want []send.Refusal
	}{
		"too old": {
			`1 errors like: entry for stream '` + stream + `' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-08T00:00:00Z`,
			[]send.Refusal{{Reason: "too_old", Items: 1, Stream: stream}},
		},
		"two kinds": {
			`12 errors like: entry for stream '` + stream + `' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-08T00:00:00Z; 3 errors like: max entry size '10' bytes exceeded for stream '` + stream + `' while adding an entry with length '20' bytes`,
			[]send.Refusal{{Reason: "too_old", Items: 12, Stream: stream}, {Reason: "line_too_long", Items: 3, Stream: stream}},
		},
		"a whole stream": {
			`1 errors like: stream '` + stream + `' has label value too long: 'x'`,
			[]send.Refusal{{Reason: "label_value_too_long", Items: 3, Stream: stream}},
		},
		"ingester": {
			"entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-01T01:00:00Z',\nuser 'fake', total ignored: 2 out of 5 for stream: " + stream,
			[]send.Refusal{{Reason: "too_far_behind", Items: 2, Stream: stream}},
		},
		"Loki's own label": {
			`1 errors like: entry for stream '{service="api", service_name="api", stream="stderr"}' has 17 label names; limit 15; 1 errors like: entry for stream '{service="api", service_name="a \"b\"", stream="stdout"}' has 17 label names; limit 15`,
			[]send.Refusal{{Reason: "too_many_labels", Items: 3, Stream: stream}, {Reason: "too_many_labels", Items: 18, Stream: `{service="api", stream="stdout"}`}},
		},
		"in capitals, and its own label last": {
			`2 errors like: Max entry size '10' bytes exceeded for stream '{service="api", stream="stderr", service_name="x"}' while adding an entry with length '20' bytes`,
			[]send.Refusal{{Reason: "line_too_long", Items: 2, Stream: stream}},
		},
		"without quotes": {
			`1 errors like: missing required labels a for user fake for stream ` + stream,
			[]send.Refusal{{Reason: "missing_labels", Items: 3, Stream: stream}},
		},
		"a stream that was not sent": {
			`1 errors like: stream '{a="b"}' has label value too long: 'x'`,
			[]send.Refusal{{Reason: "label_value_too_long", Items: 1}},
		},
		"no labels": {`error at least one label pair is required per stream`, []send.Refusal{{Reason: "no_labels", Items: 21}}},
		"anything":  {`what is this?`, []send.Refusal{{Reason: "rejected", Items: 21}}},
		"nothing":   {``, []send.Refusal{{Reason: "rejected", Items: 21}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, protocol{}.Refused(r, tc.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRefused(f *testing.F) {
	f.Add(`12 errors like: entry for stream '{a="b"}' has timestamp too old; 99999999999999999999 errors like: x`)
	f.Add("total ignored: 2 out of 5 for stream: {}")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range (protocol{}).Refused(send.Request{Body: []byte(text), Items: 7}, text) {
			if r.Items < 0 || r.Reason == "" {
				t.Errorf("refusal = %+v", r)
			}
		}
	})
}
