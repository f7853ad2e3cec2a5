package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// accept offers what textparse reads, the richer format first, with names escaped to
// those that every backend takes, and anything else last: it is tried as text. Native
// histograms are in protobuf alone.
const (
	accept = "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6," +
		"application/openmetrics-text;version=0.0.1;q=0.5," +
		"text/plain;version=1.0.0;escaping=underscores;q=0.4," +
		"text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	acceptNative = protobuf + ";proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," +
		"application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5," +
		"application/openmetrics-text;version=0.0.1;q=0.4," +
		"text/plain;version=1.0.0;escaping=underscores;q=0.3," +
		"text/plain;version=0.0.4;q=0.2,*/*;q=0.1"

	protobuf = "application/vnd.google.protobuf"
)

// Results of a scrape, as lighter_scrapes_total counts them.
const (
	resultOK          = "ok"
	resultUnreachable = "unreachable" // no connection, or one that broke
	resultTimeout     = "timeout"
	resultStatus      = "status"       // an answer other than 200
	resultTooLarge    = "too_large"    // over the body limit
	resultSampleLimit = "sample_limit" // over that
	resultBadContent  = "bad_content"  // no metrics, or broken ones
)

// failure is why a scrape counts as nothing.
type failure struct {
	result string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// errNoRoom says that a page is larger than all pages together may be.
var errNoRoom = errors.New("no room for the page")

func failf(result, format string, args ...any) error {
	return &failure{result, fmt.Errorf(format, args...)}
}

func newRequest(t *target, cfg Config, userAgent string) *http.Request {
	formats := accept
	if cfg.NativeHistograms {
		formats = acceptNative
	}
	return &http.Request{Method: http.MethodGet, URL: t.url, Header: http.Header{
		"Accept":                              {formats},
		"Accept-Encoding":                     {"gzip"},
		"User-Agent":                          {userAgent},
		"X-Prometheus-Scrape-Timeout-Seconds": {strconv.FormatFloat(t.timeout.Seconds(), 'f', -1, 64)},
	}}
}

// maxDrain is what is read of an answer that is not used, so that its connection can be.
const maxDrain = 64 << 10

// fetch asks the target for its page. The caller puts it back, also when it is nil.
func (l *Loop) fetch(ctx context.Context) (*page, error) {
	ctx, cancel := context.WithTimeout(ctx, l.target.timeout)
	defer cancel()
	resp, err := l.Client.Do(l.request.WithContext(ctx))
	if err != nil {
		return nil, l.networkFailure(err)
	}
	defer resp.Body.Close() // what is unread cuts the connection: a page over its limit is not worth draining
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
		return nil, failf(resultStatus, "it answered %s", resp.Status)
	}
	p := l.Buffers.getPage()
	p.contentType = resp.Header.Get("Content-Type")
	if err := l.readPage(ctx, p, resp); err != nil {
		return p, err
	}
	l.bodySize = len(p.body) + 512 // a page grows a little from one scrape to the next
	return p, nil
}

// readPage reads the body into p and stops as soon as it is over the limit, of which the
// uncompressed bytes count: a gzip bomb costs no more than an honest page.
func (l *Loop) readPage(ctx context.Context, p *page, resp *http.Response) error {
	var body io.Reader = resp.Body
	size := l.bodySize
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		if l.cfg.BodyLimit <= 0 || resp.ContentLength <= l.cfg.BodyLimit {
			size = max(size, int(resp.ContentLength)+512) // as below; it is -1 if it is not said
		}
	case "gzip":
		if err := p.gzip.Reset(resp.Body); err != nil {
			return l.bodyFailure(err)
		}
		body = &p.gzip
	default:
		return failf(resultBadContent, "it answered with Content-Encoding %q, which was not asked for", encoding)
	}
	for {
		if len(p.body) == cap(p.body) {
			switch err := l.Buffers.grow(ctx, p, size); {
			case errors.Is(err, errNoRoom):
				return failf(resultTooLarge, "its page does not fit into the %d bytes that this agent's memory leaves for pages. Give the agent more memory, or the target fewer series", l.Buffers.limit)
			case err != nil:
				return l.networkFailure(err)
			}
		}
		n, err := body.Read(p.body[len(p.body):cap(p.body)])
		p.body = p.body[:len(p.body)+n]
		if limit := l.cfg.BodyLimit; limit > 0 && int64(len(p.body)) > limit {
			return failf(resultTooLarge, "its page is larger than %d bytes, the limit", limit)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return l.bodyFailure(err)
		}
	}
}

func (l *Loop) bodyFailure(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return failf(resultBadContent, "its page is not the gzip it is said to be: %w", err)
	}
	return l.networkFailure(err)
}

// networkFailure says why there was no whole answer, without the URL, which the log line
// has, and without what differs each time, such as our own port.
func (l *Loop) networkFailure(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return failf(resultTimeout, "no whole answer within %s", l.target.timeout)
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Addr != nil {
		return failf(resultUnreachable, "%s %s: %w", op.Op, op.Addr, op.Err)
	}
	return &failure{resultUnreachable, err}
}

// mediaType returns the type that a page was said to have, for an error.
func mediaType(contentType string) string {
	if t, _, err := mime.ParseMediaType(contentType); err == nil {
		return t
	}
	return contentType
}
