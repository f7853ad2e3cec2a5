package push

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/client_golang/prometheus"

	"lighter"
)

// backend is a lighter.Logs that keeps what it takes.
type backend struct {
	mu      sync.Mutex
	lines   []string // stream, time, line and fields
	batches []*lighter.Batch
	hold    bool // acknowledges nothing
	refuse  bool // refuses all entries for good
	full    bool // has no room
	times   bool // the times of entries are kept
}

func (b *backend) Append(ctx context.Context, batch *lighter.Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		return ctx.Err()
	}
	for i := range batch.Entries {
		e := &batch.Entries[i]
		text := batch.Streams[e.Stream].Labels.String() + " "
		if b.times {
			text += fmt.Sprint(e.Time, " ")
		}
		text += string(e.Line)
		for _, f := range batch.Fields(e) {
			text += fmt.Sprintf(" %s=%q", f.Name, f.Value)
		}
		b.lines = append(b.lines, text)
	}
	if b.refuse {
		batch.Refuse(len(batch.Entries))
	}
	if b.hold {
		batch.Hold()
		b.batches = append(b.batches, batch)
	}
	return nil
}

// acknowledge lets go of all that is held.
func (b *backend) acknowledge() {
	b.mu.Lock()
	held := b.batches
	b.batches = nil
	b.mu.Unlock()
	for _, one := range held {
		one.Done()
	}
}

func (b *backend) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines
}

func newServer(o Options) *Server {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	o.Logger = slog.New(slog.DiscardHandler)
	return New(o)
}

// delivering runs what hands on entries, without a listener, until the test ends.
func delivering(t testing.TB, s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.deliver(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// send sends a request to the handler. Each header is "Name: value".
func send(s *Server, path string, body []byte, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	return w
}

const (
	lokiPush  = "/loki/api/v1/push"
	jsonType  = "Content-Type: application/json"
	protoType = "Content-Type: application/x-protobuf"
)

func protobuf(t testing.TB, streams ...push.Stream) []byte {
	t.Helper()
	b, err := (&push.PushRequest{Streams: streams}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

func stream(labels string, lines ...string) push.Stream {
	s := push.Stream{Labels: labels}
	for i, line := range lines {
		s.Entries = append(s.Entries, push.Entry{Timestamp: time.Unix(0, int64(i+1)), Line: line})
	}
	return s
}

func compressed(t testing.TB, name string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch name {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	case "deflate":
		w, _ = flate.NewWriter(&out, flate.DefaultCompression)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
