package push

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/alloy/syntax"
	"github.com/prometheus/client_golang/prometheus"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/process"
)

// Stages that join lines hold back the last entry until the next one begins, or none has come for some time. A
// sender that waits for an answer before it sends more is answered without that.
func TestStagesThatHold(t *testing.T) {
	for name, tc := range map[string]struct {
		stages   string
		requests [][]string
		want     []string
	}{
		"multiline": {
			stages:   `stage.multiline { firstline = "^[^ ]" ` + "\n" + ` max_wait_time = "1h" }`,
			requests: [][]string{{"a", " at a"}, {"b", " at b", "c", " at c"}, {" cut", "d"}},
			want:     []string{"a\n at a", "b\n at b", "c\n at c", " cut", "d"},
		},
		"cri": {
			stages:   `stage.cri { }`,
			requests: [][]string{{"2026-01-02T03:04:05Z stdout P a "}, {"2026-01-02T03:04:05Z stdout F b"}},
			want:     []string{"a ", "b"},
		},
		"multiline after cri": {
			stages:   "stage.cri { }\n" + `stage.multiline { firstline = "^[^ ]" ` + "\n" + ` max_wait_time = "1h" }`,
			requests: [][]string{{"2026-01-02T03:04:05Z stdout F a", "2026-01-02T03:04:05Z stdout P  at "}, {"2026-01-02T03:04:05Z stdout F b"}},
			want:     []string{"a\n at ", "b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var a process.Arguments
			if err := syntax.Unmarshal([]byte(tc.stages), &a); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				pipeline, err := process.New(a, process.Options{Name: "loki.process.test", Metrics: process.NewShared(prometheus.NewRegistry())})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(pipeline.Close)
				holding, other := &backend{}, &backend{}
				chain := stage.NewChain(holding, stage.Log{}, nil, pipeline.Maker(process.Way{}))
				t.Cleanup(chain.Drop)
				s := newServer(Options{Logs: []lighter.Logs{chain, other}})
				delivering(t, s)
				for i, lines := range tc.requests {
					var values []string
					for _, line := range lines {
						values = append(values, fmt.Sprintf(`["1",%q]`, line))
					}
					start := time.Now()
					body := `{"streams":[{"stream":{"a":"b"},"values":[` + strings.Join(values, ",") + `]}]}`
					if w := send(s, lokiPush, []byte(body), jsonType); w.Code != 204 || time.Since(start) > 0 {
						t.Fatalf("request %d: status %d after %s, want 204 at once", i, w.Code, time.Since(start))
					}
				}
				var got []string
				for _, line := range holding.got() {
					_, line, _ = strings.Cut(line, "} ")
					got = append(got, line)
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("entries %q, want %q", got, tc.want)
				}
			})
		})
	}
}
