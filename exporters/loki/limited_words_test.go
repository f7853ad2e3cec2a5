package loki

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
)

// Loki's texts about a limit (pkg/validation/validate.go of 2.9 and 3.7), and the streams of a request that
// they mean.
func TestLimitedWords(t *testing.T) {
	entries := []push.Entry{{Timestamp: time.Unix(1, 0), Line: "a"}, {Timestamp: time.Unix(2, 0), Line: "b"}}
	api, odd := `{container="api", service="a"}`, `{container="o\"}, {d", service="b"}`
	of := func(streams ...string) *push.PushRequest {
		r := &push.PushRequest{}
		for _, s := range streams {
			r.Streams = append(r.Streams, push.Stream{Labels: s, Entries: entries})
		}
		return r
	}
	rate := func(stream string) string {
		return fmt.Sprintf("Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '%s' totaling 15B, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased", stream)
	}
	for name, tc := range map[string]struct {
		text    string
		sent    *push.PushRequest
		streams []string
	}{
		"the rate of a stream":            {rate(api), of(api, odd), []string{api}},
		"a stream with odd labels":        {rate(odd), of(api, odd), []string{odd}},
		"entries":                         {"entry with timestamp 1970-01-01 00:00:01 +0000 UTC ignored, reason: '" + rate(api) + "', user 'fake', total ignored: 2 out of 2 for stream: " + api, of(odd, api), []string{api}},
		"a stream that Loki divides":      {rate(`{__stream_shard__="3", container="api", service="a", service_name="a"}`), of(api, odd), []string{api}},
		"two streams":                     {rate(api) + "; " + rate(odd), of(api, odd), []string{api, odd}},
		"a new stream too many":           {"maximum active stream limit exceeded when trying to create stream " + api + ", reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: 'fake'", of(odd, api), []string{api}},
		"a stream without a name, alone":  {"Maximum active stream limit exceeded, reduce the number of active streams", of(odd), []string{odd}},
		"a stream without a name":         {"Maximum active stream limit exceeded, reduce the number of active streams", of(api, odd), nil},
		"a stream that was not sent":      {rate(`{container="other"}`), of(api, odd), nil},
		"the rate of all streams of user": {"ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) while attempting to ingest '2' lines totaling '9' bytes", of(api), nil},
		"a proxy's":                       {"too many requests", of(api), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := request(tc.sent)
			if err != nil {
				t.Fatal(err)
			}
			streams, items := protocol{}.Limited(r, tc.text)
			if diff := cmp.Diff(tc.streams, streams); diff != "" || items != 2*len(streams) {
				t.Errorf("%d entries of streams (-want +got):\n%s", items, diff)
			}
		})
	}
}

// The removed streams and the rest of a request are together the whole request, in order, and no part is
// large.
func TestTakeOut(t *testing.T) {
	req := &push.PushRequest{Streams: []push.Stream{{Labels: `{a="1"}`}, {Labels: `{a="2"}`}, {Labels: `{a="3"}`}}}
	for i := range 3000 {
		s := &req.Streams[i%3]
		s.Entries = append(s.Entries, push.Entry{Timestamp: time.Unix(int64(i), 0), Line: fmt.Sprint(i, strings.Repeat("x", 500))})
	}
	r, err := request(req)
	if err != nil {
		t.Fatal(err)
	}
	rest, parts, err := takeOut(r, func(labels string) bool { return labels == `{a="2"}` })
	if err != nil {
		t.Fatal(err)
	}
	kept, err := decode(rest.Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]push.Stream{req.Streams[0], req.Streams[2]}, kept.Streams); diff != "" || rest.Items != 2000 {
		t.Errorf("%d entries are left (-want +got):\n%.1000s", rest.Items, diff)
	}
	var out []push.Entry
	for _, p := range parts {
		one, err := decode(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		if len(one.Streams) != 1 || one.Streams[0].Labels != `{a="2"}` || p.labels != `{a="2"}` || p.Items != len(one.Streams[0].Entries) || one.Size() > limitedBytes+5000 {
			t.Errorf("a part of %d streams, %d entries and %d bytes", len(one.Streams), p.Items, one.Size())
		}
		out = append(out, one.Streams[0].Entries...)
	}
	if diff := cmp.Diff(req.Streams[1].Entries, out); diff != "" {
		t.Errorf("taken out (-want +got):\n%.1000s", diff)
	}
}
