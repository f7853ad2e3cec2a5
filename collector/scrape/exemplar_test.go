package scrape_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExemplars(t *testing.T) {
	const openMetrics = "application/openmetrics-text; version=1.0.0"
	page := func(exemplars ...string) string {
		var b bytes.Buffer
		b.WriteString("# TYPE a counter\n")
		for i, x := range exemplars {
			fmt.Fprintf(&b, "a_total{i=\"%d\"} 1 # %s\n", i, x)
		}
		return b.String() + "# EOF\n"
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() // where a fake clock starts
	at := func(ms int64) string { return fmt.Sprintf("%.3f", float64(now+ms)/1000) }
	for name, tc := range map[string]struct {
		bodies []string
		want   []exemplarSeen
	}{
		"with a time":                   {[]string{page(`{trace_id="x"} 2 ` + at(-500))}, []exemplarSeen{{"x", 2, now - 500}}},
		"shown twice, sent once":        {[]string{page(`{trace_id="x"} 2 ` + at(-500)), page(`{trace_id="x"} 2 ` + at(-500))}, []exemplarSeen{{"x", 2, now - 500}}},
		"without a time, likewise":      {[]string{page(`{trace_id="x"} 2`), page(`{trace_id="x"} 2`), page(`{trace_id="y"} 2`)}, []exemplarSeen{{"x", 2, -1}, {"y", 2, -1}}},
		"an older one is left out":      {[]string{page(`{trace_id="x"} 2 ` + at(-500)), page(`{trace_id="y"} 2 ` + at(-600))}, []exemplarSeen{{"x", 2, now - 500}}},
		"at one time, by value":         {[]string{page(`{trace_id="x"} 2 ` + at(-500)), page(`{trace_id="y"} 3 ` + at(-500)), page(`{trace_id="x"} 2 ` + at(-500))}, []exemplarSeen{{"x", 2, now - 500}, {"y", 3, now - 500}}},
		"of two series":                 {[]string{page(`{trace_id="x"} 2 `+at(-500), `{trace_id="y"} 2 `+at(-900))}, []exemplarSeen{{"x", 2, now - 500}, {"y", 2, now - 900}}},
		"128 characters":                {[]string{page(`{trace_id="` + strings.Repeat("ä", 120) + `"} 2 ` + at(-500))}, []exemplarSeen{{strings.Repeat("ä", 120), 2, now - 500}}},
		"more than that":                {[]string{page(`{trace_id="` + strings.Repeat("ä", 121) + `"} 2 ` + at(-500))}, nil},
		"no labels":                     {[]string{page(`{} 2 ` + at(-500))}, []exemplarSeen{{"", 2, now - 500}}},
		"an empty label":                {[]string{page(`{trace_id=""} 2 ` + at(-500))}, nil},
		"a label twice":                 {[]string{page(`{trace_id="x",trace_id="y"} 2 ` + at(-500))}, nil},
		"far ahead":                     {[]string{page(`{trace_id="x"} 2 ` + at(20*60_000))}, nil},
		"of time zero":                  {[]string{page(`{trace_id="x"} 2 0`)}, nil},
		"the sample comes all the same": {[]string{page(`{trace_id="` + strings.Repeat("x", 200) + `"} 2`)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				l := mustNew(t, target(), cfg, pages(openMetrics, tc.bodies...))
				stop := l.run(t)
				time.Sleep(5*time.Second + time.Duration(len(tc.bodies)-1)*cfg.Interval)
				stop(nil)
				samples := strip(l.sink.take(), false)
				got := l.sink.exemplars
				for i := range got {
					if i < len(tc.want) && tc.want[i].Time == -1 { // the time of its sample
						if got[i].Time != samples[i*2].Time && got[i].Time != samples[i].Time {
							t.Errorf("exemplar %d is at %d, its sample at %d", i, got[i].Time, samples[i].Time)
						}
						got[i].Time = -1
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("exemplars (-want +got):\n%s", diff)
				}
				if len(samples) == 0 {
					t.Error("there is no sample")
				}
			})
		})
	}
}
