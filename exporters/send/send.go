// Package send delivers requests to one endpoint and judges its responses. It is the
// one place that decides what a status, a cut connection or a Retry-After means:
// delivered, try again, hold, split, drop.
//
// A request comes in encoded and compressed; it goes out until the endpoint has
// taken it, or has refused it in a way that no repetition changes. Between attempts a
// Sender waits, longer each time, with jitter, and at least as long as the endpoint
// asks; if it asks with a 429 or a 503, nobody sends to it until then. It has no limit of attempts: what waits is bounded by the queue before it.
//
// What a protocol's requests look like is its package's business (see Protocol);
// order, queues and concurrency are the caller's.
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

// Request is one body as it goes over the wire.
type Request struct {
	Body   []byte      // compressed; not changed, and the caller's again when Deliver returns
	Items  int         // entries or samples in it, for counting
	Tenant string      // X-Scope-OrgID; empty sends none
	Header http.Header // those that not all of the protocol's requests share; may be nil

	// Refused is told what the endpoint has refused for good, and of which part of the request:
	// of all of it, unless Split was called. May be nil.
	Refused func(part Request, refusals []Refusal)
}

// Protocol is what differs between endpoints. Its methods may be called concurrently.
type Protocol interface {
	// Header returns the headers that every request carries. The Sender does not change it.
	Header() http.Header

	// Split returns r as two requests of about half its items, in order. It fails with
	// ErrOneItem if r holds a single one.
	Split(r Request) (Request, Request, error)

	// Refused reads the text of a 400 and tells which of r's items were refused, by
	// reason; the endpoint has stored the others. The numbers are not more than r.Items.
	Refused(r Request, text string) []Refusal
}

// ResponseReader is a Protocol whose responses say more than their status and text.
type ResponseReader interface {
	// ReadResponse is called for each response before it is judged, unless the response evidently does not
	// come from the backend. It returns how many of r's items the endpoint says that it has stored,
	// or -1 if the endpoint does not say. The number
	// counts when the endpoint refuses the others, and when it reports a success that stored
	// nothing: all items are refused then.
	// An error means that the endpoint does not know requests like r: Deliver returns it, and
	// the caller is to make another of the same items.
	ReadResponse(r Request, status int, h http.Header) (stored int, err error)
}

// StreamLimiter is a Protocol whose backend may refuse single streams of a request for now.
type StreamLimiter interface {
	// Limited reads the text of a 429. It returns the streams that the endpoint refuses for now, as r
	// writes them, and the number of their items; the endpoint has stored all others. It returns none
	// if the text is about the whole request.
	Limited(r Request, text string) (streams []string, items int)
}

// LimitedError is what Deliver returns when the endpoint refuses some streams for now and has stored
// what else there is in a request. Package send counts that as delivered; what becomes of these
// streams, and of the rest, is the caller's to say.
type LimitedError struct {
	Part       Request       // of the request, or all of it, as it was sent
	Rest       []Request     // the parts that come after it, which are not sent
	Streams    []string      // those of Part that are refused, as it writes them
	Text       string        // the endpoint's words; they show no secret
	RetryAfter time.Duration // how long the endpoint asks to wait
}

func (e *LimitedError) Error() string { return "some streams are refused for now: " + e.Text }

// Refusal is a number of items that an endpoint will never take.
type Refusal struct {
	Reason string // a label value: few, short, snake_case
	Items  int
	Stream string // the stream that they belong to, as the request writes it; empty if that is not known
}

// ErrOneItem says that a request cannot be split.
var ErrOneItem = errors.New("the request holds one item")

// Options are what a Sender works with. All but Proxy, Headers, Secrets, MinBackoff and MaxBackoff are
// required.
type Options struct {
	Endpoint   string // its name in metrics and log
	Backend    string // what should answer, such as "Loki", for messages when something else does
	URL        string // posted to as given; shown without user info
	Client     *http.Client
	Proxy      *url.URL // that Client goes through; shown without user info; may be nil
	Protocol   Protocol
	Timeout    time.Duration             // of one attempt
	Headers    map[string]lighter.Secret // added where the protocol does not set them itself
	MinBackoff time.Duration             // the first pause between attempts; Backoff's if 0
	MaxBackoff time.Duration             // the longest one; likewise
	Secrets    []string                  // what Client proves itself with: not shown, should a response repeat it

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
	dataRefusals   throttle // of log lines about refused data
	noDataRefusals throttle // of log lines about refused requests without data, so that they do not hide the others
}

// New returns a Sender; nothing is dialled. If Metrics knows an endpoint of that name and URL, whose
// Sender must have ended, the new one goes on with its health and its counts: other settings do not
// make an endpoint well that takes nothing.
func New(o Options) *Sender {
	s := &Sender{Options: o, header: http.Header{}, health: o.Metrics.up.health(o)}
	for k, v := range o.Headers {
		s.header.Set(k, v.Reveal())
	}
	for k, v := range o.Protocol.Header() {
		s.header[k] = v
	}
	client := *o.Client // a redirect would turn the POST into a GET, whose 200 means nothing, and go to a host that nobody named
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.Client = &client
	return s
}

// Pauses between attempts. The first is short, for a connection that was merely cut; the
// longest is what a backend that is back waits for us at most.
const (
	minBackoff    = 500 * time.Millisecond
	maxBackoff    = 15 * time.Second
	maxRetryAfter = 10 * time.Minute // an endpoint that asks for more is asked again then
)

// Deliver blocks until the endpoint has taken r, or has refused it for good, and
// returns nil: either way the caller is done with it. When ctx ends first it returns
// ctx's error; then it is not known what the endpoint has of r. The error of a ResponseReader
// means that the endpoint has nothing of r, but for the parts that it has taken if r was split.
// A *LimitedError says what is left.
func (s *Sender) Deliver(ctx context.Context, r Request) error {
	if r.Items > 0 { // the endpoint's health is about data
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

// withRest returns an error of Deliver with what is left of the request, if that is said.
func withRest(err error, rest []Request) error {
	if limited := (*LimitedError)(nil); errors.As(err, &limited) {
		limited.Rest = slices.Clone(rest) // the caller's need not be on the heap
	}
	return err
}

// deliver is Deliver for one request; if that is too large it returns the halves to send instead.
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
			return nil, ctx.Err() // its text may be cut, and it is not judged by half of that
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
			s.drop(r, resp, s.Protocol.Refused(rest, resp.words))
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

// limited returns the error for a response that refuses some streams for now, after counting what
// the endpoint has taken. It returns nil for all other responses.
func (s *Sender) limited(r Request, a response) *LimitedError {
	limiter, ok := s.Protocol.(StreamLimiter)
	if !ok || a.status != http.StatusTooManyRequests || a.verdict != retry {
		return nil
	}
	streams, items := limiter.Limited(r, a.words)
	if len(streams) == 0 {
		return nil
	}
	s.health.refused(a) // an endpoint that takes nothing else for a minute is not well
	s.taken(r.Items - items)
	return &LimitedError{Part: r, Streams: streams, Text: a.text, RetryAfter: a.retryAfter}
}

// neverTooLarge is the size of a compressed body that no endpoint can sensibly call too large. The
// limits in use are larger: nginx's default is 1 MiB, and the smallest common default of a web
// framework is 100 kB. If a request of one item is not larger than this and is answered with 413, the
// fault is with a limit that was set wrong, or with something else at that URL, and not with the item.
const neverTooLarge = 64 << 10

// response is what came of one attempt.
type response struct {
	verdict    verdict
	status     int    // 0 if there was none
	text       string // the endpoint's words, or the network's, as far as they are shown
	words      string // all of the endpoint's words; not to be shown, for they may hold a secret
	retryAfter time.Duration
	stored     int   // items that the endpoint says it has
	unknown    error // it does not know requests like this one
}

// post makes an attempt. What it says of the response shows no secret.
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
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // what has come of it will do
	foreign := foreignResponse(a.status, resp.Header.Get("Content-Type"), text)
	if reader, ok := s.Protocol.(ResponseReader); ok && (foreign == "" || foreign == emptyRefusal) {
		var stored int
		stored, a.unknown = reader.ReadResponse(r, resp.StatusCode, resp.Header)
		a.stored = min(max(stored, 0), r.Items)
		switch {
		case stored < 0: // it does not say
		case a.verdict == taken && stored == 0 && r.Items > 0:
			a.verdict, a.words, a.text = refused, nothingStored, nothingStored
		case foreign == emptyRefusal:
			foreign = "" // an endpoint that says how much it has stored need not give a reason
		}
	}
	switch to := resp.Header.Get("Location"); {
	case foreign != "":
		a.verdict, a.text = hold, foreign
	case a.verdict == taken, a.words != "":
	case to != "":
		a.text = "a redirect to " + cleanText([]byte(redacted.URL(to[:min(len(to), maxText)])))
	default:
		a.words = cleanText(text)
		a.text = cleanText(text[:min(len(text), maxText)])
	}
	if a.status == http.StatusProxyAuthRequired && s.Proxy != nil {
		a.text = strings.TrimSpace(fmt.Sprintf("from the proxy %s: %s", redacted.URL(s.Proxy.String()), a.text))
	}
	if a.verdict != taken {
		a.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain)) // so that the connection is used again
	s.Metrics.observe(s.Endpoint, resp.StatusCode, len(r.Body), time.Since(start))
	return a
}

// nothingStored stands for the words of an endpoint that refuses everything with a success.
const nothingStored = "a success that stored nothing"

const (
	maxBody  = 256 << 10 // of a response that is read: Loki names each stream that it refuses, with all labels
	maxText  = 8 << 10   // of that, what is shown
	maxDrain = 64 << 10
)

// taken counts items that the endpoint has taken.
func (s *Sender) taken(items int) {
	if items > 0 {
		s.Delivered.Add(float64(items))
		s.health.taken(items)
	}
}

// drop counts what of a request the endpoint has refused for good, and takes the rest for delivered.
func (s *Sender) drop(r Request, a response, refusals []Refusal) {
	if r.Items == 0 {
		if skipped, ok := s.noDataRefusals.allow(time.Now()); ok {
			s.Logger.Warn("endpoint refused a request that has no data of its own, such as one of metadata", "endpoint", s.Endpoint,
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
		s.Logger.Error("endpoint refused data, which is dropped", "endpoint", s.Endpoint, "status", a.status,
			"refused", lost, "of", r.Items, "response", a.text, "unlogged_refusals", skipped)
	}
}

// Status returns what the endpoint's state is now.
func (s *Sender) Status() Status { return s.health.status() }

// Unreadable says that what is to be sent next cannot be read from where it waits, and why: err
// is logged when it changes, and is what Err returns after a minute. nil says that it can be, or
// that nothing waits there.
func (s *Sender) Unreadable(err error) { s.health.unreadable(err) }

// Err returns nil while the endpoint takes data, or has none to take. Otherwise it returns why
// the endpoint is not ready: something holds it, such as a wrong token, or it has taken none of
// the data that was to be sent for a minute, be it because attempts failed or because it refused all.
func (s *Sender) Err() error { return s.health.err(time.Now()) }

// Backoff returns how long to wait after an attempt, the first of which is 0: longer each time, with jitter.
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

// Pause waits, and reports whether ctx goes on.
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
