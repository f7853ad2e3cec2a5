package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"lighter/exporters/receiver"
)

// The demo must notice a loss. The test itself pushes the lines of the containers, first all of them and
// then not all.
func TestCompareSeesEveryLoss(t *testing.T) {
	h, err := NewSimulated()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()

	apiSet, api := started(h.api)
	dbSet, db := started(h.db)
	workerSet, worker := started(h.worker)
	cut := []push.Entry{{Timestamp: worker[0].Timestamp, Line: worker[0].Line[1:]}}
	late := []push.Entry{{Timestamp: worker[0].Timestamp.Add(1), Line: worker[0].Line}}

	for name, tc := range map[string]struct {
		worker push.Stream
		lost   int
		notes  int
	}{
		"whole":              {push.Stream{Labels: workerSet, Entries: worker}, 0, 0},
		"sent twice":         {push.Stream{Labels: workerSet, Entries: append(worker, worker...)}, 0, 0},
		"a byte less":        {push.Stream{Labels: workerSet, Entries: cut}, 1, 1},
		"a nanosecond later": {push.Stream{Labels: workerSet, Entries: late}, 1, 1},
		"another container":  {push.Stream{Labels: apiSet, Entries: worker}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			arrived := receiver.New(receiver.Options{})
			pushTo(t, arrived, push.Stream{Labels: apiSet, Entries: api}, push.Stream{Labels: dbSet, Entries: db}, tc.worker)
			r, err := h.Compare(t.Context(), arrived)
			if err != nil {
				t.Fatal(err)
			}
			if r.Lost() != tc.lost || len(r.Notes) != tc.notes {
				t.Errorf("lost %d, notes %q; want %d and %d of them; lines %+v", r.Lost(), r.Notes, tc.lost, tc.notes, r.Lines)
			}
		})
	}
}

// A scrape that was served and whose samples did not arrive is a loss.
func TestCompareSeesALostScrape(t *testing.T) {
	h, err := NewSimulated()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	arrived := receiver.New(receiver.Options{})
	before, err := h.Compare(t.Context(), arrived)
	if err != nil {
		t.Fatal(err)
	}
	h.page.ServeHTTP(httptest.NewRecorder(), nil)
	after, err := h.Compare(t.Context(), arrived)
	if err != nil {
		t.Fatal(err)
	}
	if before.Samples.Produced != 0 || after.Samples.Produced == 0 || after.Samples.Delivered != 0 {
		t.Errorf("samples before %+v, after a scrape %+v", before.Samples, after.Samples)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(stopped, func(string) {}); err != nil {
		t.Fatal(err)
	}
	h.page.ServeHTTP(httptest.NewRecorder(), nil)
	if last, _ := h.Compare(t.Context(), arrived); last.Samples != after.Samples {
		t.Errorf("a scrape after the end counts: %+v, then %+v", after.Samples, last.Samples)
	}
}

// started returns the stream of the single line that a container has written at its start, and its entry.
func started(w *writer) (string, []push.Entry) {
	e := w.lines()["stdout"][0]
	return fmt.Sprintf(`{container=%q, stream="stdout"}`, w.container.Name()), []push.Entry{{Timestamp: time.Unix(0, e.Time), Line: e.Line}}
}

func pushTo(t *testing.T, s *receiver.Server, streams ...push.Stream) {
	t.Helper()
	for _, one := range streams {
		raw, err := (&push.PushRequest{Streams: []push.Stream{one}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest("POST", receiver.PushPath, bytes.NewReader(snappy.Encode(nil, raw)))
		req.Header.Set("Content-Type", "application/x-protobuf")
		req.Header.Set("Content-Encoding", "snappy")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code != http.StatusNoContent {
			t.Fatalf("push = %d %s", w.Code, w.Body)
		}
	}
}
