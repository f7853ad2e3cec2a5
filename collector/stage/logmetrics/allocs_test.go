package logmetrics_test

import (
	"runtime/debug"
	"slices"
	"testing"

	"lighter/collector/stage"
)

// A line with known series allocates nothing, and the state of a batch allocates only its bytes.
func TestAllocs(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	l := newLog(t, newSet(500), "1", declared, nil)
	b := batchOf(`{"msg":"http_request","level":"info","path":"/v1/a\/b","status":200,"latencyMs":12.5,"bytes":100}`,
		`{"level":"info","msg":"queue","depth":17}`, `level=info msg=other`, "RESEND_API_KEY not set", "plain text")
	for range 3 {
		b.Entries = append(b.Entries, b.Entries...)
	}
	var state []byte
	run := func() {
		b.Begin(nil)
		for i := range b.Entries {
			b.Entries[i].Fields = 0
		}
		if err := l.stage.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		state = l.stage.(stage.Keeper).Keep(state[:0])
		b.Done()
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations for %d lines, want none", n, len(b.Entries))
	}
}
