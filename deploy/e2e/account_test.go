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

// TestAccount shows that the measure of all fault scenarios sees what it is to see.
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
		deaths []time.Time
		want   outcome
	}{
		"all":          {mine, []push.Entry{line(1), line(2), line(3)}, nil, outcome{delivered: 3}},
		"lost":         {mine, []push.Entry{line(1), line(3)}, nil, outcome{delivered: 2, lost: 1}},
		"twice":        {mine, []push.Entry{line(1), line(2), line(2), line(3)}, nil, outcome{delivered: 3, twice: 1}},
		"disordered":   {mine, []push.Entry{line(1), line(3), line(2)}, nil, outcome{delivered: 3, disordered: 1}},
		"other bytes":  {mine, []push.Entry{line(1), line(2), wrong, line(3)}, nil, outcome{delivered: 3, changed: 1}},
		"other time":   {mine, []push.Entry{line(1), late, line(3)}, nil, outcome{delivered: 2, lost: 1, changed: 1}},
		"other stream": {other, []push.Entry{line(1)}, nil, outcome{lost: 3, changed: 1}},
		"after a kill": {mine, []push.Entry{line(1), line(1), line(2), line(3)}, []time.Time{time.Now().Add(time.Second)},
			outcome{delivered: 3, twice: 1}},
		"long before a kill": {mine, []push.Entry{line(1), line(1), line(2), line(3)}, []time.Time{time.Now().Add(time.Minute)},
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

// TestAccountOfSamples shows the same of samples.
func TestAccountOfSamples(t *testing.T) {
	now := time.Now()
	at := func(millis int64, v float64) fault.Sample {
		return fault.Sample{Millis: millis, Value: v, At: now.UnixMilli()}
	}
	came := []fault.Sample{at(1, 1), at(3, 3), at(2, 2), at(3, 3), at(3, 4)}
	for name, tc := range map[string]struct {
		deaths []time.Time
		want   outcome
	}{
		"nothing died":      {nil, outcome{twice: 1, disordered: 1, changed: 1}},
		"at a death":        {[]time.Time{now}, outcome{twice: 1, disordered: 1, changed: 1}},
		"long before death": {[]time.Time{now.Add(time.Minute)}, outcome{twice: 1, disordered: 1, changed: 1, late: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got outcome
			if got.samples(came, tc.deaths); got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}
