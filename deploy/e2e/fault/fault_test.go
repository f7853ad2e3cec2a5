package fault

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/prompb"
)

// pushOf returns a push of three numbered lines.
func pushOf(t *testing.T) []byte {
	t.Helper()
	req := push.PushRequest{Streams: []push.Stream{{Labels: `{service="a", container="b"}`, Entries: []push.Entry{
		{Timestamp: time.Unix(1, 1), Line: `{"run":"r","seq":1}`},
		{Timestamp: time.Unix(1, 2), Line: `r 2 info`},
		{Timestamp: time.Unix(1, 3), Line: `no number`},
	}}}}
	raw, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw)
}

func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault      Fault
		status     int    // 0 means no response
		says       string // contained in the response
		retryAfter string
		kept       int
	}{
		"none":         {nil, 204, "", "", 3},
		"500":          {Status(500, "broken"), 500, "broken", "", 0},
		"260":          {Status(260, "ingestion blocked"), 260, "blocked", "", 0},
		"seconds":      {RetryAfterSeconds(3 * time.Second), 429, "rate limit", "3", 0},
		"date":         {RetryAfterDate(time.Unix(0, 0)), 429, "rate limit", "Thu, 01 Jan 1970 00:00:00 GMT", 0},
		"one refused":  {RefuseEvery(1), 400, `total ignored: 1 out of 3 for stream: {service="a", container="b"}`, "", 2},
		"none refused": {RefuseEvery(2), 204, "", "", 3},
		"too large":    {TooLarge(10), 413, "too large", "", 0},
		"small enough": {TooLarge(1000), 204, "", "", 3},
		"black hole":   {BlackHole(), 0, "", "", 0},
		"cut body":     {CutBody(), 0, "", "", 0},
		"cut answer":   {CutAnswer(), 0, "", "", 3},
		"slow":         {Slow(time.Millisecond), 204, "", "", 3},
		"in turn":      {InTurn(Status(503, ""), nil), 503, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New("127.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Refuse()
			s.Misbehave(tc.fault)
			client := &http.Client{}
			if name == "black hole" {
				client.Timeout = 100 * time.Millisecond
			}
			res, err := client.Post(s.URL()+PushPath, "application/x-protobuf", bytes.NewReader(pushOf(t)))
			if (err != nil) != (tc.status == 0) {
				t.Fatalf("error %v, want status %d", err, tc.status)
			}
			if err == nil {
				defer res.Body.Close()
				text, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != tc.status || !strings.Contains(string(text), tc.says) || res.Header.Get("Retry-After") != tc.retryAfter {
					t.Errorf("status %d, Retry-After %q, %v: %s", res.StatusCode, res.Header.Get("Retry-After"), err, text)
				}
			}
			if n := s.Lines.Taken(); n != tc.kept {
				t.Errorf("%d lines kept, want %d", n, tc.kept)
			}
		})
	}
}

func TestServerKeepsWhatComesInItsOrder(t *testing.T) {
	s, err := New("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Refuse()
	post := func(path string, body []byte) {
		t.Helper()
		res, err := http.Post(s.URL()+path, "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	post(PushPath, pushOf(t))
	post(PushPath, pushOf(t))
	got := s.Lines.Streams()[`{container="b", service="a"}`]
	if len(got) != 6 || got[0].Seq != 1 || got[1].Seq != 2 || got[2].Seq != 0 || got[1].Nanos != 1_000000002 || got[3].Hash != got[0].Hash {
		t.Errorf("lines are %v", got)
	}
	write := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "m"}},
		Samples: []prompb.Sample{{Timestamp: 1, Value: 5}, {Timestamp: 2, Value: 6}},
	}}}
	raw, err := write.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	post(WritePath, snappy.Encode(nil, raw))
	if samples := s.Samples.Series()[`{__name__="m"}`]; len(samples) != 2 || !samples[1].Same(Sample{Millis: 2, Value: 6}) {
		t.Errorf("samples are %v", samples)
	}
	if err := s.Refuse(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(s.URL()); err == nil {
		t.Error("a connection was accepted while it refuses them")
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	post("/elsewhere", nil)
	if errs := s.Errors(); len(errs) != 1 {
		t.Errorf("errors are %v, want one about the path", errs)
	}
}
