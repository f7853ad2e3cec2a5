package filelog_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/filelog"
)

// reads is a context that ends after a number of calls, like one that ends while a file is read.
type reads struct {
	context.Context
	left atomic.Int64
}

func (r *reads) Err() error {
	if r.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// A terabyte log without the line to continue from is read completely, unless the agent stops.
func TestAStopWhileAHugeLogIsSearched(t *testing.T) {
	b := newBench(t)
	b.say("before")
	if err := os.Truncate(b.path, 1<<40); err != nil {
		t.Skipf("this file system has no sparse files of a terabyte: %v", err)
	}
	b.openPositions([]byte(`{"id":"` + b.id + `","t":1,"n":1}` + "\n"))
	ctx := &reads{Context: t.Context()}
	ctx.left.Store(20)
	c := &lighter.Container{ID: b.id, Name: "api", Running: true, LogDriver: "json-file"}
	stream := lighter.NewStream(labels.FromStrings("stream", "out"))
	if err := filelog.New(c, stream, stream, b.options).Run(ctx); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if b.log.String() != "" {
		t.Errorf("a stop is no failure: %s", b.log)
	}
}
