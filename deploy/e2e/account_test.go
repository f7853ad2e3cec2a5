package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"lighter/deploy/e2e/fault"
	"lighter/deploy/e2e/jsonfile"
)

// TestAccount tests the accounting of all fault scenarios itself.
func TestAccount(t *testing.T) {
	const mine = `{container="c"}`
	const other = `{container="other"}`
	line := func(n int) push.Entry {
		return push.Entry{Timestamp: time.Unix(0, int64(n)), Line: fmt.Sprintf("c %d info", n)}
	}
	wrong := line(2)
	wrong.Line += "!"
	late := line(2)
	late.Timestamp = late.Timestamp.Add(1)
	for name, tc := range map[string]struct {
		stream string
		sent   []push.Entry
		deaths []death
		want   outcome
	}{
		"all":          {mine, []push.Entry{line(1), line(2), line(3)}, nil, outcome{delivered: 3}},
		"lost":         {mine, []push.Entry{line(1), line(3)}, nil, outcome{delivered: 2, lost: 1}},
		"twice":        {mine, []push.Entry{line(1), line(2), line(2), line(3)}, nil, outcome{delivered: 3, twice: 1, late: 1}},
		"disordered":   {mine, []push.Entry{line(1), line(3), line(2)}, nil, outcome{delivered: 3, disordered: 1}},
		"other bytes":  {mine, []push.Entry{line(1), line(2), wrong, line(3)}, nil, outcome{delivered: 3, changed: 1}},
		"other time":   {mine, []push.Entry{line(1), late, line(3)}, nil, outcome{delivered: 2, lost: 1, changed: 1}},
		"other stream": {other, []push.Entry{line(1)}, nil, outcome{lost: 3, changed: 1}},
		"after a kill": {mine, []push.Entry{line(1), line(1), line(2), line(3)}, deathIn(time.Second),
			outcome{delivered: 3, twice: 1}},
		"while it was being killed": {mine, []push.Entry{line(1), line(1), line(2), line(3)}, []death{{time.Now(), time.Now().Add(time.Minute)}},
			outcome{delivered: 3, twice: 1}},
		"long before a kill": {mine, []push.Entry{line(1), line(1), line(2), line(3)}, deathIn(time.Minute),
			outcome{delivered: 3, twice: 1, late: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := fault.New("127.0.0.1")
			must(t, err)
			defer s.Refuse()
			req := push.PushRequest{Streams: []push.Stream{{Labels: tc.stream, Entries: tc.sent}}}
			raw, err := req.Marshal()
			must(t, err)
			res, err := http.Post(s.URL()+fault.PushPath, "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
			must(t, err)
			res.Body.Close()
			want := stream{labels: mine}
			for n := 1; n <= 3; n++ {
				want.lines = append(want.lines, jsonfile.Line{Nanos: int64(n), Text: line(n).Line})
			}
			got := account([]stream{want}, s, tc.deaths)
			got.first, tc.want.written = "", 3
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

// deathIn returns one sudden death that happens after a time from now.
func deathIn(d time.Duration) []death {
	at := time.Now().Add(d)
	return []death{{at, at}}
}

// TestAccountOfCutAnswers checks that lines may arrive again only if the response to them was cut off.
func TestAccountOfCutAnswers(t *testing.T) {
	s, err := fault.New("127.0.0.1")
	must(t, err)
	t.Cleanup(func() { _ = s.Refuse() })
	want := stream{labels: `{container="c"}`, lines: []jsonfile.Line{{Nanos: 1, Text: "c 1 info"}}}
	req := push.PushRequest{Streams: []push.Stream{{Labels: want.labels, Entries: []push.Entry{{Timestamp: time.Unix(0, 1), Line: "c 1 info"}}}}}
	raw, err := req.Marshal()
	must(t, err)
	s.Misbehave(fault.InTurn(fault.CutAnswer(), nil, nil))
	for i, late := range []int{0, 0, 1} {
		res, err := http.Post(s.URL()+fault.PushPath, "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
		if (err != nil) != (i == 0) {
			t.Fatalf("request %d: %v", i+1, err)
		}
		if err == nil {
			res.Body.Close()
		}
		o := account([]stream{want}, s, nil)
		if o.first = ""; o != (outcome{written: 1, delivered: 1, twice: i, late: late}) {
			t.Errorf("after %d requests, the first answer cut: %+v, want late %d", i+1, o, late)
		}
	}
}

// TestAccountOfSamples checks the same for samples.
func TestAccountOfSamples(t *testing.T) {
	now := time.Now()
	at := func(millis int64, v float64) fault.Sample {
		return fault.Sample{Millis: millis, Value: v, At: now.UnixMilli()}
	}
	came := []fault.Sample{at(1, 1), at(3, 3), at(2, 2), at(3, 3), at(3, 4)}
	for name, tc := range map[string]struct {
		deaths []death
		want   outcome
	}{
		"nothing died":      {nil, outcome{twice: 1, disordered: 1, changed: 1, late: 1}},
		"at a death":        {deathIn(0), outcome{twice: 1, disordered: 1, changed: 1}},
		"long before death": {deathIn(time.Minute), outcome{twice: 1, disordered: 1, changed: 1, late: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got outcome
			if got.samples(came, tc.deaths); got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}
