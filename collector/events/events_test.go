package events_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/events"
	"lighter/collector/position"
	"lighter/collector/tail/tailtest"
)

const key = "logs/loki/events"

// bench is a Source and what it works with. All of it is in a synctest bubble, whose clock is also the
// Engine's.
type bench struct {
	t         *testing.T
	positions *position.Store
	sink      *tailtest.Sink
	source    *events.Source
	logged    *strings.Builder
	stop      func()

	mu    sync.Mutex
	known map[string]*lighter.Stream // the containers that discovery knows; the stream is nil if a log is not shipped
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, positions: position.InMemory(), sink: tailtest.NewSink(), logged: &strings.Builder{}, known: map[string]*lighter.Stream{}}
	b.find("api", true)
	b.start()
	return b
}

// find makes a container known to discovery.
func (b *bench) find(container string, shipped bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[container] = nil
	if shipped {
		b.known[container] = lighter.NewStream(labels.FromStrings("stream", container))
	}
}

// start starts a Source, as a process does.
func (b *bench) start() {
	b.source = events.New(events.Options{
		Logs: b.sink, Positions: b.positions, Key: key, Logger: slog.New(slog.NewTextHandler(b.logged, nil)),
		Stream: func(container string) (*lighter.Stream, bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			s, known := b.known[container]
			return s, known
		},
	})
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.source.Run(ctx); err != nil {
			b.t.Error(err)
		}
	}()
	b.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	b.t.Cleanup(func() { b.stop() })
}

// kill starts the Source of another process, which knows only what was acknowledged.
func (b *bench) kill() {
	acked := b.positions.Acked(key)
	b.stop()
	b.positions = position.InMemory()
	b.positions.Cursor(key).Start(acked)
	b.sink = tailtest.NewSink()
	b.start()
}

// tell passes events to the Source, as discovery does.
func (b *bench) tell(all ...lighter.Event) {
	for _, e := range all {
		b.source.Tell(e)
	}
	synctest.Wait()
}

func (b *bench) want(lines ...string) {
	b.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(lines, b.sink.Lines()); diff != "" {
		b.t.Fatalf("lines (-want +have):\n%s", diff)
	}
}

func (b *bench) wantAcked(at int64) {
	b.t.Helper()
	if got := b.positions.Acked(key).Time; got != at {
		b.t.Errorf("the position is %d, want %d", got-start, at-start)
	}
}

// start is when a bubble begins.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// died is a die event at a time after start; the time is also its exit code.
func died(container string, at int) lighter.Event {
	return lighter.Event{Time: start + int64(at), Container: container, Action: "die", ExitCode: at}
}

func line(container string, at int) string {
	return fmt.Sprintf("%s: event=die exit_code=%d", container, at)
}

func TestLines(t *testing.T) {
	for name, tc := range map[string]struct {
		event lighter.Event
		line  string // empty if it is not shipped
		level string
	}{
		"start":               {lighter.Event{Action: "start", Image: `shop/api:"1"`}, `event=start image="shop/api:\"1\""`, "info"},
		"die":                 {lighter.Event{Action: "die"}, "event=die exit_code=0", "info"},
		"die with an error":   {lighter.Event{Action: "die", ExitCode: 3}, "event=die exit_code=3", "error"},
		"die of a signal":     {lighter.Event{Action: "die", ExitCode: 137}, "event=die exit_code=137 signal=SIGKILL", "error"},
		"die, no signal":      {lighter.Event{Action: "die", ExitCode: 255}, "event=die exit_code=255", "error"},
		"die of Podman":       {lighter.Event{Action: "died", ExitCode: 143}, "event=die exit_code=143 signal=SIGTERM", "error"},
		"oom":                 {lighter.Event{Action: "oom"}, "event=oom", "error"},
		"healthy":             {lighter.Event{Action: "health_status", Health: "healthy"}, "event=health_status status=healthy", "info"},
		"unhealthy":           {lighter.Event{Action: "health_status", Health: "unhealthy"}, "event=health_status status=unhealthy", "warn"},
		"one of no interest":  {lighter.Event{Action: "rename"}, "", ""},
		"one that is unknown": {lighter.Event{}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				var levels []string
				b.stop()
				end := &described{Sink: b.sink, levels: &levels}
				s := events.New(events.Options{Logs: end, Positions: b.positions, Key: key, Logger: slog.New(slog.DiscardHandler),
					Stream: func(string) (*lighter.Stream, bool) { return b.known["api"], true }})
				ctx, cancel := context.WithCancel(t.Context())
				defer synctest.Wait()
				defer cancel()
				go func() { _ = s.Run(ctx) }()
				tc.event.Time, tc.event.Container = start+1, "api"
				s.Tell(tc.event)
				synctest.Wait()
				var want, wantLevels []string
				if tc.line != "" {
					want, wantLevels = []string{"api: " + tc.line}, []string{"detected_level=" + tc.level}
				}
				if diff := cmp.Diff(want, b.sink.Lines()) + cmp.Diff(wantLevels, levels); diff != "" {
					t.Errorf("line and level (-want +have):\n%s", diff)
				}
			})
		})
	}
}

// described records the fields of entries.
type described struct {
	*tailtest.Sink
	levels *[]string
}

func (d *described) Append(ctx context.Context, b *lighter.Batch) error {
	for i := range b.Entries {
		for _, f := range b.Fields(&b.Entries[i]) {
			*d.levels = append(*d.levels, fmt.Sprintf("%s=%s", f.Name, f.Value))
		}
	}
	return d.Sink.Append(ctx, b)
}

// The position is the time of the last acknowledged event before which all are acknowledged. After a kill
// only the events since then are delivered.
func TestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if got := b.source.Since(); got != start {
			t.Errorf("events are wanted since %d, want since the start", got-start)
		}
		b.tell(died("api", 1))
		b.tell(died("api", 2))
		b.tell(died("api", 3))
		b.want(line("api", 1), line("api", 2), line("api", 3))
		if got := b.sink.Times(); !slices.Equal(got, []int64{start + 1, start + 2, start + 3}) {
			t.Errorf("the entries have the times %d", got)
		}
		b.wantAcked(start)
		b.sink.Ack(2)
		b.wantAcked(start + 2)
		if got := b.source.Since(); got != start+3 {
			t.Errorf("events are wanted since %d, want since the last that was told", got-start)
		}
		b.kill()
		if got := b.source.Since(); got != start+2 {
			t.Errorf("after a kill events are wanted since %d, want since the last that was delivered", got-start)
		}
		b.tell(died("api", 1), died("api", 2), died("api", 3), died("api", 4))
		b.want(line("api", 3), line("api", 4))
		b.sink.AckAll()
		b.wantAcked(start + 4)
	})
}

// Events that the Engine repeats after a reconnect are delivered once, even if they are repeated in another
// order.
func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.tell(died("api", 1), died("api", 2), died("api", 2))
		b.tell(died("api", 2), died("api", 1), died("api", 3))
		b.want(line("api", 1), line("api", 2), line("api", 3))
		same := died("api", 3)
		same.Action = "oom" // another event of the same time
		b.tell(died("api", 3), same)
		b.want(line("api", 1), line("api", 2), line("api", 3), "api: event=oom")
		// The Engine repeats all events that it keeps.
		var all []lighter.Event
		for i := range 256 {
			all = append(all, died("api", 1000+i))
			b.tell(all[i])
		}
		n := len(b.sink.Lines())
		b.tell(all...)
		if again := len(b.sink.Lines()) - n; again != 0 {
			t.Errorf("%d events were delivered twice", again)
		}
	})
}

// An event that arrives after a later one is delivered, and the position does not go back to it.
func TestOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.tell(died("api", 20))
		b.sink.AckAll()
		b.wantAcked(start + 20)
		b.tell(died("api", 10))
		b.want(line("api", 20), line("api", 10))
		b.sink.AckAll()
		b.wantAcked(start + 20)
		b.kill()
		b.tell(died("api", 20), died("api", 10), died("api", 30))
		b.want(line("api", 30))
	})
}

// An event of a container whose log is not shipped is dropped, and delays no other.
func TestAContainerThatIsNotShipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.find("private", false)
		b.tell(died("private", 1), died("api", 2), died("private", 3))
		b.want(line("api", 2))
		b.sink.AckAll()
		b.wantAcked(start + 3)
		b.kill()
		b.tell(died("private", 3), died("api", 4))
		b.want(line("api", 4))
	})
}

// An event waits for discovery to describe its container. Later events wait behind it, and after a while it
// is dropped.
func TestAContainerThatIsNotKnownYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.tell(died("new", 1), died("api", 2))
		time.Sleep(9 * time.Second)
		b.want()
		b.find("new", true)
		time.Sleep(time.Second / 2)
		b.want(line("new", 1), line("api", 2))
		b.tell(died("never", 3), died("api", 4))
		time.Sleep(9 * time.Second)
		b.want(line("new", 1), line("api", 2))
		time.Sleep(2 * time.Second)
		b.want(line("new", 1), line("api", 2), line("api", 4))
	})
}

// The stream of an event is the one that its container had when the event arrived.
func TestAContainerThatIsGoneSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		open := b.sink.Block()
		b.tell(died("api", 1)) // is being handed on
		b.tell(died("api", 2))
		b.mu.Lock()
		delete(b.known, "api")
		b.mu.Unlock()
		open()
		b.want(line("api", 1), line("api", 2))
	})
}

// While there is no room, no more events wait than an Engine would repeat, and the log reports that once. A
// Source that ends in the meantime has not moved the position.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		open := b.sink.Block()
		b.tell(died("api", 1)) // is being handed on
		for i := range 300 {
			b.tell(died("api", 2+i))
		}
		open()
		synctest.Wait()
		if n := len(b.sink.Lines()); n != 1+256 {
			t.Errorf("%d events were delivered, want 257", n)
		}
		if n := strings.Count(b.logged.String(), "come faster"); n != 1 {
			t.Errorf("the log says %d times that events were left out, want once:\n%s", n, b.logged)
		}
		b.sink.AckAll()
		b.sink.Block()
		b.tell(died("api", 1000))
		b.kill()
		b.wantAcked(start + 257)
		b.tell(died("api", 1000))
		b.want(line("api", 1000))
	})
}
