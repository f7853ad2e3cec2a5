// Package push receives log entries through Loki's push API, as Alloy's loki.source.api does, and hands them on.
//
// A Server responds to these requests:
//
//	POST /loki/api/v1/push, /api/v1/push   streams of entries, in protobuf or JSON
//	POST /loki/api/v1/raw, /api/v1/raw     plain lines, which get the labels of the source
//	GET  /ready
//
// # What a response means
//
// 204 means that every endpoint behind the source has acknowledged all entries of the request: they have reached
// its backend or its queue on disk. Only then may the sender forget them. A request whose entries are not
// acknowledged within AckTimeout is answered with 503, because most senders give up after ten seconds and would
// not learn why. The agent keeps the entries: when the same request comes again, it waits for the entries of the
// first one, and they are not handed on twice. A sender that puts the same entries into a different request may
// have them delivered twice.
//
// Stages that join lines may hold back the last lines of a request. Because the sender waits for them, they are
// handed on at the end of the request. An entry whose lines come in two requests, such as a stack trace, is
// therefore cut in two at the end of the first request.
//
// 400 means that the request or a part of it will never be accepted: the request cannot be read, the labels of a
// stream cannot be read, or a backend refuses entries for good. As with Loki, the rest of the request is delivered.
// 413 means that the body is too large. 429 and 503 have a Retry-After header. 429 means that all senders together
// send more than the source may hold (limits.go), and 503 that the endpoints have no room or that the agent stops.
//
// # What is bounded
//
// Bounds apply to the size of a request, compressed and decompressed; to the memory of all requests that are not
// answered yet or whose entries are not acknowledged yet; to the number of requests; and to the time that a
// request may take to arrive. Most requests are decoded into one buffer that their lines share. All of that
// buffer is counted until the last entry is acknowledged, however few entries are left of the request.
package push
