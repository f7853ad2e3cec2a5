package loki_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/exportertest"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
	"lighter/exporters/send"
)

func TestSuite(t *testing.T) {
	exportertest.Run(t, exportertest.Backend{New: newSuiteEndpoint, Items: func(body []byte) (items []int, err error) {
		r, err := receiver.DecodePush(body)
		if err != nil {
			return nil, err
		}
		for _, s := range r.Streams {
			for _, e := range s.Entries {
				n := 0
				if _, err := fmt.Sscanf(e.Line, "line %d", &n); err != nil {
					return nil, err
				}
				items = append(items, n)
			}
		}
		return items, nil
	}})
}

type suiteEndpoint struct {
	*loki.Endpoint
	stream *lighter.Stream
}

func newSuiteEndpoint(tb testing.TB, o exportertest.Options) exportertest.Endpoint {
	tb.Helper()
	c := loki.DefaultConfig()
	c.Name, c.URL, c.Dir, c.MaxBytes = "loki", "http://loki.test/push", o.Dir, o.MaxBytes
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})
	e, err := loki.New(c, loki.Options{
		Client: o.Client, UserAgent: "lighter/test", MemoryBytes: memoryBytes, FlushTimeout: o.FlushTimeout,
		Metrics: loki.NewMetrics(o.Registry, waiting), Send: send.NewMetrics(o.Registry), Logger: o.Logger,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return suiteEndpoint{e, lighter.NewStream(labels.FromStrings("service", "api"))}
}

func (e suiteEndpoint) Append(ctx context.Context, from, n int) error {
	b := &lighter.Batch{Streams: []*lighter.Stream{e.stream}, Bytes: 100 * n}
	for i := range n {
		b.Entries = append(b.Entries, lighter.Entry{Time: int64(from + i + 1), Line: fmt.Appendf(nil, "line %d", from+i)})
	}
	b.Begin(nil)
	defer b.Done()
	return e.Endpoint.Append(ctx, b)
}

func (e suiteEndpoint) Status() (send.Status, int) {
	st := e.Endpoint.Status()
	return st.Status.Status, st.Waiting.Items
}
