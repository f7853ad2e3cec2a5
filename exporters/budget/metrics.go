package budget

import "github.com/prometheus/client_golang/prometheus"

var (
	logsDesc = prometheus.NewDesc("lighter_budget_logs_bytes",
		"Bytes of log lines in this calendar month (UTC): used (sent so far), projected (at its end), and limit (the budget, if there is one).", []string{"kind"}, nil)
	seriesDesc = prometheus.NewDesc("lighter_budget_series",
		"Series as Grafana Cloud counts them: active (with a sample in the last 20 minutes), data_points (per minute), used (the larger of the two, which is billed), and limit (the budget, if there is one).", []string{"kind"}, nil)
)

// Describe implements prometheus.Collector.
func (b *Budget) Describe(c chan<- *prometheus.Desc) {
	c <- logsDesc
	c <- seriesDesc
}

// Collect implements prometheus.Collector.
func (b *Budget) Collect(c chan<- prometheus.Metric) {
	s := b.Status()
	for _, m := range []struct {
		desc  *prometheus.Desc
		kind  string
		value float64
		has   bool
	}{
		{logsDesc, "used", float64(s.Logs.Used), true},
		{logsDesc, "projected", float64(s.Logs.Projected), true},
		{logsDesc, "limit", float64(s.Logs.Limit), s.Logs.Limit > 0},
		{seriesDesc, "active", float64(s.Series.Active), true},
		{seriesDesc, "data_points", float64(s.Series.DataPoints), true},
		{seriesDesc, "used", float64(s.Series.Used), true},
		{seriesDesc, "limit", float64(s.Series.Limit), s.Series.Limit > 0},
	} {
		if m.has {
			c <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, m.value, m.kind)
		}
	}
}
