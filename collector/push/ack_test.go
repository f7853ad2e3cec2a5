package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/internal/pipenet"
)

// inBackground sends a request and gives its answer when that comes.
func inBackground(s *Server, body []byte) <-chan *http.Response {
	response := make(chan *http.Response, 1)
	go func() { response <- send(s, lokiPush, body).Result() }()
	return response
}

func answered(c <-chan *http.Response) int {
	select {
	case r := <-c:
		return r.StatusCode
	default:
		return 0
	}
}

// Nothing is answered with 204 before all endpoints have acknowledged it.
func TestAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := &backend{hold: true}, &backend{hold: true}
		s := newServer(Options{Logs: []lighter.Logs{one, two}})
		delivering(t, s)
		response := inBackground(s, protobuf(t, stream(`{a="b"}`, "x")))
		time.Sleep(AckTimeout / 2)
		one.acknowledge()
		synctest.Wait()
		if n := answered(response); n != 0 {
			t.Fatalf("answered with %d before the second endpoint has acknowledged", n)
		}
		two.acknowledge()
		synctest.Wait()
		if n := answered(response); n != 204 {
			t.Errorf("status %d", n)
		}
	})
}

// A request that is sent again because it was not acknowledged in time is not handed on twice.
func TestSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{hold: true}
		s := newServer(Options{Logs: []lighter.Logs{b}})
		delivering(t, s)
		body := protobuf(t, stream(`{a="b"}`, "x"))
		for range 3 {
			start := time.Now()
			r := <-inBackground(s, body)
			if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || time.Since(start) != AckTimeout {
				t.Fatalf("status %d after %s, Retry-After %q", r.StatusCode, time.Since(start), r.Header.Get("Retry-After"))
			}
		}
		b.acknowledge()
		time.Sleep(time.Minute) // the sender backs off
		if r := <-inBackground(s, body); r.StatusCode != 204 {
			t.Errorf("status %d", r.StatusCode)
		}
		if n := len(b.got()); n != 1 {
			t.Errorf("%d entries, want 1", n)
		}
		b.hold = false
		if r := <-inBackground(s, body); r.StatusCode != 204 || len(b.got()) != 2 {
			t.Errorf("status %d, %d entries: the same request as a new one is to be taken", r.StatusCode, len(b.got()))
		}
	})
}

func TestSenderGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{hold: true}
		s := newServer(Options{Logs: []lighter.Logs{b}})
		delivering(t, s)
		body := protobuf(t, stream(`{a="b"}`, "x"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, lokiPush, strings.NewReader(string(body)))
		s.http.Handler.ServeHTTP(&recorder{header: http.Header{}}, r)
		b.acknowledge()
		if r := <-inBackground(s, body); r.StatusCode != 204 || len(b.got()) != 1 {
			t.Errorf("status %d, %d entries", r.StatusCode, len(b.got()))
		}
	})
}

// While the endpoints have no room, the first request is on its way and waits, and the others are not taken.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{full: true}
		s := newServer(Options{Logs: []lighter.Logs{b}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { s.deliver(ctx) })
		var answers []<-chan *http.Response
		for i := range 5 {
			answers = append(answers, inBackground(s, protobuf(t, stream(`{a="b"}`, fmt.Sprint(i)))))
		}
		for _, c := range answers {
			if r := <-c; r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
				t.Errorf("status %d", r.StatusCode)
			}
		}
		if s.room.used == 0 || s.room.used > 200 {
			t.Errorf("%d bytes are counted, want those of one request", s.room.used)
		}
		cancel()
		wg.Wait()
	})
}

// What requests keep together is bounded, and one that is alone may be larger than that.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{hold: true}
		s := newServer(Options{Logs: []lighter.Logs{b}})
		delivering(t, s)
		large := inBackground(s, protobuf(t, stream(`{a="b"}`, strings.Repeat("x", maxHeldBytes+1))))
		synctest.Wait()
		if n := answered(large); n != 0 {
			t.Fatalf("status %d of a request that is alone", n)
		}
		small := protobuf(t, stream(`{a="b"}`, "x"))
		if r := <-inBackground(s, small); r.StatusCode != 429 || r.Header.Get("Retry-After") == "" {
			t.Errorf("status %d when there is no room", r.StatusCode)
		}
		b.acknowledge()
		synctest.Wait()
		if n := answered(large); n != 204 {
			t.Errorf("status %d", n)
		}
		b.hold = false
		if r := <-inBackground(s, small); r.StatusCode != 204 || s.room.used != 0 {
			t.Errorf("status %d, %d bytes are still counted", r.StatusCode, s.room.used)
		}
	})
}

// The lines of a request are parts of one buffer, unless they come in JSON. However few of them are left when rules
// have dropped the others, all of that buffer is counted until the last entry is acknowledged.
func TestRoomOfDroppedLines(t *testing.T) {
	const size = 1 << 20
	drop := relabel.DefaultRelabelConfig
	drop.Action, drop.SourceLabels, drop.Regex, drop.NameValidationScheme = relabel.Drop, model.LabelNames{"level"}, relabel.MustNewRegexp("debug"), model.LegacyValidation
	long := strings.Repeat("x", size)
	metadata := stream(`{a="b"}`, "kept")
	metadata.Entries[0].StructuredMetadata = []push.LabelAdapter{{Name: "k", Value: long}}
	for name, tc := range map[string]struct {
		path        string
		body        []byte
		headers     []string
		least, most int64
	}{
		"a rule drops a stream":      {body: protobuf(t, stream(`{level="debug"}`, long), stream(`{a="b"}`, "kept")), least: size, most: size + 1000},
		"the labels of one are bad":  {body: protobuf(t, stream(`{level`, long), stream(`{a="b"}`, "kept")), least: size, most: size + 1000},
		"structured metadata":        {body: protobuf(t, metadata), least: size, most: 2*size + 1000},
		"everything is dropped":      {body: protobuf(t, stream(`{level="debug"}`, long)), least: 0, most: 0},
		"lines without text":         {path: "/api/v1/raw", body: []byte(strings.Repeat("\n", size) + "kept"), least: size, most: 2*size + 1000},
		"json, a copy for each line": {body: []byte(`{"streams":[{"stream":{"level":"debug"},"values":[["1","` + long + `"]]},{"stream":{"a":"b"},"values":[["1","kept"]]}]}`), headers: []string{jsonType}, least: 4, most: 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backend{hold: true}
				s := newServer(Options{Logs: []lighter.Logs{b}, Rules: []*relabel.Config{&drop}})
				delivering(t, s)
				path := tc.path
				if path == "" {
					path = lokiPush
				}
				response := make(chan int, 1)
				go func() { response <- send(s, path, tc.body, tc.headers...).Code }()
				synctest.Wait()
				if used := s.room.used; used < tc.least || used > tc.most {
					t.Errorf("%d bytes are counted, want %d to %d", used, tc.least, tc.most)
				}
				b.acknowledge()
				if <-response; s.room.used != 0 {
					t.Errorf("%d bytes are still counted when all is acknowledged", s.room.used)
				}
			})
		})
	}
}

// Where memory is limited, a request that is alone may not take all of it.
func TestRoomOfLimitedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		s := newServer(Options{Logs: []lighter.Logs{b}, Memory: 128 << 20})
		delivering(t, s)
		if r := <-inBackground(s, protobuf(t, stream(`{a="b"}`, strings.Repeat("x", 65<<20)))); r.StatusCode != 413 {
			t.Errorf("status %d of a request that takes more than half of the memory", r.StatusCode)
		}
		if r := <-inBackground(s, protobuf(t, stream(`{a="b"}`, "x"))); r.StatusCode != 204 {
			t.Errorf("status %d of a small request", r.StatusCode)
		}
	})
}

// A request for whose entries there is no room is not said to be wrong.
func TestRoomForEntries(t *testing.T) {
	body := []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x"],["2","x"],["3","x"]]}]}`)
	for kind, body := range map[string][]byte{"application/json": body, "application/x-protobuf": protobuf(t, stream(`{a="b"}`, "x", "x", "x"))} {
		for free := int64(0); free < 4<<10; free += 16 {
			s := newServer(Options{Logs: []lighter.Logs{&backend{}}})
			s.room.used = maxHeldBytes - free
			got := &taken{s: s, lease: &lease{room: &s.room}}
			r := httptest.NewRequest(http.MethodPost, lokiPush, bytes.NewReader(body))
			r.Header.Set("Content-Type", kind)
			if err := s.decode(r, body, got); errors.Is(err, errBusy) && err != errBusy {
				t.Fatalf("%s: with %d bytes free: %v", kind, free, err)
			}
		}
	}
}

// A request that is sent again waits for its entries, and its body is not counted meanwhile.
func TestRoomOfRequestThatIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{hold: true}
		s := newServer(Options{Logs: []lighter.Logs{b}})
		delivering(t, s)
		body := protobuf(t, stream(`{a="b"}`, "x"))
		<-inBackground(s, body)
		used := s.room.used
		again := inBackground(s, body)
		synctest.Wait()
		if s.room.used != used {
			t.Errorf("%d bytes are counted, and %d when the request came first", s.room.used, used)
		}
		b.acknowledge()
		if r := <-again; r.StatusCode != 204 || s.room.used != 0 {
			t.Errorf("status %d, %d bytes are still counted", r.StatusCode, s.room.used)
		}
	})
}

func TestManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{hold: true}
		s := newServer(Options{Logs: []lighter.Logs{b}})
		delivering(t, s)
		var answers []<-chan *http.Response
		for range maxRequests {
			answers = append(answers, inBackground(s, protobuf(t, stream(`{a="b"}`, "x"))))
		}
		synctest.Wait()
		if r := <-inBackground(s, protobuf(t, stream(`{a="b"}`, "x"))); r.StatusCode != 429 {
			t.Errorf("status %d", r.StatusCode)
		}
		b.acknowledge()
		for _, c := range answers {
			if r := <-c; r.StatusCode != 204 {
				t.Errorf("status %d", r.StatusCode)
			}
		}
	})
}

func TestRefusedForGood(t *testing.T) {
	b := &backend{refuse: true}
	s := newServer(Options{Logs: []lighter.Logs{b}})
	delivering(t, s)
	w := send(s, lokiPush, protobuf(t, stream(`{a="b"}`, "x", "y")))
	if w.Code != 400 || !strings.Contains(w.Body.String(), "the backend has refused 2 of 2 entries for good") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestUnansweredIsBounded(t *testing.T) {
	var u unanswered
	for i := range 2 * maxUnanswered {
		u.remember(requestKey{byte(i), byte(i >> 8)}, &delivery{})
	}
	if len(u.list) != maxUnanswered {
		t.Errorf("%d are remembered", len(u.list))
	}
	if u.claim(requestKey{}) != nil || u.claim(requestKey{0xff, 0x07}) == nil || u.claim(requestKey{0xff, 0x07}) != nil {
		t.Error("the newest are to be remembered, each for one request")
	}
}

func TestAddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = newServer(Options{Listen: l.Addr().String()}).Run(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("err = %v", err)
	}
}

// running starts a Server, and returns what ends it.
func running(t *testing.T, o Options) (stop func()) {
	t.Helper()
	s := newServer(o)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	return run(t, s)
}

// run runs a Server that listens, and returns what ends it.
func run(t *testing.T, s *Server) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// A flood over restarts: what was answered with 204 is there, and nothing is there twice.
func TestFloodOverRestarts(t *testing.T) {
	b := &backend{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	var delivered, failed atomic.Int64
	var senders sync.WaitGroup
	var mu sync.Mutex
	sure := map[string]bool{}
	end := make(chan struct{})
	for sender := range 8 {
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := 0; ; i++ {
				select {
				case <-end:
					return
				default:
				}
				line := fmt.Sprintf("%d-%d", sender, i)
				r, err := client.Post("http://"+addr+lokiPush, "application/json", strings.NewReader(fmt.Sprintf(`{"streams":[{"stream":{"a":"b"},"values":[["1",%q]]}]}`, line)))
				if err != nil {
					failed.Add(1)
					time.Sleep(time.Millisecond)
					continue
				}
				_ = r.Body.Close()
				if r.StatusCode == 204 {
					delivered.Add(1)
					mu.Lock()
					sure[line] = true
					mu.Unlock()
				}
			}
		})
	}
	for restart := range 5 {
		before := delivered.Load()
		stop := running(t, Options{Listen: addr, Logs: []lighter.Logs{b}})
		for delivered.Load() < before+200 {
			time.Sleep(time.Millisecond)
		}
		stop()
		t.Logf("run %d: %d delivered, %d failed", restart, delivered.Load(), failed.Load())
	}
	close(end)
	senders.Wait()
	there := map[string]int{}
	for _, line := range b.got() {
		there[strings.TrimPrefix(line, `{a="b"} `)]++
	}
	for line := range sure {
		if there[line] == 0 {
			t.Errorf("%s was acknowledged and is not there", line)
		}
	}
	for line, n := range there {
		if n != 1 {
			t.Errorf("%s was sent once and is there %d times", line, n)
		}
	}
}

// A stop lets requests have their acknowledgement, and does not wait for ever.
func TestStop(t *testing.T) {
	for name, tc := range map[string]struct {
		acknowledged bool // half way
		status       int
		after        time.Duration
	}{
		"acknowledged":     {true, 204, stopTimeout / 2},
		"not acknowledged": {false, 503, stopTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backend{hold: true}
				s := newServer(Options{Logs: []lighter.Logs{b}})
				network := pipenet.Listen()
				s.listener = network
				stop := run(t, s)
				client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return network.Dial(ctx) }}}
				defer client.CloseIdleConnections()
				response := make(chan int, 1)
				go func() {
					r, err := client.Post("http://lighter.test"+lokiPush, "application/json", strings.NewReader(`{"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}]}`))
					if err != nil {
						t.Error(err)
						response <- 0
						return
					}
					_ = r.Body.Close()
					response <- r.StatusCode
				}()
				synctest.Wait()
				if n := len(b.got()); n != 1 {
					t.Fatalf("%d entries are handed on before the stop, want 1", n)
				}
				start := time.Now()
				stopped := make(chan struct{})
				go func() { stop(); close(stopped) }()
				time.Sleep(stopTimeout / 2)
				synctest.Wait()
				select {
				case <-stopped:
					t.Error("the stop has not waited for the request")
				default:
				}
				if tc.acknowledged {
					b.acknowledge()
				}
				if status, took := <-response, time.Since(start); status != tc.status || took != tc.after {
					t.Errorf("status %d after %s, want %d after %s", status, took, tc.status, tc.after)
				}
				<-stopped
			})
		})
	}
}
