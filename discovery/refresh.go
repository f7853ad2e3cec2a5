package discovery

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// retryAfter is how long Refresh waits after a failure, if it is to ask less often otherwise.
const retryAfter = 5 * time.Second

// Refresh is the Run of a Source that has to ask for its targets. It calls ask at once and then every so often,
// and update when ask has given targets that differ from the last ones, in whatever order. When ask reports
// false, because it knows nothing, the last targets stay.
func Refresh(ctx context.Context, every time.Duration, ask func(context.Context) ([]lighter.Target, bool), update func([]lighter.Target)) error {
	var last []lighter.Target
	known := false
	for {
		targets, ok := ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait := every
		if !ok {
			wait = min(every, retryAfter)
		} else {
			slices.SortStableFunc(targets, func(a, b lighter.Target) int { return labels.Compare(a.Labels, b.Labels) })
			if !known || !slices.EqualFunc(targets, last, func(a, b lighter.Target) bool { return labels.Equal(a.Labels, b.Labels) }) {
				known, last = true, targets
				update(targets)
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}
