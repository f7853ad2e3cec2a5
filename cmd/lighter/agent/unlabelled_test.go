package agent

import (
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
)

// refuser is a lighter.Logs that refuses some entries of each batch for good.
type refuser int

func (r refuser) Append(_ context.Context, b *lighter.Batch) error {
	b.Refuse(int(r))
	return nil
}

// Entries that are dropped for want of labels do not count as delivered.
func TestEntriesWithoutLabelsAreNotDelivered(t *testing.T) {
	for name, tc := range map[string]struct {
		entries string // "l" has a label, "-" has none
		refused int
		want    int64
	}{
		"all have labels":           {"lll", 0, 3},
		"most have none":            {"-l--", 0, 1},
		"none has":                  {"---", 0, 0},
		"the backend refuses, too":  {"l-ll-", 1, 2},
		"the backend refuses both":  {"--l-l", 2, 0},
		"the backend refuses alone": {"lll", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			end := &labelled{next: refuser(tc.refused), lines: prometheus.NewCounter(prometheus.CounterOpts{Name: "lines"}), logger: slog.New(slog.DiscardHandler)}
			logs := &countedLogs{chain: stage.NewChain(end, stage.Log{}, nil)}
			b := &lighter.Batch{Streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("a", "b")), lighter.NewStream(labels.FromStrings("__a", "b"))}}
			for _, kind := range tc.entries {
				e := lighter.Entry{Time: 1, Line: []byte("x")}
				if kind == '-' {
					e.Stream = 1
				}
				b.Entries = append(b.Entries, e)
			}
			b.Begin(nil)
			if err := logs.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Done()
			if st := logs.status("listening"); st.Read != int64(len(tc.entries)) || st.Delivered != tc.want {
				t.Errorf("%d read and %d delivered, want %d and %d", st.Read, st.Delivered, len(tc.entries), tc.want)
			}
		})
	}
}
