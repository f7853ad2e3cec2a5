// Package push takes log entries by Loki's push API, as Alloy's loki.source.api does, and hands them on.
//
// A Server answers these requests:
//
//	POST /loki/api/v1/push, /api/v1/push   streams of entries, in protobuf or JSON
//	POST /loki/api/v1/raw, /api/v1/raw     plain lines, which get the source's own labels
//	GET  /ready
//
// # What an answer means
//
// 204 means that every endpoint behind the source has acknowledged all entries of the request: its backend has
// them, or its queue on disk. A sender may forget them then, and not before. What is not acknowledged within
// AckTimeout is answered with 503, so that the sender, which usually gives up after ten seconds, learns it and
// sends again. The entries are not forgotten by that: when the same request comes again, it waits for the same
// entries, and they are not handed on twice. A sender that sends them otherwise may have them delivered twice.
//
// A stage behind the source that joins lines to one entry hands on at the end of each request what it holds back,
// because the sender waits for it. So an entry whose lines come in two requests, such as a stack trace, is cut at
// the end of the first: its other lines become entries of their own.
//
// 400 means that the request, or a part of it, will never be taken: it could not be read, the labels of a stream
// could not, or a backend refuses entries for good. The rest of the request is delivered then, as Loki does it.
// 413 is for a body that is too large. 429 and 503 come with Retry-After: the first when the senders together
// send more at once than the source holds (limits.go), the second when the endpoints have no room or the agent
// stops.
//
// # What is bounded
//
// The bytes of a request, as it comes and decompressed; the bytes of all requests that are not yet answered, or
// whose entries are not yet acknowledged; the number of requests; and the time in which a request must have come.
package push
