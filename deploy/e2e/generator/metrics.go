package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// metrics returns the current page: a counter, a gauge, a histogram, and as many numbered gauges as needed
// for the given number of series.
func (s *said) metrics(series int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	n := 0
	sample := func(name, labels string, value any) {
		fmt.Fprintf(&b, "%s%s %v\n", name, labels, value)
		n++
	}

	b.WriteString("# HELP http_requests_total Requests served, one for each line written.\n# TYPE http_requests_total counter\n")
	for _, r := range sorted(s.requests) {
		sample("http_requests_total", fmt.Sprintf(`{method=%q,status_code=%q}`, r.method, r.status), s.requests[r])
	}
	b.WriteString("# HELP generator_last_line Number of the last line written.\n# TYPE generator_last_line gauge\n")
	sample("generator_last_line", "", s.count.Last)

	b.WriteString("# HELP http_request_duration_seconds How long requests took.\n# TYPE http_request_duration_seconds histogram\n")
	total := 0
	for i, le := range bounds {
		total += s.buckets[i]
		sample("http_request_duration_seconds_bucket", fmt.Sprintf(`{le="%v"}`, le), total)
	}
	total += s.buckets[len(bounds)]
	sample("http_request_duration_seconds_bucket", `{le="+Inf"}`, total)
	sample("http_request_duration_seconds_sum", "", s.sum)
	sample("http_request_duration_seconds_count", "", total)

	if n < series {
		b.WriteString("# HELP generator_series One of many series.\n# TYPE generator_series gauge\n")
	}
	for i := 1; n < series; i++ {
		sample("generator_series", fmt.Sprintf(`{number="%04d"}`, i), i)
	}
	return b.String()
}

// sorted returns the keys in the order in which they are shown.
func sorted(m map[request]int) []request {
	keys := make([]request, 0, len(m))
	for r := range m {
		keys = append(keys, r)
	}
	slices.SortFunc(keys, func(a, b request) int {
		return cmp.Or(cmp.Compare(a.method, b.method), cmp.Compare(a.status, b.status))
	})
	return keys
}
