package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// Get returns the body of a path of the server; a status other than 200 is an error.
func (p *process) Get(ctx context.Context, path string) ([]byte, error) {
	return get(ctx, p.URL+path, nil)
}

// post sends a body and accepts any success status.
func (p *process) post(ctx context.Context, path string, body []byte, header http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %.300s", res.Status, answer)
	}
	if err != nil {
		return fmt.Errorf("POST %s%s: %w", p.URL, path, err)
	}
	return nil
}

// Push sends lines of a stream with timestamps a nanosecond apart, beginning at at. The lines of a stream
// must not be more than an hour older than its newest line.
func (l *Loki) Push(ctx context.Context, labels map[string]string, at time.Time, lines ...string) error {
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	}
	s := stream{Stream: labels}
	for i, line := range lines {
		s.Values = append(s.Values, [2]string{strconv.FormatInt(at.UnixNano()+int64(i), 10), line})
	}
	body, err := json.Marshal(map[string][]stream{"streams": {s}})
	if err != nil {
		return err
	}
	return l.post(ctx, "/loki/api/v1/push", body, http.Header{"Content-Type": {"application/json"}})
}

// Write sends series by remote write 1.0. Their labels must be sorted.
func (p *Prometheus) Write(ctx context.Context, series []prompb.TimeSeries) error {
	body, err := (&prompb.WriteRequest{Timeseries: series}).Marshal()
	if err != nil {
		return err
	}
	return p.post(ctx, "/api/v1/write", snappy.Encode(nil, body), http.Header{
		"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}, "X-Prometheus-Remote-Write-Version": {"0.1.0"},
	})
}
