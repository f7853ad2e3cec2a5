package scrape_test

import (
	"fmt"
	"strings"
)

// page makes a text page of n series that look like an application's; the values depend on
// the round.
func page(n, round int) string {
	var b strings.Builder
	b.WriteString("# HELP http_requests_total Requests by what was asked and answered.\n# TYPE http_requests_total counter\n")
	for i := range n {
		fmt.Fprintf(&b, "http_requests_total{method=\"GET\",route=\"/api/v1/things/%d\",status=\"%d\",region=\"eu-central-1\"} %d\n", i, 200+i%5, i*7+round)
	}
	return b.String()
}
