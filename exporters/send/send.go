// Package send delivers requests to one endpoint and interprets its responses. It is the one place that
// decides what a status, a cut connection or a Retry-After means: delivered, retry, hold, split, or drop.
//
// A request arrives encoded and compressed. It is sent until the endpoint has taken it, or has refused it
// in a way that no repetition changes. Between attempts, a Sender waits longer each time, with jitter, and
// at least as long as the endpoint requests. If the endpoint requests that with a 429 or a 503, nothing is
// sent to it until then. The number of attempts is not limited, because the queue limits what waits.
//
// A protocol's package defines its requests (see Protocol). Order, queues and concurrency are up to the
// caller.
package send

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter"
	"lighter/exporters/internal/redacted"
)

// Request is one request body as it is sent.
type Request struct {
	Body   []byte      // compressed; not changed, and the caller's again when Deliver returns
	Items  int         // number of entries or samples, for counting
	Tenant string      // X-Scope-OrgID; empty means none
	Header http.Header // headers that differ between the protocol's requests; may be nil

	// Refused is called with what the endpoint has refused for good, and with the part of the request
	// concerned: all of it, unless Split was called. It may be nil.
	Refused func(part Request, refusals []Refusal)
}

// Protocol contains what differs between protocols. Its methods may be called concurrently.
type Protocol interface {
	// Header returns the headers that every request carries. The Sender does not change it.
	Header() http.Header

	// Split returns r as two requests with about half its items each, in order. It returns ErrOneItem if r
	// has a single item.
	Split(r Request) (Request, Request, error)

	// Refused parses the text of a 400 and returns how many of r's items were refused, by reason. The
	// endpoint has stored the others. The sum does not exceed r.Items.
	Refused(r Request, text string) []Refusal
}

// ResponseReader is a Protocol whose responses contain more information than status and text.
type ResponseReader interface {
	// ReadResponse is called for each response before it is judged, unless the response evidently does not
	// come from the backend. It returns how many of r's items the endpoint reports as stored, or -1 if the
	// endpoint does not report it. The number counts if the endpoint refuses the others, and if it reports
	// a success that stored nothing, in which case all items are refused. An error means that the endpoint
	// does not support requests like r: Deliver returns it, and the caller should make another request with
	// the same items.
	ReadResponse(r Request, status int, h http.Header) (stored int, err error)
}

// StreamLimiter is a Protocol whose backend may temporarily refuse single streams of a request.
type StreamLimiter interface {
	// Limited parses the text of a 429. It returns the streams that the endpoint temporarily refuses, in
	// r's form, and the number of their items; the endpoint has stored all others. It returns none if the
	// text is about the whole request.
	Limited(r Request, text string) (streams []string, items int)
}

// LimitedError is returned by Deliver if the endpoint temporarily refuses some streams and has stored the
// other streams of a request. Package send counts the latter as delivered. The caller decides what to do
// with the refused streams and the rest.
type LimitedError struct {
	Part       Request       // the request, or a part of it, as it was sent
	Rest       []Request     // the parts after it, which were not sent
	Streams    []string      // the refused streams of Part, in its form
	Text       string        // the endpoint's text, without secrets
	RetryAfter time.Duration // how long the endpoint requests to wait
}

func (e *LimitedError) Error() string { return "some streams are refused for now: " + e.Text }

// Refusal is a number of items that an endpoint will never take.
type Refusal struct {
	Reason string // a label value: few, short, snake_case
	Items  int
	Stream string // the stream of the items, in the request's form; empty if unknown
}

// ErrOneItem reports that a request cannot be split.
var ErrOneItem = errors.New("the request holds one item")

// Options are the dependencies and settings of a Sender. All but Proxy, Headers, Secrets, MinBackoff and
// MaxBackoff are required.
type Options struct {
	Endpoint   string // its name in metrics and log
	Backend    string // what is expected to respond, such as "Loki", for messages
	URL        string // posted to as given; shown without user info
	Client     *http.Client
	Proxy      *url.URL // the proxy that Client uses; shown without user info; may be nil
	Protocol   Protocol
	Timeout    time.Duration             // of one attempt
	Headers    map[string]lighter.Secret // set unless the protocol sets them itself
	MinBackoff time.Duration             // the first pause between attempts; if 0, that of Backoff
	MaxBackoff time.Duration             // the longest pause; if 0, that of Backoff
	Secrets    []string                  // Client's credentials, which are hidden if a response repeats them

	Delivered prometheus.Counter     // items taken by the endpoint
	Dropped   *prometheus.CounterVec // items refused, by endpoint and reason
	Metrics   *Metrics
	Logger    *slog.Logger
}

// Sender delivers to one endpoint. It is safe for concurrent use.
type Sender struct {
	Options
	header         http.Header
	health         *health
	dataRefusals   throttle // for log lines about refused data
	noDataRefusals throttle // for log lines about refused requests without data, so that they do not hide the others
}

// New returns a Sender. It opens no connection. If Metrics knows an endpoint with that name and URL, whose
// Sender must have ended, the new one continues with its health and counts: other settings do not make a
// failing endpoint healthy.
func New(o Options) *Sender {
	s := &Sender{Options: o, header: http.Header{}, health: o.Metrics.up.health(o)}
	for k, v := range o.Headers {
		s.header.Set(k, v.Reveal())
	}
	for k, v := range o.Protocol.Header() {
		s.header[k] = v
	}
	client := *o.Client // a redirect would turn the POST into a GET, whose 200 means nothing, and lead to a host that is not configured
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.Client = &client
	return s
}

// Pauses between attempts. The first is short, for a connection that was merely cut. The longest is how
// long a backend that has recovered waits for us at most.
const (
	minBackoff    = 500 * time.Millisecond
	maxBackoff    = 15 * time.Second
	maxRetryAfter = 10 * time.Minute // if an endpoint requests more, it is tried then nevertheless
)

// Deliver blocks until the endpoint has taken r, or has refused it for good, and returns nil: in both cases
// the caller is finished with it. If ctx ends first, Deliver returns ctx's error, and it is unknown what
// the endpoint has received. The error of a ResponseReader means that the endpoint has nothing of r, except
// for the parts that it has taken if r was split. A *LimitedError contains what is left.
func (s *Sender) Deliver(ctx context.Context, r Request) error {
	if r.Items > 0 { // only data affects the endpoint's health
		s.health.begin()
		defer s.health.end()
	}
	for left := []Request{r}; len(left) > 0; {
		halves, err := s.deliver(ctx, left[0])
		if err != nil {
			return withRest(err, left[1:])
		}
		if halves != nil {
			for i := range halves {
				halves[i].Tenant, halves[i].Refused = r.Tenant, r.Refused
			}
			left = append(halves, left[1:]...)
			continue
		}
		left = left[1:]
	}
	return nil
}

// withRest adds the rest of the request to an error of Deliver, if that is a *LimitedError.
func withRest(err error, rest []Request) error {
	if limited := (*LimitedError)(nil); errors.As(err, &limited) {
		limited.Rest = slices.Clone(rest) // the caller's slice need not be on the heap
	}
	return err
}

// deliver is Deliver for one request. If that is too large, it returns the halves to send instead.
func (s *Sender) deliver(ctx context.Context, r Request) (halves []Request, err error) {
	for attempt := 0; ; attempt++ {
		if !s.health.pause.wait(ctx) {
			return nil, ctx.Err()
		}
		resp := s.post(ctx, r, attempt)
		if resp.unknown != nil {
			return nil, resp.unknown
		}
		if resp.verdict != taken && ctx.Err() != nil {
			return nil, ctx.Err() // the text may be cut, and half a text is not judged
		}
		if limited := s.limited(r, resp); limited != nil {
			return nil, limited
		}
		switch resp.verdict {
		case taken:
			s.taken(r.Items)
			return nil, nil
		case refused:
			rest := r
			rest.Items -= resp.stored
			s.drop(r, resp, s.Protocol.Refused(rest, resp.fullText))
			return nil, nil
		case tooLarge:
			a, b, err := s.Protocol.Split(r)
			if err == nil {
				return []Request{a, b}, nil
			}
			if r.Items == 0 || len(r.Body) > neverTooLarge {
				s.drop(r, resp, []Refusal{{Reason: "too_large", Items: r.Items}})
				return nil, nil
			}
			resp.verdict = hold
		}
		if resp.status == http.StatusTooManyRequests || resp.status == http.StatusServiceUnavailable {
			s.health.pause.extend(resp.retryAfter)
		}
		pause := max(s.backoff(attempt), resp.retryAfter)
		if r.Items > 0 {
			s.health.failed(resp, pause)
		}
		if !Pause(ctx, pause) {
			return nil, ctx.Err()
		}
	}
}

// limited returns the error for a response that temporarily refuses some streams, after counting what the
// endpoint has taken. It returns nil for all other responses.
func (s *Sender) limited(r Request, a response) *LimitedError {
	limiter, ok := s.Protocol.(StreamLimiter)
	if !ok || a.status != http.StatusTooManyRequests || a.verdict != retry {
		return nil
	}
	streams, items := limiter.Limited(r, a.fullText)
	if len(streams) == 0 {
		return nil
	}
	s.health.refused(a) // an endpoint that takes nothing else for a minute is unhealthy
	s.taken(r.Items - items)
	return &LimitedError{Part: r, Streams: streams, Text: a.text, RetryAfter: a.retryAfter}
}

// neverTooLarge is the size up to which a compressed body cannot reasonably be too large. The limits in use
// are larger: nginx's default is 1 MiB, and the smallest common default of a web framework is 100 kB. If a
// request of one item is not larger than this and gets a 413, the reason is a wrong limit, or something
// else at that URL, and not the item.
const neverTooLarge = 64 << 10

// response is the result of one attempt.
type response struct {
	verdict    verdict
	status     int    // 0 if there was no response
	text       string // the text of the endpoint or of the network error, as far as it is shown
	fullText   string // the endpoint's complete text; must not be shown, because it may hold a secret
	retryAfter time.Duration
	stored     int   // number of items that the endpoint reports as stored
	unknown    error // the endpoint does not support requests like this one
}

// post makes an attempt. The text in its result contains no secret.
func (s *Sender) post(ctx context.Context, r Request, attempt int) response {
	a := s.tryPost(ctx, r, attempt)
	a.text = redacted.Text(a.text, s.Secrets)
	return a
}

func (s *Sender) tryPost(ctx context.Context, r Request, attempt int) response {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, nil)
	if err != nil {
		return response{verdict: hold, text: urlError(err)}
	}
	body := &attemptBody{bytes: r.Body}
	body.attach(req)
	defer body.takeAway()
	req.Header = s.header.Clone()
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if r.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", r.Tenant)
	}
	if attempt > 0 {
		req.Header.Set("Retry-Attempt", fmt.Sprint(attempt))
	}
	start := time.Now()
	resp, err := s.Client.Do(req)
	if err != nil {
		s.Metrics.requests.WithLabelValues(s.Endpoint, "error").Inc()
		return s.noResponse(err)
	}
	defer resp.Body.Close()
	a := response{verdict: judge(resp.StatusCode), status: resp.StatusCode}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // a partial text is good enough
	foreign := foreignResponse(a.status, resp.Header.Get("Content-Type"), text)
	if reader, ok := s.Protocol.(ResponseReader); ok && (foreign == "" || foreign == emptyRefusal) {
		var stored int
		stored, a.unknown = reader.ReadResponse(r, resp.StatusCode, resp.Header)
		a.stored = min(max(stored, 0), r.Items)
		switch {
		case stored < 0: // not reported
		case a.verdict == taken && stored == 0 && r.Items > 0:
			a.verdict, a.fullText, a.text = refused, nothingStored, nothingStored
		case foreign == emptyRefusal:
			foreign = "" // an endpoint that reports how much it has stored need not give a reason
		}
	}
	switch to := resp.Header.Get("Location"); {
	case foreign != "":
		a.verdict, a.text = hold, foreign
	case a.verdict == taken, a.fullText != "":
	case to != "":
		a.text = "a redirect to " + cleanText([]byte(redacted.URL(to[:min(len(to), maxText)])))
	default:
		a.fullText = cleanText(text)
		a.text = cleanText(text[:min(len(text), maxText)])
	}
	if a.status == http.StatusProxyAuthRequired && s.Proxy != nil {
		a.text = strings.TrimSpace(fmt.Sprintf("from the proxy %s: %s", redacted.URL(s.Proxy.String()), a.text))
	}
	if a.verdict != taken {
		a.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain)) // so that the connection can be reused
	s.Metrics.observe(s.Endpoint, resp.StatusCode, len(r.Body), time.Since(start))
	return a
}

// nothingStored replaces the text of an endpoint that refuses everything with a success.
const nothingStored = "a success that stored nothing"

const (
	maxBody  = 256 << 10 // limit for reading a response: Loki names each stream that it refuses, with all labels
	maxText  = 8 << 10   // limit for showing it
	maxDrain = 64 << 10
)

// taken counts items that the endpoint has taken.
func (s *Sender) taken(items int) {
	if items > 0 {
		s.Delivered.Add(float64(items))
		s.health.taken(items)
	}
}

// drop counts the items of a request that the endpoint has refused for good, and the others as delivered.
func (s *Sender) drop(r Request, a response, refusals []Refusal) {
	if r.Items == 0 {
		if skipped, ok := s.noDataRefusals.allow(time.Now()); ok {
			s.Logger.Warn("the endpoint refused a request that carries no data of its own, such as metadata", "endpoint", s.Endpoint,
				"status", a.status, "response", a.text, "unlogged_refusals", skipped)
		}
		return
	}
	lost := 0
	var counted []Refusal
	for _, f := range refusals {
		if f.Items = min(f.Items, r.Items-lost); f.Items <= 0 {
			continue
		}
		lost += f.Items
		counted = append(counted, f)
		s.Dropped.WithLabelValues(s.Endpoint, f.Reason).Add(float64(f.Items))
		s.health.dropped(f.Reason, f.Items)
	}
	if r.Refused != nil {
		r.Refused(r, counted)
	}
	s.health.refused(a)
	s.taken(r.Items - lost)
	if skipped, ok := s.dataRefusals.allow(time.Now()); ok {
		s.Logger.Error("the endpoint refused data, which is dropped", "endpoint", s.Endpoint, "status", a.status,
			"refused", lost, "of", r.Items, "response", a.text, "unlogged_refusals", skipped)
	}
}

// Status returns the endpoint's present state.
func (s *Sender) Status() Status { return s.health.status() }

// Unreadable reports why the next data to send cannot be read from where it waits. err is logged when it
// changes, and Err returns it after a minute. nil means that the data can be read, or that there is none.
func (s *Sender) Unreadable(err error) { s.health.unreadable(err) }

// Err returns nil while the endpoint takes data, or has none to take. Otherwise it returns why the endpoint
// is not ready: something holds it, such as a wrong token, or for a minute it has taken none of the data to
// send, because attempts failed or because it refused everything.
func (s *Sender) Err() error { return s.health.err(time.Now()) }

// Backoff returns how long to wait after an attempt, counted from 0: longer each time, with jitter.
func Backoff(attempt int) time.Duration { return backoff(attempt, minBackoff, maxBackoff) }

func (s *Sender) backoff(attempt int) time.Duration {
	return backoff(attempt, cmp.Or(s.MinBackoff, minBackoff), cmp.Or(s.MaxBackoff, maxBackoff))
}

func backoff(attempt int, least, most time.Duration) time.Duration {
	d := most
	if attempt < 30 && least < most>>attempt {
		d = least << attempt
	}
	return d/2 + rand.N(d/2+1)
}

// Pause waits for d. It returns false if ctx ends first.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
