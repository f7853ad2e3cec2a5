package discovery

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// retryAfter is the longest time that Refresh waits after a failure.
const retryAfter = 5 * time.Second

// Refresh is the Run of a Source that polls for its targets. It calls ask at once and then at each interval,
// and calls update if the targets differ from the last ones in more than their order. If ask returns false,
// because it knows no targets, the last ones stay.
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
