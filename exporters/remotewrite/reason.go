package remotewrite

import "strings"

// reasonOf returns why samples were refused, from the error texts of Prometheus, Mimir, Cortex and Thanos.
// The order matters: the first match counts.
func reasonOf(text string) string {
	text = strings.ToLower(text)
	for _, r := range []struct{ reason, says string }{
		{"not_written", "a success that stored nothing"}, // package send's text for it
		{"out_of_order", "out of order"},
		{"out_of_order", "out-of-order"},
		{"duplicate", "duplicate sample"},
		{"duplicate", "duplicate-timestamp"},
		{"too_new", "too far in the future"},
		{"too_new", "far-in-future"},
		{"too_old", "too old"},
		{"too_old", "too-old"},
		{"too_old", "out of bounds"},
		{"limit", "limit"},
		{"limit", "max-"},
		{"limit", "exceed"},
		{"labels", "label"},
		{"labels", "metric name"},
	} {
		if strings.Contains(text, r.says) {
			return r.reason
		}
	}
	return "other"
}
