package logmetrics_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/logmetrics"
)

// declared are the declarations of the tests.
const declared = `
http_requests_total{path,status} = count(msg="http_request")
http_request_duration_seconds{path} = histogram(latencyMs/1000, msg="http_request")
queue_depth = gauge(depth, msg="queue")
sent_bytes_total = sum(bytes*8, msg="http_request")
rate_limited_total = count(error="RATE_LIMITED")
loud_total = count("RESEND_API_KEY not set")
`

// nowhere is the end of a chain. It releases a batch at once.
type nowhere struct{ err error }

func (n nowhere) Append(context.Context, *lighter.Batch) error { return n.err }

// note is the Origin of a batch and records the state.
type note struct{ state *[]byte }

func (n note) SetState(state []byte) { *n.state = state }
func (note) Rewind()                 {}

// newSet returns a Set that counts lines.
func newSet(limit int) *logmetrics.Set {
	return logmetrics.New(logmetrics.Options{Limit: limit, Lines: true, Logger: slog.New(slog.DiscardHandler)})
}

// log is a log whose batches are acknowledged by calling acknowledge.
type log struct {
	t     testing.TB
	set   *logmetrics.Set
	chain *stage.Chain
	stage lighter.Logs // the one stage of the chain
	kept  []byte       // the state of the chain
	acked []byte       // the state of the stage, as of the position
}

// newLog begins a chain of a log of the container web of the service api. kept is the earlier state of its
// stage.
func newLog(t testing.TB, set *logmetrics.Set, id, declarations string, state []byte) *log {
	return newLogOf(t, set, id, declarations, state, nowhere{})
}

func newLogOf(t testing.TB, set *logmetrics.Set, id, declarations string, state []byte, end lighter.Logs) *log {
	l := &log{t: t, set: set, acked: state}
	maker := set.Maker(logmetrics.Log{
		ID: id, Declarations: parse(t, declarations), Count: true,
		Acknowledged: func() []byte { return l.acked },
	})
	begin := maker.New
	maker.New = func(of stage.Log, next lighter.Logs) lighter.Logs {
		of.State = state
		l.stage = begin(of, next)
		return l.stage
	}
	l.chain = stage.NewChain(end, stage.Log{Service: "api", Container: "web"}, nil, maker)
	return l
}

// read passes lines through the chain.
func (l *log) read(lines ...string) {
	l.t.Helper()
	b := batchOf(lines...)
	b.Origin = note{&l.kept}
	b.Begin(nil)
	defer b.Done()
	if err := l.chain.Append(l.t.Context(), b); err != nil {
		l.t.Fatal(err)
	}
}

// own returns the state of the stage.
func (l *log) own() []byte { return l.stage.(stage.Keeper).Keep(nil) }

func (l *log) acknowledge() { l.acked = l.own() }

func batchOf(lines ...string) *lighter.Batch {
	b := &lighter.Batch{}
	for i, line := range lines {
		b.Entries = append(b.Entries, lighter.Entry{Time: int64(i), Line: []byte(line)})
	}
	return b
}

// page returns the series of a page, keyed by name and labels.
func page(t testing.TB, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			at := func(name string, more ...string) string {
				return name + "{" + strings.Join(append(labels[:len(labels):len(labels)], more...), ",") + "}"
			}
			switch {
			case m.Histogram != nil:
				for _, b := range m.Histogram.Bucket {
					all[at(f.GetName()+"_bucket", fmt.Sprintf("le=\"%v\"", b.GetUpperBound()))] = float64(b.GetCumulativeCount())
				}
				all[at(f.GetName()+"_sum")] = m.Histogram.GetSampleSum()
				all[at(f.GetName()+"_count")] = float64(m.Histogram.GetSampleCount())
			default:
				all[at(f.GetName())] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
			}
		}
	}
	return all
}

// want checks some series of a set's page. NaN means that a series must be absent.
func want(t testing.TB, set *logmetrics.Set, series map[string]float64) {
	t.Helper()
	got := page(t, set.Gatherer())
	for name, value := range series {
		switch v, ok := got[name]; {
		case math.IsNaN(value) && ok:
			t.Errorf("%s = %v, want no such series", name, v)
		case !math.IsNaN(value) && (!ok || v != value):
			t.Errorf("%s = %v (%v), want %v", name, v, ok, value)
		}
	}
}

var none = math.NaN()

var equalNaN = cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
