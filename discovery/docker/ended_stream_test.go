package docker_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/discovery/dockersim"
)

// endingEvents makes an Engine's streams of events end after a time, as a proxy before its socket does. It
// calls end to end them in the proxy's way.
func endingEvents(e *dockersim.Engine, after time.Duration, end func()) {
	type passed struct{}
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/events") || r.Context().Value(passed{}) != nil {
			return false
		}
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), passed{}, true), after)
		defer cancel()
		e.ServeHTTP(w, r.WithContext(ctx))
		end()
		return true
	})
}

// An Engine behind a proxy that ends idle streams counts as reachable all the time.
func TestAStreamOfEventsThatAProxyEndsIsOpenedAgainWithoutALogLine(t *testing.T) {
	for name, end := range map[string]func(){
		"whole": func() {},
		"cut":   func() { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config("unix:///run/docker.sock")
				b := newBubble(t, cfg)
				defer b.close()
				b.network.up(b.engine)
				endingEvents(b.engine, 2*time.Second, end)
				want := []string{"api"}
				b.engine.Create(dockersim.Spec{Name: "api"}).Start()
				b.run(t, cfg)
				time.Sleep(time.Second)
				for range 200 { // periods of ten seconds, in each of which a stream ends five times
					for range 100 {
						time.Sleep(100 * time.Millisecond)
						if st := b.client.Status(); !st.Reachable {
							t.Fatalf("%s after the start: %s", time.Since(b.start), st.Err)
						}
					}
				}
				for _, name := range []string{"b", "c", "d", "e", "f"} { // one of them starts in the moment in which a stream ends
					time.Sleep(400 * time.Millisecond)
					b.engine.Create(dockersim.Spec{Name: name}).Start()
					want = append(want, name)
					time.Sleep(time.Second)
					if got := b.names(); !slices.Equal(got, want) {
						t.Errorf("containers = %v, want %v", got, want)
					}
				}
				if s := b.log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "connected to the Docker Engine") {
					t.Errorf("want one line, that it is connected:\n%s", s)
				}

				b.network.down(b.engine)
				time.Sleep(3 * time.Second)
				if st := b.client.Status(); st.Reachable || !strings.Contains(b.log.String(), "nobody listens") {
					t.Errorf("an Engine that is away: %+v; log:\n%s", st, b.log)
				}
			})
		})
	}
}

// Streams that end as soon as they begin are a failure, because no events can be followed.
func TestStreamsOfEventsThatEndAtOnceAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		endingEvents(b.engine, 0, func() {})
		b.run(t, cfg)
		time.Sleep(time.Hour)
		if st := b.client.Status(); st.Reachable || !strings.Contains(st.Err, "ended the stream") {
			t.Errorf("status = %+v", st)
		}
		if n := strings.Count(b.log.String(), "cannot be reached"); n > 2 { // the first may end a moment after it was opened
			t.Errorf("logged %d times, want once:\n%s", n, b.log)
		}
		b.engine.Intercept(nil)
		time.Sleep(10 * time.Second)
		if st := b.client.Status(); !st.Reachable {
			t.Errorf("streams last again: %+v", st)
		}
		requests := 0 // endingEvents doubles each request
		for _, r := range b.engine.Requests() {
			if strings.HasSuffix(r.Path, "/events") {
				requests++
			}
		}
		if streams := requests / 2; streams > 2500 {
			t.Errorf("%d streams in an hour, want about one every two seconds", streams)
		}
	})
}
