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
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Results of a scrape, as lighter_scrapes_total counts them.
const (
	resultOK          = "ok"
	resultUnreachable = "unreachable" // the connection failed or broke
	resultTimeout     = "timeout"
	resultStatus      = "status"       // a response other than 200
	resultTooLarge    = "too_large"    // over the body limit
	resultNoRoom      = "no_room"      // other pages needed the memory that all share
	resultSampleLimit = "sample_limit" // more samples than the limit
	resultLabelLimit  = "label_limit"  // labels over one of their limits
	resultTargetLimit = "target_limit" // the scrape has more targets than the limit
	resultBadContent  = "bad_content"  // not metrics, or malformed
)

// failure is the reason why a scrape failed.
type failure struct {
	result string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(result, format string, args ...any) error {
	return &failure{result, fmt.Errorf(format, args...)}
}

func newRequest(t *target, cfg Config, userAgent string) *http.Request {
	encoding := "gzip"
	if cfg.Uncompressed {
		encoding = "identity"
	}
	return &http.Request{Method: http.MethodGet, URL: t.url, Header: http.Header{
		"Accept":                              {cfg.accept()},
		"Accept-Encoding":                     {encoding},
		"User-Agent":                          {userAgent},
		"X-Prometheus-Scrape-Timeout-Seconds": {strconv.FormatFloat(t.timeout.Seconds(), 'f', -1, 64)},
	}}
}

// maxDrain is how much of an unused response is read so that its connection can be reused.
const maxDrain = 64 << 10

// fetch requests the target's page. The caller returns the page to the Buffers.
func (l *Loop) fetch(ctx context.Context) (*page, error) {
	if l.OverTargetLimit != nil {
		return nil, &failure{resultTargetLimit, l.OverTargetLimit}
	}
	ctx, cancel := context.WithTimeout(ctx, l.target.timeout)
	defer cancel()
	ctx, giveWay := context.WithCancelCause(ctx)
	defer giveWay(nil)
	resp, err := l.Client.Do(l.request.WithContext(ctx))
	if err != nil {
		if failed := redirectFailure(err); failed != nil {
			return nil, failed
		}
		return nil, l.wayToHost(l.networkFailure(err))
	}
	defer resp.Body.Close() // unread data closes the connection; a page over its limit is not worth draining
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
		return nil, failf(resultStatus, "it answered %s", statusText(resp.StatusCode))
	}
	p := l.Buffers.getPage(giveWay)
	p.contentType = resp.Header.Get("Content-Type")
	start := time.Now()
	if err := l.readPage(ctx, p, resp); err != nil {
		err = l.roomFailure(ctx, p, time.Since(start), err)
		l.Buffers.putPage(p) // now, because other pages may wait for its room
		return nil, err
	}
	l.Buffers.room.keep(&p.share)
	l.bodySize = len(p.body) + 512 // a page grows a little from one scrape to the next
	return p, nil
}

// readPage reads the body into p and stops as soon as p is over the limit. The limit counts uncompressed
// bytes, so that a gzip bomb costs no more than a page of that size.
func (l *Loop) readPage(ctx context.Context, p *page, resp *http.Response) error {
	var body io.Reader = resp.Body
	size := l.bodySize
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		if resp.ContentLength < ordinaryPage { // a larger value is trusted only as the bytes arrive
			size = max(size, int(resp.ContentLength)+2) // ContentLength is -1 if unknown
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
		if p.full() {
			if err := l.Buffers.grow(ctx, p, size, l.target.timeout/10); err != nil {
				return err
			}
		}
		n, err := body.Read(p.free())
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

// roomFailure returns err unless p could not be read because of the memory that all pages share. In that
// case it returns an error that says so, because the target is not, or not solely, at fault.
func (l *Loop) roomFailure(ctx context.Context, p *page, took time.Duration, err error) error {
	shared := l.Buffers.room.size >> 20
	switch {
	case errors.Is(err, errTooLarge):
		return failf(resultTooLarge, "its page is larger than the %d MiB that all pages share while they are read: give the target fewer series, or serve them on several pages", shared)
	case errors.Is(context.Cause(ctx), errGaveWay):
		return failf(resultNoRoom, "its page was given up for those of other targets: %d bytes of it had come in %s, and all pages share %d MiB while they are read",
			len(p.body), (took - p.share.waited).Round(time.Millisecond), shared)
	case errors.Is(err, context.DeadlineExceeded):
		return failf(resultNoRoom, "its page found no room within %s: all pages share %d MiB while they are read", l.target.timeout, shared)
	case resultOf(err) == resultTimeout && p.share.waited > 0:
		return failf(resultTimeout, "no whole answer within %s, and for a part of that its page waited for room: all pages share %d MiB while they are read", l.target.timeout, shared)
	}
	return err
}

func (l *Loop) bodyFailure(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return failf(resultBadContent, "its page is not the gzip it is said to be: %w", err)
	}
	return l.networkFailure(err)
}

// networkFailure returns the reason why no complete response arrived. It leaves out the URL, which the log
// line has, and details that differ each time, such as the local port.
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
	if text := err.Error(); strings.Contains(text, "malformed") {
		return &failure{resultUnreachable, errors.New(withoutContent(text))}
	}
	return &failure{resultUnreachable, err}
}

// wayToHost adds to err how the network of the host is reached, if the target is on it. The agent in its
// container may reach the target at another address than its owner expects.
func (l *Loop) wayToHost(err error) error {
	if !l.target.onHost {
		return err
	}
	const its = "The container is on the host's network"
	result, host := resultOf(err), l.target.url.Hostname()
	switch ip := net.ParseIP(host); {
	case host == "localhost" || ip.IsLoopback():
		return failf(result, "%w. %s, which is asked at %s: if the agent is in a container of another network, run it with network_mode: host", err, its, host)
	case ip == nil:
		return failf(result, `%w. %s, and the agent's network has no gateway to the host: give the agent extra_hosts: ["%s:host-gateway"], or network_mode: host`, err, its, host)
	}
	return failf(result, "%w. %s, which is asked at %s: it must listen there too, not on 127.0.0.1 alone, and a firewall of the host must let the agent in. Or run the agent with network_mode: host", err, its, host)
}

// mediaType returns the media type that a response declared, for an error.
func mediaType(contentType string) string {
	if t, _, err := mime.ParseMediaType(contentType); err == nil {
		return t
	}
	return contentType
}

// followOwn is a client's CheckRedirect. It follows redirects to another path and from http to https, but
// not to another host or port: that is not a configured target, and it may be reachable only from the
// agent.
func followOwn(next *http.Request, via []*http.Request) error {
	asked := via[0].URL
	sameHost := strings.EqualFold(next.URL.Hostname(), asked.Hostname())
	toTLS := asked.Scheme == "http" && next.URL.Scheme == "https"
	if !sameHost || !toTLS && portOf(next.URL) != portOf(asked) {
		return failf(resultStatus, "it redirected to %s, which is not asked", printable([]byte((&url.URL{Host: next.URL.Host}).String()[len("//"):])))
	}
	if len(via) >= maxRedirects {
		return failf(resultStatus, "it redirected more than %d times", maxRedirects)
	}
	return nil
}

const maxRedirects = 10

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// redirectFailure returns why a redirect was not followed, or nil if err has another cause.
func redirectFailure(err error) error {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) && strings.HasPrefix(wrapped.Err.Error(), "failed to parse Location header") {
		return failf(resultStatus, "it redirected to what is no URL")
	}
	return nil
}
