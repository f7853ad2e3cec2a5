package gate

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Entry is one entry of a push that Loki acknowledged.
type Entry struct {
	Labels string // as labels.Labels prints them
	Nanos  int64
	Text   string
	At     time.Time // when Loki acknowledged it
}

// Pushes records pushes to Loki. The zero value is ready to use.
type Pushes struct {
	mu       sync.Mutex
	entries  []Entry
	statuses map[int]int
	errs     []error
}

// Record decodes a push and keeps its entries if Loki accepted them.
func (p *Pushes) Record(path string, body []byte, status int) {
	entries, err := decodePush(path, body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.statuses == nil {
		p.statuses = make(map[int]int)
	}
	p.statuses[status]++
	if err != nil {
		p.errs = append(p.errs, err)
	}
	if status != http.StatusNoContent {
		return
	}
	p.entries = append(p.entries, entries...)
}

// Entries returns the entries that Loki acknowledged, in the order of the acknowledgements.
func (p *Pushes) Entries() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries[:len(p.entries):len(p.entries)] // only ever appended to
}

// Acknowledged returns the number of Entries.
func (p *Pushes) Acknowledged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.entries)
}

// Statuses returns the number of responses by status.
func (p *Pushes) Statuses() map[int]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[int]int, len(p.statuses))
	for status, n := range p.statuses {
		out[status] = n
	}
	return out
}

// Errors returns the errors of requests: a body that is not a push, or labels that do not parse.
func (p *Pushes) Errors() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errs
}

func decodePush(path string, body []byte) ([]Entry, error) {
	if path != "/loki/api/v1/push" {
		return nil, fmt.Errorf("a request to %s", path)
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("push of %d bytes: %w", len(body), err)
	}
	var req push.PushRequest
	if err := req.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("push of %d bytes: %w", len(body), err)
	}
	now := time.Now()
	var out []Entry
	for _, s := range req.Streams {
		ls, err := parseLabels(s.Labels)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.Labels, err)
		}
		for _, e := range s.Entries {
			out = append(out, Entry{ls.String(), e.Timestamp.UnixNano(), e.Line, now})
		}
	}
	return out, nil
}

func parseLabels(s string) (labels.Labels, error) {
	return parser.NewParser(parser.Options{}).ParseMetric(s)
}
