package receiver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"
)

// LogEntry is a time and a line, with its structured metadata.
type LogEntry struct {
	Time     int64 // Unix nanoseconds
	Line     string
	Metadata string // such as trace_id="1234", span_id="5"; may be empty
}

// LogStream is a label set and its entries in order of arrival.
type LogStream struct {
	Labels  labels.Labels
	Entries []LogEntry
}

// PushStats counts requests of Loki's push API.
type PushStats struct {
	Requests   int // accepted, without those that a hook handled
	Lines      int // stored
	Repeated   int // same time, line and metadata as a stored entry of the stream: sent twice, stored once
	OutOfOrder int // before the last entry of their stream; stored nevertheless, as Loki does
}

// DecodePush decodes the body of a push request.
func DecodePush(body []byte) (*push.PushRequest, error) {
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	if n > maxDecodedBytes {
		return nil, fmt.Errorf("snappy: %d bytes uncompressed, at most %d are taken", n, maxDecodedBytes)
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	var req push.PushRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		return nil, fmt.Errorf("protobuf: %w", err)
	}
	return &req, nil
}

// Streams returns copies of the log streams that match all matchers, sorted by labels.
func (s *Server) Streams(matchers ...*labels.Matcher) []LogStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []LogStream
	for _, one := range s.logs.streams {
		if matchAll(one.labels, matchers) {
			found = append(found, LogStream{one.labels, one.entries()})
		}
	}
	slices.SortFunc(found, func(a, b LogStream) int { return labels.Compare(a.Labels, b.Labels) })
	return found
}

// PushStats returns the counts so far.
func (s *Server) PushStats() PushStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs.stats
}

// handleLoki takes a push request completely, or refuses it completely if it violates the protocol.
func (s *Server) handleLoki(w http.ResponseWriter, r *http.Request) {
	refuse := func(err error) {
		s.violated(err)
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	if e, t := r.Header.Get("Content-Encoding"), r.Header.Get("Content-Type"); e != "snappy" || t != "application/x-protobuf" {
		refuse(fmt.Errorf("Content-Encoding %q and Content-Type %q, snappy and application/x-protobuf are expected", e, t))
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	req, err := DecodePush(body)
	if err != nil {
		refuse(err)
		return
	}
	sets := make([]labels.Labels, len(req.Streams))
	for i := range req.Streams {
		if sets[i], err = checkStream(&req.Streams[i]); err != nil {
			refuse(fmt.Errorf("stream %d of %d: %w", i+1, len(req.Streams), err))
			return
		}
	}
	s.mu.Lock()
	refused := s.takeOutLimited(req, &sets)
	s.logs.add(req, sets)
	s.mu.Unlock()
	if refused != "" {
		http.Error(w, refused, http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// takeOutLimited removes the streams from a request that Limit makes the Server refuse. It returns Loki's
// error text if the last one is among them, and "" otherwise. The caller holds s.mu.
func (s *Server) takeOutLimited(req *push.PushRequest, sets *[]labels.Labels) (refused string) {
	if s.limited == nil {
		return ""
	}
	var streams []push.Stream
	var kept []labels.Labels
	for i, one := range req.Streams {
		if !s.limited((*sets)[i]) {
			streams, kept, refused = append(streams, one), append(kept, (*sets)[i]), ""
			continue
		}
		size := 0
		for _, e := range one.Entries {
			size += len(e.Line)
		}
		refused = fmt.Sprintf("entry with timestamp %s ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '%s' totaling %dB, "+
			"consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased',\nuser 'fake', total ignored: %d out of %d for stream: %s",
			one.Entries[0].Timestamp, one.Labels, size, len(one.Entries), len(one.Entries), one.Labels)
	}
	req.Streams, *sets = streams, kept
	return refused
}

// maxLineBytes is Loki's own default for max_line_size.
const maxLineBytes = 256 << 10

func checkStream(s *push.Stream) (labels.Labels, error) {
	set, err := parseLabels(s.Labels)
	switch {
	case err != nil:
		return set, fmt.Errorf("error parsing labels '%s' with error: %w", s.Labels, err)
	case set.IsEmpty():
		return set, errors.New("error at least one label pair is required per stream")
	case len(s.Entries) == 0:
		return set, fmt.Errorf("stream '%s' has no entries", s.Labels)
	}
	if name, twice := set.HasDuplicateLabelNames(); twice {
		return set, fmt.Errorf("stream '%s' has duplicate label name: '%s'", s.Labels, name)
	}
	for _, e := range s.Entries {
		if len(e.Line) > maxLineBytes {
			return set, fmt.Errorf("max entry size '%d' bytes exceeded for stream '%s' while adding an entry with length '%d' bytes", maxLineBytes, s.Labels, len(e.Line))
		}
	}
	return set, nil
}

// parseLabels parses a stream's labels as exporters write them: {a="b", c="d"}.
func parseLabels(text string) (labels.Labels, error) {
	rest, ok := strings.CutPrefix(text, "{")
	if !ok {
		return labels.EmptyLabels(), errors.New("no { at the start")
	}
	var found []labels.Label
	for rest != "}" {
		name, value, ok := strings.Cut(rest, "=")
		if !ok || !validLabelName(name) {
			return labels.EmptyLabels(), fmt.Errorf("no label name and = at %.20q", rest)
		}
		quoted, err := strconv.QuotedPrefix(value)
		if err != nil {
			return labels.EmptyLabels(), fmt.Errorf("the value of %s is not quoted", name)
		}
		rest = value[len(quoted):]
		value, _ = strconv.Unquote(quoted) // QuotedPrefix has checked it
		found = append(found, labels.Label{Name: name, Value: value})
		if rest == "}" {
			break
		}
		if rest, ok = strings.CutPrefix(rest, ", "); !ok {
			return labels.EmptyLabels(), fmt.Errorf("no comma or } after the value of %s", name)
		}
	}
	return labels.New(found...), nil
}

func validLabelName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// logStore stores what arrives by Loki's push API. The Server's mutex guards it.
type logStore struct {
	streams map[string]*storedStream // by the text of their labels as sent
	stats   PushStats
}

func (s *logStore) add(req *push.PushRequest, sets []labels.Labels) {
	if s.streams == nil {
		s.streams = map[string]*storedStream{}
	}
	s.stats.Requests++
	for i, in := range req.Streams {
		stream := s.streams[in.Labels]
		if stream == nil {
			stream = &storedStream{labels: sets[i], seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
			s.streams[strings.Clone(in.Labels)] = stream
		}
		for _, e := range in.Entries {
			stream.add(e.Timestamp.UnixNano(), e.Line, e.StructuredMetadata, &s.stats)
		}
	}
}

// storedStream keeps the lines of its entries in one piece of memory.
type storedStream struct {
	labels labels.Labels
	times  []int64
	ends   []int // ends of the lines in data
	data   []byte
	meta   map[int]string // metadata by number of the entry
	seed   maphash.Seed
	seen   map[uint64]struct{} // hashes of time, line and metadata
}

func (s *storedStream) add(t int64, line string, metadata []push.LabelAdapter, stats *PushStats) {
	var h maphash.Hash
	h.SetSeed(s.seed)
	var stamp [8]byte
	binary.LittleEndian.PutUint64(stamp[:], uint64(t))
	_, _ = h.Write(stamp[:])
	_, _ = h.WriteString(line)
	fields := metadataText(metadata)
	_, _ = h.WriteString(fields)
	sum := h.Sum64()
	if _, again := s.seen[sum]; again {
		stats.Repeated++
		return
	}
	s.seen[sum] = struct{}{}
	if n := len(s.times); n > 0 && t < s.times[n-1] {
		stats.OutOfOrder++
	}
	stats.Lines++
	if fields != "" {
		if s.meta == nil {
			s.meta = map[int]string{}
		}
		s.meta[len(s.times)] = fields
	}
	s.times = append(s.times, t)
	s.data = append(s.data, line...)
	s.ends = append(s.ends, len(s.data))
}

func metadataText(metadata []push.LabelAdapter) string {
	var sb strings.Builder
	for i, m := range metadata {
		if i > 0 {
			sb.WriteString(", ")
		}
		fmt.Fprintf(&sb, "%s=%q", m.Name, m.Value)
	}
	return sb.String()
}

func (s *storedStream) entries() []LogEntry {
	all := make([]LogEntry, len(s.times))
	from := 0
	for i, end := range s.ends {
		all[i] = LogEntry{s.times[i], string(s.data[from:end]), s.meta[i]}
		from = end
	}
	return all
}
