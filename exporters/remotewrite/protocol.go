package remotewrite

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/golang/snappy"

	"lighter/exporters/send"
)

// protocol is what package send needs to know of remote write 1.0.
type protocol struct {
	userAgent string
}

// Header returns the headers that the specification wants, and that no setting overrides.
func (p protocol) Header() http.Header {
	return http.Header{
		"User-Agent":                        {p.userAgent},
		"Content-Type":                      {"application/x-protobuf"},
		"Content-Encoding":                  {"snappy"},
		"X-Prometheus-Remote-Write-Version": {"0.1.0"},
	}
}

// Split halves a request between two of its fields.
func (protocol) Split(r send.Request) (a, b send.Request, err error) {
	fail := func(err error) (send.Request, send.Request, error) {
		return r, r, fmt.Errorf("split a request of %d samples: %w", r.Items, err)
	}
	body, err := snappy.Decode(nil, r.Body)
	if err != nil {
		return fail(err)
	}
	fields := 0
	for rest := body; len(rest) > 0; fields++ {
		n, err := skipField(rest)
		if err != nil {
			return fail(err)
		}
		rest = rest[n:]
	}
	if fields < 2 {
		return r, r, send.ErrOneItem
	}
	at, err := fieldEnd(body, fields/2)
	if err != nil {
		return fail(err)
	}
	first := min(fields/2, r.Items) // a field is a sample; metadata has fields and no items
	a = send.Request{Body: snappy.Encode(nil, body[:at]), Items: first}
	b = send.Request{Body: snappy.Encode(nil, body[at:]), Items: r.Items - first}
	return a, b, nil
}

// Refused counts the whole request: remote write 1.0 does not say which samples of a 400
// were stored, and what was must not be sent again.
func (protocol) Refused(r send.Request, text string) []send.Refusal {
	return []send.Refusal{{Reason: reasonOf(text), Items: r.Items}}
}

// reasonOf reads why from the words of Prometheus, Mimir, Cortex and Thanos. The order
// matters: a text that says more than one thing counts for the first.
func reasonOf(text string) string {
	text = strings.ToLower(text)
	for _, r := range []struct{ reason, says string }{
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
