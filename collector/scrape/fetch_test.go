package scrape_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter"
	"lighter/collector/internal/pipenet"
	"lighter/collector/scrape"
)

func zipped(tb testing.TB, size int, line string) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for n := 0; n < size; n += len(line) {
		if _, err := io.WriteString(z, line); err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// body is the body of a response. It records how far it was read and whether it was closed.
type body struct {
	io.Reader
	read   int
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *body) Close() error { b.closed = true; return nil }

// hanging never ends; a read of it ends with the request.
type hanging struct{ r *http.Request }

func (h hanging) Read([]byte) (int, error) {
	<-h.r.Context().Done()
	return 0, h.r.Context().Err()
}

func TestAnswers(t *testing.T) {
	const limit = 1 << 20
	bomb := zipped(t, 20<<20, strings.Repeat("a 1\n", 1<<16))
	type answer struct {
		status   int
		encoding string
		body     func(*http.Request) io.Reader
	}
	of := func(b []byte) func(*http.Request) io.Reader {
		return func(*http.Request) io.Reader { return bytes.NewReader(b) }
	}
	for name, tc := range map[string]struct {
		answer
		err     string // empty if the target is up
		atMost  int    // bytes of the body that may be read; 0 means any number
		samples int
	}{
		"gzip":                {answer: answer{200, "gzip", of(zipped(t, 1, "a 1\nb 2\n"))}, samples: 2},
		"at the limit":        {answer: answer{200, "", of([]byte("a 1\n#" + strings.Repeat("x", limit-6) + "\n"))}, samples: 1},
		"over the limit":      {answer: answer{200, "", of([]byte("a 1\n#" + strings.Repeat("x", limit-5) + "\n"))}, err: "its page is larger than the limit of 1048576 bytes"},
		"a hundred megabytes": {answer: answer{200, "", func(*http.Request) io.Reader { return io.LimitReader(zeros{}, 100<<20) }}, err: "its page is larger than the limit of 1048576 bytes", atMost: 3 * limit},
		"gzip bomb":           {answer: answer{200, "gzip", of(bomb)}, err: "its page is larger than the limit of 1048576 bytes", atMost: len(bomb) / 4},
		"no gzip":             {answer: answer{200, "gzip", of([]byte("a 1\nthis is no gzip header\n"))}, err: "its page is not valid gzip, although its Content-Encoding is gzip: gzip: invalid header"},
		"gzip cut":            {answer: answer{200, "gzip", of(bomb[:len(bomb)/1000])}, err: "unexpected EOF"},
		"another encoding":    {answer: answer{200, "br", of([]byte("x"))}, err: `it answered with Content-Encoding "br", which was not asked for`},
		"500":                 {answer: answer{500, "", of([]byte("a 1\n"))}, err: "it answered 500 Internal Server Error"},
		"204":                 {answer: answer{204, "", of(nil)}, err: "it answered 204 No Content"},
		"500 without end":     {answer: answer{500, "", func(*http.Request) io.Reader { return zeros{} }}, err: "it answered 500 Internal Server Error", atMost: 100 << 10},
		"hangs in mid-body": {answer: answer{200, "", func(r *http.Request) io.Reader {
			return io.MultiReader(strings.NewReader("a 1\n"), hanging{r})
		}}, err: "no complete response within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.BodyLimit = limit
				var b *body
				l := mustNew(t, target(), cfg, site(func(r *http.Request) (*http.Response, error) {
					resp := response(tc.status, text, "")
					if tc.encoding != "" {
						resp.Header.Set("Content-Encoding", tc.encoding)
					}
					b = &body{Reader: tc.body(r)}
					resp.Body = b
					return resp, nil
				}))
				stop := l.run(t)
				time.Sleep(16 * time.Second)
				stop(nil)
				if got := l.Status(); got.Err != tc.err || got.Samples != tc.samples {
					t.Errorf("error %q and %d samples, want %q and %d", got.Err, got.Samples, tc.err, tc.samples)
				}
				if !b.closed {
					t.Error("the body is left open")
				}
				if tc.atMost > 0 && b.read > tc.atMost {
					t.Errorf("%d bytes of the body were read, want at most %d", b.read, tc.atMost)
				}
			})
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), site(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		stop := l.run(t)
		time.Sleep(16 * time.Second)
		stop(nil)
		if got := l.Status(); got.Err != "no complete response within 10s" || got.Duration != 10*time.Second {
			t.Errorf("status %+v", got)
		}
		if n := len(l.sink.take()); n != 5 {
			t.Errorf("%d samples, want up and its like", n)
		}
	})
}

// TestNetwork scrapes over real connections. Redirects are followed, and connections are reused after every
// kind of response.
func TestNetwork(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    scrape.Health
	}{
		"page": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a 1") }, scrape.Up},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/metrics" {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
				return
			}
			fmt.Fprintln(w, "a 1")
		}, scrape.Up},
		"redirects without end": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/metrics", http.StatusFound)
		}, scrape.Down},
		"error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, strings.Repeat("no ", 10_000), http.StatusInternalServerError)
		}, scrape.Down},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var connections atomic.Int64
				network := pipenet.Listen()
				srv := &http.Server{Handler: tc.handler, ConnState: func(_ net.Conn, s http.ConnState) {
					if s == http.StateNew {
						connections.Add(1)
					}
				}}
				go func() { _ = srv.Serve(network) }()
				defer srv.Close()
				cfg := testConfig()
				client, err := scrape.NewClient(cfg)
				if err != nil {
					t.Fatal(err)
				}
				client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return network.Dial(ctx) }
				defer client.CloseIdleConnections()
				sink := &rounds{want: 3, reached: make(chan struct{})}
				l, err := scrape.New(target(), cfg, scrape.Options{
					Client: client, Sinks: []scrape.Sink{sink}, Buffers: scrape.NewBuffers(scrape.PageMemory), UserAgent: "lighter/test",
					Metrics: scrape.NewMetrics(prometheus.NewRegistry()), Logger: logTo(io.Discard)})
				if err != nil {
					t.Fatal(err)
				}
				stop := (&loop{Loop: l}).run(t)
				<-sink.reached
				synctest.Wait()
				stop(nil)
				if got := l.Status(); got.Health != tc.want {
					t.Errorf("status %+v, want %s", got, tc.want)
				}
				if n := connections.Load(); n != 1 {
					t.Errorf("3 scrapes made %d connections, want 1", n)
				}
			})
		})
	}
}

// rounds is a sink that signals when it has seen a number of scrapes.
type rounds struct {
	recorder
	want    int
	reached chan struct{}
}

func (r *rounds) Append(ctx context.Context, shard uint64, blocks []lighter.Block) error {
	if r.want--; r.want == 0 {
		close(r.reached)
	}
	return r.recorder.Append(ctx, shard, blocks)
}
