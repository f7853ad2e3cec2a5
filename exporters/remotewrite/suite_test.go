package remotewrite_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/exporters/exportertest"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
	"lighter/exporters/send"
)

func TestSuite(t *testing.T) {
	exportertest.Run(t, exportertest.Backend{New: newSuiteEndpoint, Items: func(body []byte) (items []int, err error) {
		r, err := receiver.DecodeWrite(body)
		if err != nil {
			return nil, err
		}
		for _, series := range r.Timeseries {
			for _, s := range series.Samples {
				items = append(items, int(s.Value))
			}
		}
		return items, nil
	}})
}

type suiteEndpoint struct{ *remotewrite.Endpoint }

func newSuiteEndpoint(tb testing.TB, o exportertest.Options) exportertest.Endpoint {
	tb.Helper()
	c := testConfig()
	c.Dir, c.MaxBytes, c.SamplesPerSend = o.Dir, o.MaxBytes, 20
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})
	e, err := remotewrite.New(c, remotewrite.Options{
		Client: o.Client, UserAgent: "lighter/test", FlushTimeout: o.FlushTimeout,
		Metrics: remotewrite.NewMetrics(o.Registry, waiting), SendMetrics: send.NewMetrics(o.Registry), Logger: o.Logger,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return suiteEndpoint{e}
}

func (e suiteEndpoint) Append(ctx context.Context, from, n int) error {
	var req prompb.WriteRequest
	for i := range n {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  prompb.FromLabels(labels.FromStrings("__name__", "metric"), nil),
			Samples: []prompb.Sample{{Value: float64(from + i), Timestamp: int64(from + i + 1)}},
		})
	}
	body, err := req.Marshal()
	if err != nil {
		return err
	}
	b := lighter.Block{Body: body, Samples: n, Time: int64(from + n)}
	b.Body = e.AppendPacked(nil, b)
	return e.Endpoint.Append(ctx, 0, []lighter.Block{b})
}

func (e suiteEndpoint) Status() (send.Status, int) {
	st := e.Endpoint.Status()
	return st.Status.Status, st.Waiting.Items
}
