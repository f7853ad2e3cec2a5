// Package send delivers requests to one endpoint and judges its answers. It is the
// one place that decides what a status, a cut connection or a Retry-After means:
// delivered, try again, hold, split, drop.
//
// A request comes in encoded and compressed; it goes out until the endpoint has
// taken it, or has refused it in a way that no repetition changes. Between attempts a
// Sender waits, longer each time, with jitter, and at least as long as the endpoint
// asks. It has no limit of attempts: what waits is bounded by the queue before it.
//
// What a protocol's requests look like is its package's business (see Protocol);
// order, queues and concurrency are the caller's.
package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/exporters/internal/redacted"
)

// Request is one body as it goes over the wire.
type Request struct {
	Body   []byte      // compressed; not changed, and not kept after Deliver returns
	Items  int         // entries or samples in it, for counting
	Header http.Header // those that not all of the protocol's requests share; may be nil

	// Finished is told how many of the items, the first of them, the endpoint has taken or
	// refused for good, whenever that has grown and some are left: Split was called. May be nil.
	Finished func(items int)
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

// AnswerReader is a Protocol whose answers say more than their status and text.
type AnswerReader interface {
	// ReadAnswer sees each answer before it is judged, and returns how many of r's items the
	// endpoint says that it has stored, for when it refuses the others; 0 if it does not say.
	// An error means that the endpoint does not know requests like r: Deliver returns it, and
	// the caller is to make another of the same items.
	ReadAnswer(r Request, status int, h http.Header) (stored int, err error)
}

// Refusal is a number of items that an endpoint will never take.
type Refusal struct {
	Reason string // a label value: few, short, snake_case
	Items  int
}

// ErrOneItem says that a request cannot be split.
var ErrOneItem = errors.New("the request holds one item")

// Options are what a Sender works with. All but Tenant, Headers and Secrets are required.
type Options struct {
	Endpoint string // its name in metrics and log
	URL      string // posted to as given; shown without user info
	Client   *http.Client
	Protocol Protocol
	Timeout  time.Duration     // of one attempt
	Tenant   string            // X-Scope-OrgID; empty sends none
	Headers  map[string]string // added where the protocol does not set them itself
	Secrets  []string          // what Client proves itself with: not shown, should an answer repeat it

	Delivered prometheus.Counter     // items taken by the endpoint
	Dropped   *prometheus.CounterVec // items refused, by endpoint and reason
	Metrics   *Metrics
	Logger    *slog.Logger
}

// Sender delivers to one endpoint. It is safe for concurrent use.
type Sender struct {
	Options
	header   http.Header
	health   *health
	refusals throttle
}

// New returns a Sender; nothing is dialled.
func New(o Options) *Sender {
	s := &Sender{Options: o, header: http.Header{}, health: newHealth(o)}
	for k, v := range o.Headers {
		s.header.Set(k, v)
	}
	for k, v := range o.Protocol.Header() {
		s.header[k] = v
	}
	if o.Tenant != "" {
		s.header.Set("X-Scope-OrgID", o.Tenant)
	}
	client := *o.Client // a redirect would turn the POST into a GET, whose 200 means nothing, and go to a host that nobody named
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.Client = &client
	o.Metrics.up.WithLabelValues(o.Endpoint).Set(1)
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
// ctx's error; then the items that r.Finished was told of are done with, and what the
// endpoint has of the others is not known. The error of an AnswerReader means that the
// endpoint has nothing of these others.
func (s *Sender) Deliver(ctx context.Context, r Request) error {
	finished := 0
	for left := []Request{r}; len(left) > 0; {
		halves, err := s.deliver(ctx, left[0])
		if err != nil {
			return err
		}
		if halves != nil {
			left = append(halves, left[1:]...)
			continue
		}
		finished += left[0].Items
		left = left[1:]
		if r.Finished != nil && len(left) > 0 {
			r.Finished(finished)
		}
	}
	return nil
}

// deliver is Deliver for one request; if that is too large it returns the halves to send instead.
func (s *Sender) deliver(ctx context.Context, r Request) (halves []Request, err error) {
	s.health.waiting()
	for attempt := 0; ; attempt++ {
		answer := s.post(ctx, r, attempt)
		if answer.unknown != nil {
			return nil, answer.unknown
		}
		if answer.verdict != taken && ctx.Err() != nil {
			return nil, ctx.Err() // its text may be cut, and it is not judged by half of that
		}
		switch answer.verdict {
		case taken:
			s.Delivered.Add(float64(r.Items))
			s.health.taken(r.Items)
			return nil, nil
		case refused:
			rest := r
			rest.Items -= answer.stored
			lost := s.drop(r, answer, s.Protocol.Refused(rest, answer.text))
			s.health.taken(r.Items - lost) // the endpoint works: it is the data that it does not want
			return nil, nil
		case tooLarge:
			a, b, err := s.Protocol.Split(r)
			if err != nil {
				lost := s.drop(r, answer, []Refusal{{"too_large", r.Items}})
				s.health.taken(r.Items - lost)
				return nil, nil
			}
			return []Request{a, b}, nil
		}
		pause := max(backoff(attempt), answer.retryAfter)
		s.health.failed(answer, pause)
		if !Pause(ctx, pause) {
			return nil, ctx.Err()
		}
	}
}

// answer is what came of one attempt.
type answer struct {
	verdict    verdict
	status     int    // 0 if there was none
	text       string // the endpoint's words, or the network's
	retryAfter time.Duration
	stored     int   // items that the endpoint says it has
	unknown    error // it does not know requests like this one
}

// post makes an attempt. What it says of the answer shows no secret.
func (s *Sender) post(ctx context.Context, r Request, attempt int) answer {
	a := s.tryPost(ctx, r, attempt)
	a.text = redacted.Text(a.text, s.Secrets)
	return a
}

func (s *Sender) tryPost(ctx context.Context, r Request, attempt int) answer {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(r.Body))
	if err != nil {
		return answer{verdict: hold, text: urlError(err)}
	}
	req.Header = s.header.Clone()
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if attempt > 0 {
		req.Header.Set("Retry-Attempt", fmt.Sprint(attempt))
	}
	start := time.Now()
	resp, err := s.Client.Do(req)
	if err != nil {
		s.Metrics.requests.WithLabelValues(s.Endpoint, "error").Inc()
		return answer{verdict: retry, text: networkError(err, s.Timeout)}
	}
	defer resp.Body.Close()
	a := answer{verdict: judge(resp.StatusCode), status: resp.StatusCode}
	if reader, ok := s.Protocol.(AnswerReader); ok {
		a.stored, a.unknown = reader.ReadAnswer(r, resp.StatusCode, resp.Header)
		a.stored = min(max(a.stored, 0), r.Items)
	}
	html := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	if html && a.verdict == taken {
		a.verdict, a.text = hold, "a web page"
	} else if a.verdict != taken {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxText))
		a.text = cleanText(text)
		if to := resp.Header.Get("Location"); to != "" {
			a.text = "a redirect to " + cleanText([]byte(redacted.URL(to[:min(len(to), maxText)])))
		}
		if a.verdict == refused && (html || wantsTLS(a.text)) {
			a.verdict = hold // somebody before the backend says so, and has stored nothing
		}
		a.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain)) // so that the connection is used again
	s.Metrics.observe(s.Endpoint, resp.StatusCode, len(r.Body), time.Since(start))
	return a
}

const (
	maxText  = 8 << 10 // of an error that is read: Loki names each refused stream
	maxDrain = 64 << 10
)

// drop counts what is refused for good, and returns how many items that are.
func (s *Sender) drop(r Request, a answer, refusals []Refusal) int {
	lost := 0
	for _, f := range refusals {
		n := min(f.Items, r.Items-lost)
		if n <= 0 {
			continue
		}
		lost += n
		s.Dropped.WithLabelValues(s.Endpoint, f.Reason).Add(float64(n))
		s.health.dropped(f.Reason, n)
	}
	s.Delivered.Add(float64(r.Items - lost))
	s.health.refused(a)
	if skipped, ok := s.refusals.allow(time.Now()); ok {
		s.Logger.Error("endpoint refused data, which is dropped", "endpoint", s.Endpoint, "status", a.status,
			"refused", lost, "of", r.Items, "answer", a.text, "unlogged_refusals", skipped)
	}
	return lost
}

// Status returns what the endpoint's state is now.
func (s *Sender) Status() Status { return s.health.status() }

// Unreadable says that what is to be sent next cannot be read from where it waits, and why: err
// is logged when it changes, and is what Err returns after a minute. nil says that it can be, or
// that nothing waits there.
func (s *Sender) Unreadable(err error) { s.health.unreadable(err) }

// Err returns nil while the endpoint takes what it is sent, or has nothing to take; else
// why it is to be called not ready: it is held because of the configuration, or has
// taken nothing for a minute though there was something to send.
func (s *Sender) Err() error { return s.health.err(time.Now()) }

func backoff(attempt int) time.Duration {
	d := maxBackoff
	if attempt < 8 {
		d = min(d, minBackoff<<attempt)
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
