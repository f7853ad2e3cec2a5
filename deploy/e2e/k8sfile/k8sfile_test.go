package k8sfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/jsonfile"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctr.log")
	const log = `2026-01-02T03:04:05.100000000+00:00 stdout F one
2026-01-02T03:04:05.200000000+00:00 stdout P a long
2026-01-02T03:04:05.250000000+00:00 stderr F beside it
2026-01-02T03:04:06.300000000+00:00 stdout F  line
2026-01-02T03:04:06.400000000+00:00 stdout F 
2026-01-02T03:04:06.500000000+00:00 stdout P unfinished
2026-01-02T03:04:09.600000000+00:00 stdout F next run
2026-01-02T03:04:09.700000000+00:00 stdout F not yet`
	if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	second := func(n int) int64 { return time.Date(2026, 1, 2, 3, 4, n, 0, time.UTC).UnixNano() }
	record := func(text string) jsonfile.Record {
		at := strings.Index(log, text)
		offset := strings.LastIndex(log[:at], "\n") + 1
		return jsonfile.Record{Offset: int64(offset), Header: at - offset}
	}
	want := []jsonfile.Line{
		{Nanos: second(5), Stream: "stdout", Text: "one", Record: record("one")},
		{Nanos: second(5), Stream: "stdout", Text: "a long line"},
		{Nanos: second(5), Stream: "stderr", Text: "beside it", Record: record("beside it")},
		{Nanos: second(6), Stream: "stdout", Text: "", Record: record("\n2026-01-02T03:04:06.5")},
		{Nanos: second(6), Stream: "stdout", Text: "unfinished", Record: record("unfinished")},
		{Nanos: second(9), Stream: "stdout", Text: "next run", Record: record("next run")},
	}
	got, err := Read(path, []time.Time{time.Unix(0, second(1)), time.Unix(0, second(8))})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %v, %v\nwant %v", got, err, want)
	}
}
