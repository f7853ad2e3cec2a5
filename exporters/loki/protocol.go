package loki

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"lighter/exporters/send"
)

// protocol is Loki's push API, version 1, in protobuf and snappy's block format.
type protocol struct{ userAgent string }

func (p protocol) Header() http.Header {
	return http.Header{
		"Content-Type":     {"application/x-protobuf"},
		"Content-Encoding": {"snappy"},
		"User-Agent":       {p.userAgent},
	}
}

// Split halves a request by entries, each stream's in its order: all of the first half
// are sent before any of the second.
func (protocol) Split(r send.Request) (send.Request, send.Request, error) {
	if r.Items < 2 {
		return send.Request{}, send.Request{}, send.ErrOneItem
	}
	return splitAt(r, r.Items/2)
}

// splitAt returns the first n entries of a request as one, and the others.
func splitAt(r send.Request, n int) (first, rest send.Request, err error) {
	req, err := decode(r.Body)
	if err != nil {
		return send.Request{}, send.Request{}, err
	}
	var a, b push.PushRequest
	for _, s := range req.Streams {
		here := min(n, len(s.Entries))
		n -= here
		if here > 0 {
			a.Streams = append(a.Streams, push.Stream{Labels: s.Labels, Entries: s.Entries[:here]})
		}
		if here < len(s.Entries) {
			b.Streams = append(b.Streams, push.Stream{Labels: s.Labels, Entries: s.Entries[here:]})
		}
	}
	if first, err = request(&a); err != nil {
		return send.Request{}, send.Request{}, err
	}
	rest, err = request(&b)
	return first, rest, err
}

func request(p *push.PushRequest) (send.Request, error) {
	b, err := proto.Marshal(p)
	if err != nil {
		return send.Request{}, fmt.Errorf("encode a part of a push request: %w", err)
	}
	n := 0
	for _, s := range p.Streams {
		n += len(s.Entries)
	}
	return send.Request{Body: snappy.Encode(nil, b), Items: n}, nil
}

func decode(body []byte) (*push.PushRequest, error) {
	b, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("decompress a push request: %w", err)
	}
	var req push.PushRequest
	if err := proto.Unmarshal(b, &req); err != nil {
		return nil, fmt.Errorf("decode a push request: %w", err)
	}
	return &req, nil
}

// What Loki's 400 says (grafana/loki, pkg/validation/validate.go, pkg/util/errors.go and
// pkg/ingester/stream.go): "N errors like: …; M errors like: …" from its validation, and
// "total ignored: N out of M for stream: …" from its ingesters.
var (
	grouped = regexp.MustCompile(`(\d+) errors? like: `)
	ignored = regexp.MustCompile(`total ignored: (\d+) out of \d+`)
	quoted  = regexp.MustCompile(`stream '(\{.*?\})'`)
)

// reasons are found in Loki's words, the first that fits.
var reasons = []struct {
	words, reason string
	stream        bool // it is the stream that is refused, with all its entries in the request
}{
	{"timestamp too old", "too_old", false},
	{"too far behind", "too_far_behind", false},
	{"out of order", "out_of_order", false},
	{"timestamp too new", "too_new", false},
	{"max entry size", "line_too_long", false},
	{"label name too long", "label_name_too_long", true},
	{"label value too long", "label_value_too_long", true},
	{"duplicate label name", "duplicate_label", true},
	{"label names; limit", "too_many_labels", true},
	{"at least one label pair", "no_labels", true},
	{"parsing labels", "invalid_labels", true},
	{"missing required labels", "missing_labels", true},
	{"structured metadata", "structured_metadata", false},
	{"ingestion blocked", "blocked", true},
}

// Refused counts what a 400 refuses. Loki has stored the rest. An answer that says
// nothing of single entries refuses the whole request.
func (protocol) Refused(r send.Request, text string) []send.Refusal {
	var found []send.Refusal
	if at := grouped.FindAllStringSubmatchIndex(text, -1); len(at) > 0 {
		for i, m := range at {
			end := len(text)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			n, _ := strconv.Atoi(text[m[2]:m[3]])
			found = append(found, refusal(r, text[m[1]:end], n))
		}
		return found
	}
	for _, m := range ignored.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		reason, _ := reasonOf(text)
		found = append(found, send.Refusal{Reason: reason, Items: n})
	}
	if found == nil {
		reason, _ := reasonOf(text)
		found = []send.Refusal{{Reason: reason, Items: r.Items}}
	}
	return found
}

func refusal(r send.Request, words string, n int) send.Refusal {
	reason, wholeStream := reasonOf(words)
	if wholeStream {
		n *= entriesOf(r, words)
	}
	return send.Refusal{Reason: reason, Items: n}
}

func reasonOf(words string) (reason string, wholeStream bool) {
	for _, r := range reasons {
		if strings.Contains(words, r.words) {
			return r.reason, r.stream
		}
	}
	return "rejected", false
}

// entriesOf returns how many entries the stream has in the request that words name; 1 if
// that cannot be told.
func entriesOf(r send.Request, words string) int {
	m := quoted.FindStringSubmatch(words)
	req, err := decode(r.Body)
	if m == nil || err != nil {
		return 1
	}
	for _, s := range req.Streams {
		if s.Labels == m[1] {
			return len(s.Entries)
		}
	}
	return 1
}
