package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/gate"
)

// proxy puts a socket before the Engine that ends quiet streams, as socket proxies do. That is an orderly
// end: the agent reconnects, and does not report an error.
func (l *lab) proxy(t *testing.T) {
	socket := l.recordingSocket(t)
	socket.EndQuiet(time.Second)
	a := l.agent(t, "proxy", agentOptions{include: "proxy-*", socket: socket.Path})
	quiet := l.generate(t, "proxy-quiet", generatorOptions{says: []string{"out:start %n\n", "wait:5s", "out:later\n", "stay"}})

	bad, body := 0, ""
	for until := time.Now().Add(time.Minute); asked(socket, "/events") < 5; pass(t, 20*time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("the agent asked for events %d times in a minute, and each was ended after a second", asked(socket, "/events"))
		}
		status, answer, err := a.get(t.Context(), "/ready")
		must(t, err)
		if status != http.StatusOK {
			bad, body = bad+1, answer
		}
	}
	if bad > 0 {
		t.Errorf("/ready was not 200 %d times, the last time with %s", bad, body)
	}
	for line := range strings.Lines(a.Output(t.Context(), 1000)) {
		if strings.Contains(line, "cannot be reached") {
			t.Errorf("the agent reports an error that does not exist: %s", line)
			break
		}
	}
	must(t, quiet.StopWithin(t.Context(), 1))
	a.verify(t, 30*time.Second, quiet)
}

// recordingSocket starts a socket before the Engine's, which ends with t.
func (l *lab) recordingSocket(t *testing.T) *gate.Socket {
	t.Helper()
	socket, err := gate.NewSocket(filepath.Join(t.TempDir(), "docker.sock"), l.engine.Socket)
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	return socket
}

// asked returns how often paths with that suffix were requested.
func asked(s *gate.Socket, suffix string) int {
	n := 0
	for r, times := range s.Requests() {
		if strings.HasSuffix(r.Path, suffix) {
			n += times
		}
	}
	return n
}
