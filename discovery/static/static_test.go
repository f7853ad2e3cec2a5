package static_test

import (
	"context"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/discovery/static"
)

func TestRun(t *testing.T) {
	want := []labels.Labels{labels.FromStrings("__address__", "api:3000"), labels.FromStrings("__address__", "worker:9100", "job", "worker")}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := static.New(want).Run(ctx, func(targets []lighter.Target) {
		calls++
		if len(targets) != len(want) {
			t.Fatalf("%d targets, want %d", len(targets), len(want))
		}
		for i, got := range targets {
			if !labels.Equal(got.Labels, want[i]) || got.Container != nil {
				t.Errorf("target %d = %+v, want %s", i, got, want[i])
			}
		}
		cancel()
	})
	if err != nil || calls != 1 {
		t.Errorf("err = %v after %d calls, want nil after one", err, calls)
	}
}
