package receiver_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/exporters/receiver"
)

func pushTo(t *testing.T, s *receiver.Server, streams ...push.Stream) *httptest.ResponseRecorder {
	t.Helper()
	body, err := (&push.PushRequest{Streams: streams}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, receiver.PushPath, bytes.NewReader(snappy.Encode(nil, body)))
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("Content-Type", "application/x-protobuf")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// An entry is stored with its metadata, and two entries are equal only if that is equal, too.
func TestPushMetadata(t *testing.T) {
	s := receiver.New(receiver.Options{})
	entry := func(metadata ...push.LabelAdapter) push.Entry {
		return push.Entry{Timestamp: time.Unix(0, 1), Line: "a", StructuredMetadata: metadata}
	}
	one := push.LabelAdapter{Name: "trace_id", Value: "1"}
	pushTo(t, s, push.Stream{Labels: `{a="1"}`, Entries: []push.Entry{entry(), entry(one), entry(), entry(one), entry(one, push.LabelAdapter{Name: "span_id", Value: "2"})}})
	want := []receiver.LogEntry{{Time: 1, Line: "a"}, {Time: 1, Line: "a", Metadata: `trace_id="1"`}, {Time: 1, Line: "a", Metadata: `trace_id="1", span_id="2"`}}
	if diff := cmp.Diff(want, s.Streams()[0].Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if st := s.PushStats(); st.Lines != 3 || st.Repeated != 2 {
		t.Errorf("stats = %+v", st)
	}
}

// A limited stream is refused by name if it is the last one, and the others of the request are stored.
func TestLimit(t *testing.T) {
	s := receiver.New(receiver.Options{})
	s.Limit(func(l labels.Labels) bool { return l.Get("a") == "2" })
	stream := func(set string) push.Stream {
		return push.Stream{Labels: set, Entries: []push.Entry{{Timestamp: time.Unix(0, 1), Line: "x"}}}
	}
	if w := pushTo(t, s, stream(`{a="2"}`), stream(`{a="1"}`)); w.Code != 204 || len(s.Streams()) != 1 {
		t.Errorf("a stream before the last one: status %d, %d streams are kept", w.Code, len(s.Streams()))
	}
	w := pushTo(t, s, stream(`{a="3"}`), stream(`{a="2"}`))
	if w.Code != 429 || !strings.Contains(w.Body.String(), `Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{a="2"}'`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if n := len(s.Streams()); n != 2 {
		t.Errorf("%d streams are kept, want 2", n)
	}
	s.Limit(nil)
	if w := pushTo(t, s, stream(`{a="2"}`)); w.Code != 204 || len(s.Streams()) != 3 {
		t.Errorf("status %d, %d streams", w.Code, len(s.Streams()))
	}
	if v := s.Violations(); v != nil {
		t.Error(v)
	}
}
