package agent

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// echoedBytes is the most of a line that is echoed.
const echoedBytes = 16 << 10

// echo is an endpoint that writes each entry to the agent's own log. It releases a batch at once.
type echo struct{ logger *slog.Logger }

// Append implements lighter.Logs.
func (e echo) Append(ctx context.Context, b *lighter.Batch) error {
	for i := range b.Entries {
		entry := &b.Entries[i]
		line, cut := entry.Line, ""
		if len(line) > echoedBytes {
			line, cut = line[:echoedBytes], "…"
		}
		shown := []any{
			"entry", strings.ToValidUTF8(string(line), "�") + cut,
			"entry_timestamp", time.Unix(0, entry.Time).UTC(),
			"labels", sentLabels(labels.NewBuilder(b.Streams[entry.Stream].Labels)).String(),
		}
		for _, f := range b.Fields(entry) {
			shown = append(shown, slog.String("metadata_"+f.Name, string(f.Value)))
		}
		e.logger.InfoContext(ctx, "a log entry came", shown...)
	}
	return nil
}
