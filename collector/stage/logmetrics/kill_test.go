package logmetrics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/stage"
	"lighter/collector/stage/level"
	"lighter/collector/stage/logmetrics"
)

// Whatever is killed, and in whatever order batches are acknowledged, the page equals a recount of the
// lines up to the positions on disk, and none of its counters ever decreases.
func TestKills(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			h := &host{t: t, dir: t.TempDir(), rand: r, seen: map[string]float64{}}
			for i := range 2 {
				l := &hostLog{id: fmt.Sprint("id", i), container: fmt.Sprint("web-", i)}
				for n := range 80 {
					l.lines = append(l.lines, randomLine(r, n))
				}
				h.logs = append(h.logs, l)
			}
			h.start()
			for range 250 {
				l := h.logs[r.IntN(len(h.logs))]
				switch n := r.IntN(100); {
				case n < 45:
					h.read(l)
				case n < 90:
					h.acknowledge(r.IntN(max(1, len(h.held))))
				case n < 96:
					h.restart(l)
				case n < 98:
					l.holding.release()
				default:
					h.start() // after a kill
				}
				h.check()
			}
			for _, l := range h.logs {
				for l.read < len(l.lines) {
					h.read(l)
				}
				l.holding.release()
			}
			for len(h.held) > 0 {
				h.acknowledge(0)
			}
			h.check()
			for _, l := range h.logs {
				if _, n := h.onDisk(l); n != len(l.lines) {
					t.Errorf("the position is after %d lines of %d", n, len(l.lines))
				}
			}
			_ = h.store.Close()
		})
	}
}

func randomLine(r *rand.Rand, n int) string {
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf(`{"msg":"queue","depth":%d}`, r.IntN(100))
	case 1:
		return "WARNING RESEND_API_KEY not set"
	case 2:
		return fmt.Sprintf("level=error error=RATE_LIMITED n=%d", n)
	}
	return fmt.Sprintf(`{"msg":"http_request","path":"/v1/%d","status":%d,"latencyMs":%v,"bytes":%v}`, r.IntN(3), 200+r.IntN(2)*300, r.Float64()*1000, r.Float64())
}

// host is an agent and its logs. It is also the end of all chains.
type host struct {
	t     *testing.T
	dir   string
	rand  *rand.Rand
	logs  []*hostLog
	store *position.Store
	set   *logmetrics.Set
	held  []*lighter.Batch
	seen  map[string]float64 // the highest value of each counter
}

// hostLog is a log. Its line n has the time n+1.
type hostLog struct {
	id, container string
	lines         []string
	cursor        *position.Cursor
	chain         *stage.Chain
	holding       *holding
	read          int
}

// start starts a process, and discards the state of the one before it as a kill does.
func (h *host) start() {
	h.held = nil
	store, err := position.Open(h.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	h.store, h.set = store, newSet(500)
	for _, l := range h.logs {
		h.begin(l)
	}
}

// restart ends the reader of a log and starts another one.
func (h *host) restart(l *hostLog) {
	l.chain.Drop()
	l.cursor.Done()
	h.begin(l)
}

func (h *host) begin(l *hostLog) {
	l.cursor = h.store.Cursor(l.id)
	l.read = int(l.cursor.Read().Time)
	maker := h.set.Maker(logmetrics.Log{
		ID: l.id, Declarations: parse(h.t, declared), Count: true,
		Acknowledged: func() []byte { state, _ := h.onDisk(l); return state },
	})
	hold := stage.Maker{Name: "holding", New: func(of stage.Log, next lighter.Logs) lighter.Logs {
		l.holding = &holding{t: h.t, rand: h.rand, next: next, keep: of.Keep}
		return l.holding
	}}
	l.chain = stage.NewChain(h, stage.Log{Service: "api", Container: l.container}, h.store.State(l.id), hold, maker)
}

// read hands on the next lines of a log, as a tail.Feed does. Sometimes there is no room for them; then the
// reader starts anew.
func (h *host) read(l *hostLog) {
	n := min(1+h.rand.IntN(8), len(l.lines)-l.read)
	if n == 0 {
		return
	}
	b, pos := batchOf(l.lines[l.read:l.read+n]...), l.cursor.Read()
	for range n {
		l.read++
		pos = pos.After(int64(l.read))
	}
	mark := l.cursor.Mark(int64(l.read), pos, position.Bookmark{})
	b.Origin = mark
	b.Begin(mark.Ack)
	ctx := h.t.Context()
	if h.rand.IntN(20) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	if err := l.chain.Append(ctx, b); err != nil {
		mark.Undo()
		h.restart(l)
		return
	}
	b.Done()
}

func (h *host) Append(ctx context.Context, b *lighter.Batch) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.Hold()
	h.held = append(h.held, b)
	return nil
}

func (h *host) acknowledge(n int) {
	if n < len(h.held) {
		b := h.held[n]
		h.held = slices.Delete(h.held, n, n+1)
		b.Done()
	}
}

// onDisk returns what a process that starts now would continue with: the state of the stage, and the number
// of lines that it does not read again.
func (h *host) onDisk(l *hostLog) (state []byte, lines int) {
	file, err := os.ReadFile(filepath.Join(h.dir, "positions.jsonl"))
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		var r struct {
			ID    string `json:"id"`
			Time  int    `json:"t"`
			State []byte `json:"state"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			h.t.Fatal(err)
		}
		if r.ID == l.id {
			state, lines = r.State, r.Time
		}
	}
	// The chain's state contains only that of this stage.
	if head := append([]byte{byte(len(logmetrics.StageName))}, logmetrics.StageName...); bytes.HasPrefix(state, head) {
		state = state[len(head):]
		for state[0]&0x80 != 0 { // its length
			state = state[1:]
		}
		state = state[1:]
	}
	return state, lines
}

// check compares the page with a recount, and with earlier pages.
func (h *host) check() {
	h.t.Helper()
	got, want := page(h.t, h.set.Gatherer()), map[string]float64{}
	for _, l := range h.logs {
		if _, n := h.onDisk(l); n > 0 {
			recount(l.container, l.lines[:n], want)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && got[name] == 0 {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Fatalf("page (-recount +page):\n%s", diff)
	}
	for name, value := range h.seen {
		if got[name] < value {
			h.t.Fatalf("%s went back from %v to %v", name, value, got[name])
		}
	}
	for name, value := range got {
		if name[:5] != "queue" {
			h.seen[name] = value
		}
	}
}

// recount counts lines in the simplest way.
func recount(container string, lines []string, into map[string]float64) {
	const ends = `service="api"`
	first := fmt.Sprintf(`container=%q,`, container)
	add := func(name string, f float64) { into[name] += f }
	for _, line := range lines {
		of, _ := level.Of([]byte(line))
		add(fmt.Sprintf(`lighter_container_log_lines_total{%slevel=%q,%s}`, first, of, ends), 1)
		add(`lighter_container_log_bytes_total{`+first+ends+`}`, float64(len(line)))
		var f struct {
			Msg, Path               string
			Status                  int
			LatencyMs, Bytes, Depth float64
		}
		switch {
		case line == "WARNING RESEND_API_KEY not set":
			add(`loud_total{`+first+ends+`}`, 1)
		case line[0] != '{':
			add(`rate_limited_total{`+first+ends+`}`, 1)
		case json.Unmarshal([]byte(line), &f) != nil:
		case f.Msg == "queue":
			into[`queue_depth{`+first+ends+`}`] = f.Depth
		case f.Msg == "http_request":
			add(fmt.Sprintf(`http_requests_total{%spath=%q,%s,status="%d"}`, first, f.Path, ends, f.Status), 1)
			add(`sent_bytes_total{`+first+ends+`}`, f.Bytes*8)
			labels := fmt.Sprintf(`%spath=%q,%s`, first, f.Path, ends)
			seconds := f.LatencyMs / 1000
			for _, bound := range []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10} {
				more := 0.0
				if seconds <= bound {
					more = 1
				}
				add(fmt.Sprintf(`http_request_duration_seconds_bucket{%s,le="%v"}`, labels, bound), more)
			}
			add(`http_request_duration_seconds_sum{`+labels+`}`, seconds)
			add(`http_request_duration_seconds_count{`+labels+`}`, 1)
		}
	}
}
