package scrape

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

type answering func() *http.Response

func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// TestContentLength: an ordinary page with a declared length is read into memory that just fits it. The
// declared length of a larger page takes no memory before the bytes arrive.
func TestContentLength(t *testing.T) {
	const ordinary, large = 600 << 10, 3 << 20
	for name, tc := range map[string]struct {
		size int
		said int64
		most int // capacity
	}{
		"true":                        {ordinary, ordinary, ordinary + 2},
		"not told":                    {ordinary, -1, 2 * ordinary},
		"less than what comes":        {ordinary, 10, 2 * ordinary},
		"more than what comes":        {ordinary, 64 << 20, 2 * ordinary},
		"absurd":                      {ordinary, 1<<63 - 1, 2 * ordinary},
		"true, large":                 {large, large, large + 1<<20},
		"not told, large":             {large, -1, large + 1<<20},
		"less than what comes, large": {large, 10, large + 1<<20},
		"more than what comes, large": {large, 1<<63 - 1, large + 1<<20},
	} {
		t.Run(name, func(t *testing.T) {
			network := answering(func() *http.Response {
				return &http.Response{StatusCode: http.StatusOK, ContentLength: tc.said, Body: io.NopCloser(bytes.NewReader(make([]byte, tc.size)))}
			})
			l, err := New(lighter.Target{Labels: labels.FromStrings("__address__", "api:3000")}, DefaultConfig(), Options{
				Client: &http.Client{Transport: network}, Buffers: NewBuffers(PageMemory),
				Metrics: NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			p, err := l.fetch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(p.body) != tc.size || cap(p.body) > tc.most {
				t.Errorf("%d bytes in %d, want %d in at most %d", len(p.body), cap(p.body), tc.size, tc.most)
			}
			l.Buffers.putPage(p)
		})
	}
}
