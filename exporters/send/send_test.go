package send_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"go.uber.org/goleak"

	"lighter"
	"lighter/exporters/internal/redacted"
	"lighter/exporters/send"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// letters is a protocol whose requests are letters, each one item, or one number for several items.
type letters struct{}

func (letters) Header() http.Header { return http.Header{"Content-Type": {"text/letters"}} }

func (letters) Split(r send.Request) (send.Request, send.Request, error) {
	if r.Items < 2 {
		return send.Request{}, send.Request{}, send.ErrOneItem
	}
	n := r.Items / 2
	at := len(r.Body) / r.Items * n
	return send.Request{Body: r.Body[:at], Items: n}, send.Request{Body: r.Body[at:], Items: r.Items - n}, nil
}

func (letters) Refused(r send.Request, text string) []send.Refusal {
	if text == "no" || text == "a success that stored nothing" {
		return []send.Refusal{{Reason: "rejected", Items: r.Items}}
	}
	return []send.Refusal{{Reason: text, Items: 1}}
}

// backend responds to requests without a network. It is an http.RoundTripper.
type backend struct {
	answers func(attempt int, body string) (*http.Response, error)

	mu      sync.Mutex // not locked by tests, which read while no request is in progress
	bodies  []string
	times   []time.Time
	headers []http.Header
}

func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.bodies = append(b.bodies, string(body))
	b.times = append(b.times, time.Now())
	b.headers = append(b.headers, r.Header)
	n := len(b.bodies)
	b.mu.Unlock()
	return b.answers(n, string(body))
}

func status(code int, text string, header ...string) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(text))}, nil
}

type bench struct {
	*send.Sender
	backend   *backend
	delivered prometheus.Counter
	dropped   *prometheus.CounterVec
	reg       *prometheus.Registry
	log       *bytes.Buffer
}

func newBench(answers func(attempt int, body string) (*http.Response, error)) *bench {
	return newBenchOf(letters{}, answers)
}

func newBenchOf(protocol send.Protocol, answers func(attempt int, body string) (*http.Response, error)) *bench {
	b := &bench{
		backend:   &backend{answers: answers},
		delivered: prometheus.NewCounter(prometheus.CounterOpts{Name: "delivered"}),
		dropped:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dropped"}, []string{"endpoint", "reason"}),
		reg:       prometheus.NewRegistry(),
		log:       &bytes.Buffer{},
	}
	b.Sender = send.New(send.Options{
		Endpoint: "letters", Backend: "a post office", URL: "http://user:hunter2@backend.test/push", Client: &http.Client{Transport: b.backend},
		Protocol: protocol, Timeout: 10 * time.Second, Headers: map[string]lighter.Secret{"X-More": "1", "Content-Type": "no"},
		Secrets:   redacted.Secrets(promconfig.HTTPClientConfig{}, "http://user:hunter2@backend.test/push"),
		Delivered: b.delivered, Dropped: b.dropped, Metrics: send.NewMetrics(b.reg), Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	return b
}

func (b *bench) up(t *testing.T) float64 {
	t.Helper()
	all, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "lighter_endpoint_up" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no lighter_endpoint_up")
	return 0
}

func six() send.Request { return send.Request{Body: []byte("abcdef"), Items: 6} }

// Every status, and what happens to six items if it is the first response and all further ones are 204.
func TestVerdicts(t *testing.T) {
	type result struct {
		Attempts  int
		Delivered float64
		Dropped   float64
	}
	delivered, again := result{1, 6, 0}, result{2, 6, 0}
	want := map[int]result{
		200: delivered, 202: delivered, 204: delivered, 299: delivered,
		260: again, // Loki: ingestion is blocked; what was sent is discarded
		301: again, 304: again,
		400: {1, 0, 6}, 409: {1, 0, 6}, 422: {1, 0, 6},
		401: again, 403: again, 404: again, 405: again, 407: again, 410: again, 411: again, 415: again, 431: again, 451: again,
		408: again, 425: again, 429: again,
		413: {3, 6, 0}, // halves
		500: again, 501: again, 502: again, 503: again, 504: again, 599: again,
		600: again, 199: again,
	}
	for code, want := range want {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(func(attempt int, _ string) (*http.Response, error) {
					if attempt == 1 {
						return status(code, map[bool]string{true: "no"}[code >= 300])
					}
					return status(204, "")
				})
				if err := b.Deliver(t.Context(), six()); err != nil {
					t.Fatal(err)
				}
				dropped := 0.0
				if testutil.CollectAndCount(b.dropped) > 0 {
					dropped = testutil.ToFloat64(b.dropped)
				}
				got := result{len(b.backend.bodies), testutil.ToFloat64(b.delivered), dropped}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if b.up(t) != 1 || b.Err() != nil {
					t.Errorf("afterwards: up = %v, err = %v", b.up(t), b.Err())
				}
			})
		})
	}
}

func TestPartOfARequestIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(int, string) (*http.Response, error) { return status(400, "too_old") })
		for range 3 {
			if err := b.Deliver(t.Context(), six()); err != nil {
				t.Fatal(err)
			}
		}
		if d, r := testutil.ToFloat64(b.delivered), testutil.ToFloat64(b.dropped.WithLabelValues("letters", "too_old")); d != 15 || r != 3 {
			t.Errorf("delivered = %v, refused = %v, want 15, 3", d, r)
		}
		if n := strings.Count(b.log.String(), "refused data"); n != 1 || !strings.Contains(b.log.String(), "response=too_old") {
			t.Errorf("said %d times within a minute, want once, in the endpoint's words:\n%s", n, b.log)
		}
		time.Sleep(time.Minute)
		_ = b.Deliver(t.Context(), six())
		if n := strings.Count(b.log.String(), "refused data"); n != 2 || !strings.Contains(b.log.String(), "unlogged_refusals=2") {
			t.Errorf("said %d times after a minute, want twice, with the number unsaid:\n%s", n, b.log)
		}
	})
}

// What the endpoint has taken or refused of a request in parts is counted, even if ctx ends in between.
func TestPartsOfARequestAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		fails   string // the part that is not taken
		counted float64
	}{
		"the first part":   {"a", 0},
		"the second part":  {"bc", 1},
		"after a refusal":  {"ef", 4},
		"none, all taken":  {"", 6},
		"all, not a split": {"abcdef", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(func(_ int, body string) (*http.Response, error) {
					switch {
					case body == tc.fails:
						return status(503, "")
					case body == "d":
						return status(400, "no")
					case len(body) > 2:
						return status(413, "")
					}
					return status(204, "")
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := b.Deliver(ctx, six()); (err == nil) != (tc.fails == "") {
					t.Errorf("err = %v", err)
				}
				if got := testutil.ToFloat64(b.delivered) + testutil.ToFloat64(b.dropped.WithLabelValues("letters", "rejected")); got != tc.counted {
					t.Errorf("%v counted, want %v", got, tc.counted)
				}
			})
		})
	}
}

// cancelling is the body of a response that cancels a context when it is read.
type cancelling struct{ cancel context.CancelFunc }

func (c cancelling) Read([]byte) (int, error) { c.cancel(); return 0, context.Canceled }
func (cancelling) Close() error               { return nil }

// A response that everything is taken counts even if ctx ends as it arrives; another does not.
func TestAnswerAsTheContextEnds(t *testing.T) {
	for code, delivered := range map[int]float64{204: 6, 400: 0, 503: 0} {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(func(int, string) (*http.Response, error) {
			return &http.Response{StatusCode: code, Header: http.Header{}, Body: cancelling{cancel}}, nil
		})
		err := b.Deliver(ctx, six())
		if got := testutil.ToFloat64(b.delivered); got != delivered || (err == nil) != (delivered > 0) {
			t.Errorf("%d: %v delivered, err = %v", code, got, err)
		}
		if n := testutil.CollectAndCount(b.dropped); n > 0 {
			t.Errorf("%d: something is dropped", code)
		}
	}
}

func TestNetworkErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3100}, Source: &net.TCPAddr{Port: 40001}, Err: errors.New("connection refused")}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"refused":      {refused, "dial tcp 127.0.0.1:3100: connection refused"},
		"cut":          {io.ErrUnexpectedEOF, "unexpected EOF"},
		"no such host": {&net.DNSError{Err: "no such host", Name: "backend.test", IsNotFound: true}, "lookup backend.test: no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(func(attempt int, _ string) (*http.Response, error) {
					if attempt < 4 {
						return nil, tc.err
					}
					return status(204, "")
				})
				if err := b.Deliver(t.Context(), six()); err != nil {
					t.Fatal(err)
				}
				if d := testutil.ToFloat64(b.delivered); d != 6 || len(b.backend.bodies) != 4 {
					t.Errorf("delivered = %v after %d attempts", d, len(b.backend.bodies))
				}
				if n := strings.Count(b.log.String(), tc.want); n != 1 {
					t.Errorf("%q is said %d times, want once:\n%s", tc.want, n, b.log)
				}
				if n := strings.Count(b.log.String(), "works again"); n != 1 || !strings.Contains(b.log.String(), "failed_attempts=3") {
					t.Errorf("the recovery is said %d times:\n%s", n, b.log)
				}
				if strings.Contains(b.log.String(), "hunter2") {
					t.Errorf("the log has the password:\n%s", b.log)
				}
			})
		})
	}
}

// A token that a backend repeats is not shown.
func TestAnswersThatRepeatASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(attempt int, _ string) (*http.Response, error) {
			switch attempt {
			case 1:
				return status(401, "invalid token hunter2")
			default:
				return status(400, "hunter2 may not write")
			}
		})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = b.Deliver(t.Context(), six())
		}()
		synctest.Wait()
		err := b.Err()
		if err == nil || !strings.Contains(err.Error(), "invalid token <secret>") {
			t.Errorf("while it is held: err = %v", err)
		}
		if st := b.Status(); strings.Contains(st.LastError, "hunter2") {
			t.Errorf("status: %s", st.LastError)
		}
		<-ended
		if said := b.log.String(); strings.Contains(said, "hunter2") || !strings.Contains(said, "<secret> may not write") {
			t.Errorf("log:\n%s", said)
		}
	})
}

// However a response, a redirect or the network repeats credentials, they are not shown.
func TestNoSecretIsShown(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("user:hunter2"))
	for name, answer := range map[string]func(int, string) (*http.Response, error){
		"basic auth":        func(int, string) (*http.Response, error) { return status(401, "no: Authorization: Basic "+basic) },
		"refused, at a 400": func(int, string) (*http.Response, error) { return status(400, "Basic "+basic) },
		"cut by us":         func(int, string) (*http.Response, error) { return status(401, strings.Repeat("x", 8<<10-6)+"hunter2") },
		"cut by the network": func(int, string) (*http.Response, error) {
			r, _ := status(401, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("no: hunter"), iotest.ErrReader(io.ErrUnexpectedEOF)))
			return r, nil
		},
		"a redirect": func(int, string) (*http.Response, error) {
			return status(302, "", "Location", "https://login.test/hunter2/"+basic)
		},
		"the network": func(int, string) (*http.Response, error) { return nil, errors.New("cannot fetch token for hunter2") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(answer)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				_ = b.Deliver(ctx, six())
				said := b.log.String() + b.Status().LastError
				if err := b.Err(); err != nil {
					said += err.Error()
				}
				if strings.Contains(said, "hunter") || strings.Contains(said, basic[:8]) || !strings.Contains(said, "<secret>") {
					t.Errorf("want it without secrets:\n%s", said)
				}
			})
		})
	}
}

func TestURLThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(nil)
		b.URL = "http://user:hun/ter2@backend.test/push" // its port is ":hun"
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = b.Deliver(ctx, six())
		want := "the URL is not usable: invalid port (write it as https://host:port/path, with %XX for what is special in it)"
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(b.log.String(), "hun") {
			t.Errorf("err = %v, want %q; log:\n%s", err, want, b.log)
		}
	})
}

func TestPausesGrowAndObeyRetryAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		header   func() string
		min, max time.Duration // of the first pause
	}{
		"none":     {func() string { return "" }, 250 * time.Millisecond, 500 * time.Millisecond},
		"seconds":  {func() string { return "7" }, 7 * time.Second, 7 * time.Second},
		"date":     {func() string { return time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat) }, 8 * time.Second, 9 * time.Second},
		"past":     {func() string { return time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat) }, 250 * time.Millisecond, 500 * time.Millisecond},
		"nonsense": {func() string { return "soon" }, 250 * time.Millisecond, 500 * time.Millisecond},
		"a day":    {func() string { return "86400" }, 10 * time.Minute, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(func(attempt int, _ string) (*http.Response, error) {
					switch {
					case attempt == 1:
						return status(429, "slow down", "Retry-After", tc.header())
					case attempt < 12:
						return status(503, "")
					}
					return status(204, "")
				})
				if err := b.Deliver(t.Context(), six()); err != nil {
					t.Fatal(err)
				}
				at := b.backend.times
				if first := at[1].Sub(at[0]); first < tc.min || first > tc.max {
					t.Errorf("first pause = %s, want %s to %s", first, tc.min, tc.max)
				}
				if last := at[11].Sub(at[10]); last < 7500*time.Millisecond || last > 15*time.Second {
					t.Errorf("a late pause = %s, want 7.5s to 15s", last)
				}
			})
		})
	}
}

func TestHeaders(t *testing.T) {
	b := newBench(func(attempt int, _ string) (*http.Response, error) { return status(204, "") })
	r := six()
	r.Tenant = "me"
	if err := b.Deliver(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	h := b.backend.headers[0]
	for name, want := range map[string]string{"X-Scope-OrgID": "me", "X-More": "1", "Content-Type": "text/letters", "Retry-Attempt": ""} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestEndlessErrorTextIsReadInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(attempt int, _ string) (*http.Response, error) {
			if attempt == 1 {
				return status(500, strings.Repeat("x\n\x00", 1<<20))
			}
			return status(204, "")
		})
		if err := b.Deliver(t.Context(), six()); err != nil {
			t.Fatal(err)
		}
		if b.log.Len() > 20<<10 || strings.ContainsRune(b.log.String(), 0) {
			t.Errorf("the log has %d bytes", b.log.Len())
		}
	})
}
