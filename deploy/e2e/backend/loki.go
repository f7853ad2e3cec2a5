package backend

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lighter/deploy/e2e/tool"
)

//go:embed loki.yaml
var lokiConfig string

// Loki is a running Loki in one process, with its default limits except for those in loki.yaml.
type Loki struct{ *process }

// Limits of a Loki, as in the section limits_config of its file.
const (
	// WithoutShards are Loki's own limits, except that a stream above 1.5 MB/s is not split into several:
	// lines that arrive twice would then be stored twice.
	WithoutShards = "  shard_streams: {enabled: false}\n"
	// SlowStreams limits the rate of each stream.
	SlowStreams = "  per_stream_rate_limit: 64KB\n  per_stream_rate_limit_burst: 256KB\n"
)

// StartLoki builds and starts Loki with its data in dir. It may not be ready yet.
func StartLoki(ctx context.Context, dir, limits string) (*Loki, error) {
	binary, err := tool.Tool{
		Name: "loki", Module: "github.com/grafana/loki/v3",
		Package: "github.com/grafana/loki/v3/cmd/loki", Tags: "noasm",
	}.Build(ctx)
	if err != nil {
		return nil, fmt.Errorf("build Loki: %w", err)
	}
	addrs, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	port := func(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }
	config := strings.NewReplacer("{dir}", dir, "{http}", port(addrs[0]), "{grpc}", port(addrs[1]), "{limits}", limits).Replace(lokiConfig)
	file := filepath.Join(dir, "loki.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := start(dir, "http://"+addrs[0], binary, "-config.file="+file)
	if err != nil {
		return nil, fmt.Errorf("start Loki: %w", err)
	}
	return &Loki{p}, nil
}

// Ready waits until Loki accepts writes and answers queries.
func (l *Loki) Ready(ctx context.Context) error { return l.ready(ctx, "/ready") }

// Entry is an entry of a query's result.
type Entry struct {
	Nanos int64
	Text  string
}

// Stream is the entries of one label set, in Loki's order.
type Stream struct {
	Labels  map[string]string
	Entries []Entry
}

// pageSize is the largest page that Loki returns by default.
const pageSize = 5000

// Query returns the complete result of a log query from since until now, by streams. It reads page by
// page, forward in time.
func (l *Loki) Query(ctx context.Context, query string, since time.Time) ([]Stream, error) {
	var all []Stream
	from, until := since.UnixNano(), time.Now().Add(time.Minute).UnixNano()
	for {
		page, err := l.page(ctx, query, from, until)
		if err != nil {
			return nil, err
		}
		n, last := 0, int64(0)
		for _, s := range page {
			n += len(s.Entries)
			for _, e := range s.Entries {
				last = max(last, e.Nanos)
			}
		}
		full := n >= pageSize
		for _, s := range page {
			if full { // the last nanosecond may continue on the next page: leave it to that page
				s.Entries = slices.DeleteFunc(s.Entries, func(e Entry) bool { return e.Nanos == last })
			}
			all = merge(all, s)
		}
		if !full {
			return all, nil
		}
		if last == from {
			return nil, fmt.Errorf("query %s: more than %d entries in one nanosecond", query, pageSize)
		}
		from = last
	}
}

func merge(all []Stream, s Stream) []Stream {
	if len(s.Entries) == 0 {
		return all
	}
	for i := range all {
		if fmt.Sprint(all[i].Labels) == fmt.Sprint(s.Labels) {
			all[i].Entries = append(all[i].Entries, s.Entries...)
			return all
		}
	}
	return append(all, s)
}

// page queries the entries in [from, until). Their labels are those of the stream: labels that the query or
// Loki adds to an entry (detected_level) are separate and are left out.
func (l *Loki) page(ctx context.Context, query string, from, until int64) ([]Stream, error) {
	v := url.Values{
		"query": {query}, "direction": {"forward"}, "limit": {strconv.Itoa(pageSize)},
		"start": {strconv.FormatInt(from, 10)}, "end": {strconv.FormatInt(until, 10)},
	}
	body, err := get(ctx, l.URL+"/loki/api/v1/query_range?"+v.Encode(), http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}})
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Stream map[string]string
				Values [][]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	var out []Stream
	for _, r := range answer.Data.Result {
		s := Stream{Labels: r.Stream}
		for _, v := range r.Values {
			var nanos, text string
			if len(v) < 2 || json.Unmarshal(v[0], &nanos) != nil || json.Unmarshal(v[1], &text) != nil {
				return nil, fmt.Errorf("query %s: an entry that is not [time, line]: %s", query, v)
			}
			n, err := strconv.ParseInt(nanos, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("query %s: %w", query, err)
			}
			s.Entries = append(s.Entries, Entry{n, text})
		}
		out = append(out, s)
	}
	return out, nil
}
