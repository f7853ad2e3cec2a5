package loki

import (
	"regexp"
	"strconv"
	"strings"

	"lighter/exporters/send"
)

// The texts of Loki's 400 responses (grafana/loki, pkg/validation/validate.go, pkg/util/errors.go and
// pkg/ingester/stream.go): "N errors like: …; M errors like: …" from its validation, and "total ignored: N
// out of M for stream: …" from its ingesters. It groups equal errors, and each names its stream, so that
// all errors of a group belong to one stream.
var (
	grouped = regexp.MustCompile(`(\d+) errors? like: `)
	ignored = regexp.MustCompile(`total ignored: (\d+) out of \d+`)
	named   = regexp.MustCompile(`(?:stream|labels):? '?(\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})`)
)

// reasons are searched for in Loki's text, in lower case because its versions differ in case. The first
// match counts.
var reasons = []struct {
	words, reason string
	stream        bool // the stream is refused with all its entries in the request
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

// Refused returns what a 400 refuses. Loki has stored the rest. A text that does not mention single entries
// refuses the whole request.
func (protocol) Refused(r send.Request, text string) []send.Refusal {
	sent := streamsIn(r)
	var found []send.Refusal
	if at := grouped.FindAllStringSubmatchIndex(text, -1); len(at) > 0 {
		for i, m := range at {
			end := len(text)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			n, _ := strconv.Atoi(text[m[2]:m[3]])
			words := text[m[1]:end]
			stream, entries := sent.find(words)
			reason, wholeStream := reasonOf(words)
			if wholeStream {
				n *= entries
			}
			found = append(found, send.Refusal{Reason: reason, Items: n, Stream: stream})
		}
		return found
	}
	reason, _ := reasonOf(text)
	for _, m := range ignored.FindAllStringSubmatchIndex(text, -1) {
		n, _ := strconv.Atoi(text[m[2]:m[3]])
		stream, _ := sent.find(text[m[1]:])
		found = append(found, send.Refusal{Reason: reason, Items: n, Stream: stream})
	}
	if found == nil {
		found = []send.Refusal{{Reason: reason, Items: r.Items}}
	}
	return found
}

func reasonOf(words string) (reason string, wholeStream bool) {
	words = strings.ToLower(words)
	for _, r := range reasons {
		if strings.Contains(words, r.words) {
			return r.reason, r.stream
		}
	}
	return "rejected", false
}

// sentStream is a stream of a request and its number of entries.
type sentStream struct {
	labels  string
	entries int
}

type sentStreams []sentStream

// streamsIn returns the streams of a request, or none if it cannot be decoded.
func streamsIn(r send.Request) (all sentStreams) {
	req, err := decode(r.Body)
	if err != nil {
		return nil
	}
	for _, s := range req.Streams {
		all = append(all, sentStream{s.Labels, len(s.Entries)})
	}
	return all
}

// find returns the first stream that Loki's text names, in the form that the request has, and its number of
// entries. If it is unknown, find returns "" and 1.
func (s sentStreams) find(words string) (stream string, entries int) {
	if len(s) == 1 {
		return s[0].labels, s[0].entries
	}
	if m := named.FindStringSubmatch(words); m != nil {
		if one, ok := s.named(m[1]); ok {
			return one.labels, one.entries
		}
	}
	return "", 1
}

// named returns the stream with the name that Loki uses.
func (s sentStreams) named(name string) (sentStream, bool) {
	bare := withoutAddedLabels(name)
	for _, one := range s {
		if one.labels == name || withoutAddedLabels(one.labels) == bare {
			return one, true
		}
	}
	return sentStream{}, false
}

// addedLabel matches labels that Loki itself adds to a stream: service_name if it is missing
// (limits_config, discover_service_name), and the number of a part if Loki divides a busy stream
// (shard_streams). They occur in the labels by which Loki names a stream.
var addedLabel = regexp.MustCompile(`([{ ])(?:service_name|__stream_shard__)="(?:[^"\\]|\\.)*"(?:, )?`)

func withoutAddedLabels(labels string) string {
	return strings.Replace(addedLabel.ReplaceAllString(labels, "$1"), ", }", "}", 1)
}

// refusedByStream returns how many entries of each stream in a part of a request are refused. Refused
// entries of unknown streams are assigned to the first streams of the part. That is exact if all of the
// part is refused, which is nearly always the case then.
func refusedByStream(part send.Request, refusals []send.Refusal) map[string]int {
	refused, unknown := map[string]int{}, 0
	for _, f := range refusals {
		if f.Stream == "" {
			unknown += f.Items
		} else {
			refused[f.Stream] += f.Items
		}
	}
	if unknown == 0 {
		return refused
	}
	for _, s := range streamsIn(part) {
		n := min(unknown, s.entries-refused[s.labels])
		if n > 0 {
			refused[s.labels] += n
			unknown -= n
		}
	}
	return refused
}

// refused records in batches how many of their entries Loki has refused. Data that was moved to disk is no
// longer in a batch, and only counts in the endpoint's numbers.
func (e *Endpoint) refused(part send.Request, refusals []send.Refusal) {
	left := refusedByStream(part, refusals)
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	for _, b := range e.disk.inflight.batches {
		n := 0
		for _, entry := range b.Entries {
			if stream := e.text(b.Streams[entry.Stream]); left[stream] > 0 {
				left[stream]--
				n++
			}
		}
		if n > 0 {
			b.Refuse(n)
		}
	}
}
