package host

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

type updating func(chan<- prometheus.Metric) error

func (u updating) Update(ch chan<- prometheus.Metric) error { return u(ch) }

// TestASourceThatHangs: a hanging source costs a gather five seconds and the source's metrics, and is not
// run again and again.
func TestASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gauge := func(name string) prometheus.Metric {
			return prometheus.MustNewConstMetric(prometheus.NewDesc(name, "A gauge.", nil, nil), prometheus.GaugeValue, 1)
		}
		hung := make(chan struct{})
		var runs atomic.Int32
		h := newHost(Options{Root: "/", Logger: quiet()}, flagsOf(Options{Root: "/"}), []*source{
			{name: "good", updater: updating(func(ch chan<- prometheus.Metric) error {
				ch <- gauge("node_load1")
				return nil
			})},
			{name: "bad", updater: updating(func(ch chan<- prometheus.Metric) error {
				runs.Add(1)
				ch <- gauge("node_load5")
				<-hung
				return nil
			})},
		})
		for i := range mayHang + 3 {
			began := time.Now()
			families, err := h.Gather()
			if err != nil || len(families) != 1 || families[0].GetName() != "node_load1" {
				t.Errorf("families %v, err = %v", families, err)
			}
			want := patience
			if i >= mayHang {
				want = 0
			}
			if took := time.Since(began); took != want {
				t.Errorf("gather %d took %s, want %s", i, took, want)
			}
		}
		if runs.Load() != mayHang {
			t.Errorf("%d runs, want %d", runs.Load(), mayHang)
		}
		close(hung)
		synctest.Wait()
		if families, err := h.Gather(); err != nil || len(families) != 2 {
			t.Errorf("families %v, err = %v", families, err)
		}
	})
}
