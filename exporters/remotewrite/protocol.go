package remotewrite

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"lighter/exporters/send"
)

// protocol implements send.Protocol and send.ResponseReader for remote write. A request's Header determines
// its version.
type protocol struct {
	userAgent string
	v1, v2    http.Header // headers of requests of each version; immutable
	written   *prometheus.CounterVec
	endpoint  string

	knowsV2 atomic.Bool // the endpoint has responded as only a receiver of 2.0 does
}

// The headers in which a receiver of 2.0 reports what it has written, by kind.
const (
	writtenSamples    = "X-Prometheus-Remote-Write-Samples-Written"
	writtenHistograms = "X-Prometheus-Remote-Write-Histograms-Written"
	writtenExemplars  = "X-Prometheus-Remote-Write-Exemplars-Written"
)

func newProtocol(endpoint, userAgent string, written *prometheus.CounterVec) *protocol {
	version := func(number, contentType string) http.Header {
		return http.Header{"Content-Type": {contentType}, "X-Prometheus-Remote-Write-Version": {number}}
	}
	return &protocol{
		userAgent: userAgent,
		v1:        version("0.1.0", "application/x-protobuf"),
		v2:        version("2.0.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
		written:   written,
		endpoint:  endpoint,
	}
}

func isV2(r send.Request) bool { return r.Header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0" }

// Header returns the headers that both versions require. No setting overrides these and the headers of a
// request.
func (p *protocol) Header() http.Header {
	return http.Header{"User-Agent": {p.userAgent}, "Content-Encoding": {"snappy"}}
}

// unknownVersionError reports that the endpoint does not support remote write 2.0.
type unknownVersionError struct{ sign string }

func (e *unknownVersionError) Error() string {
	return "the endpoint does not know remote write 2.0: it answered " + e.sign
}

// ReadResponse sums up what a receiver of 2.0 reports as written. A receiver that does not support 2.0
// responds with 415; or with success but without a report, because it decoded the request as 1.0 and found
// nothing; or, if it is older than the specification of 415, with 400.
func (p *protocol) ReadResponse(r send.Request, status int, h http.Header) (stored int, err error) {
	if !isV2(r) {
		return -1, nil
	}
	says, itemsSaid := false, false
	for _, w := range []struct {
		header, kind string
		items        bool
	}{{writtenSamples, "samples", true}, {writtenHistograms, "histograms", true}, {writtenExemplars, "exemplars", false}} {
		n, err := strconv.Atoi(strings.TrimSpace(h.Get(w.header)))
		if err != nil || n < 0 {
			continue
		}
		says = true
		p.written.WithLabelValues(p.endpoint, w.kind).Add(float64(n))
		if w.items {
			itemsSaid = true
			stored += min(n, r.Items)
		}
	}
	switch {
	case status == http.StatusUnsupportedMediaType:
		return -1, &unknownVersionError{"415"}
	case says:
		p.knowsV2.Store(true)
	case status >= 200 && status < 300:
		return -1, &unknownVersionError{fmt.Sprintf("%d without saying what it has written", status)}
	case status == http.StatusBadRequest && !p.knowsV2.Load():
		return -1, &unknownVersionError{"400 without saying what it has written"}
	}
	if !itemsSaid {
		return -1, nil
	}
	return stored, nil
}

// Split divides a request in half between two series.
func (p *protocol) Split(r send.Request) (a, b send.Request, err error) {
	fail := func(err error) (send.Request, send.Request, error) {
		return r, r, fmt.Errorf("split a request of %d samples: %w", r.Items, err)
	}
	body, err := snappy.Decode(nil, r.Body)
	if err != nil {
		return fail(err)
	}
	split := splitV1
	if isV2(r) {
		split = splitV2
	}
	first, second, fields, err := split(body)
	if err != nil {
		return fail(err)
	}
	if fields < 2 {
		return r, r, send.ErrOneItem
	}
	items := min(fields/2, r.Items) // a field counts as a sample; metadata has fields and no items
	a = send.Request{Body: snappy.Encode(nil, first), Items: items, Header: r.Header}
	b = send.Request{Body: snappy.Encode(nil, second), Items: r.Items - items, Header: r.Header}
	return a, b, nil
}

// splitV1 returns the first half of a WriteRequest's fields, the other half, and the number of fields.
func splitV1(body []byte) (first, second []byte, fields int, err error) {
	for rest := body; len(rest) > 0; fields++ {
		if _, rest, err = nextField(rest); err != nil {
			return nil, nil, 0, err
		}
	}
	at, err := fieldEnd(body, fields/2)
	return body[:at], body[at:], fields, err
}

// splitV2 does the same with the series of a Request. Each half gets the symbols that it needs.
func splitV2(body []byte) (first, second []byte, fields int, err error) {
	var whole writev2.Request
	if err := whole.Unmarshal(body); err != nil {
		return nil, nil, 0, err
	}
	fields = len(whole.Timeseries)
	if first, err = resymbolize(whole.Symbols, whole.Timeseries[:fields/2]).Marshal(); err != nil {
		return nil, nil, 0, err
	}
	if second, err = resymbolize(whole.Symbols, whole.Timeseries[fields/2:]).Marshal(); err != nil {
		return nil, nil, 0, err
	}
	return first, second, fields, nil
}

func resymbolize(symbols []string, series []writev2.TimeSeries) *writev2.Request {
	table := writev2.NewSymbolTable()
	ref := func(old *uint32) {
		if int(*old) < len(symbols) {
			*old = table.Symbolize(symbols[*old])
		}
	}
	for i := range series {
		for j := range series[i].LabelsRefs {
			ref(&series[i].LabelsRefs[j])
		}
		for _, e := range series[i].Exemplars {
			for j := range e.LabelsRefs {
				ref(&e.LabelsRefs[j])
			}
		}
		ref(&series[i].Metadata.HelpRef)
		ref(&series[i].Metadata.UnitRef)
	}
	return &writev2.Request{Symbols: table.Symbols(), Timeseries: series}
}

// Refused returns the whole request, or the part that the endpoint does not report as stored: a response
// does not tell which samples those are, and stored samples must not be sent again.
func (p *protocol) Refused(r send.Request, text string) []send.Refusal {
	return []send.Refusal{{Reason: reasonOf(text), Items: r.Items}}
}
