package docker_test

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

// Logs do not need networks, and the address of a target is in the list of containers.
func TestNetworksThatCannotBeListedHoldUpNothing(t *testing.T) {
	for name, respond := range map[string]func(http.ResponseWriter, *http.Request){
		"500":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"refused":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"cut":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hung":     func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config("unix:///run/docker.sock")
				b := newBubble(t, cfg)
				defer b.close()
				b.network.up(b.engine)
				fail := func(w http.ResponseWriter, r *http.Request) bool {
					if strings.HasSuffix(r.URL.Path, "/networks") {
						respond(w, r)
						return true
					}
					return false
				}
				b.engine.CreateNetwork(dockersim.Network{Name: "net", Labels: map[string]string{"a": "b"}})
				want := []string{"api"}
				b.engine.Create(dockersim.Spec{Name: "api", Networks: []dockersim.Endpoint{{Network: "net"}}}).Start()
				b.engine.Intercept(fail)
				b.run(t, cfg)
				label := func(name string) string {
					calls := b.calls()
					if len(calls) == 0 {
						return "nothing was found"
					}
					return calls[len(calls)-1].targets[0].Labels.Get(name)
				}
				check := func(scope string) {
					t.Helper()
					if got := b.names(); !slices.Equal(got, want) {
						t.Errorf("containers = %v, want %v", got, want)
					}
					if st := b.client.Status(); !st.Reachable {
						t.Errorf("status = %+v", st)
					}
					if a, n, s := label("__address__"), label("__meta_docker_network_name"), label("__meta_docker_network_scope"); a != "172.20.0.2:80" || n != "net" || s != scope {
						t.Errorf("address %q, network %q of scope %q, want scope %q", a, n, s, scope)
					}
				}
				time.Sleep(time.Second)
				check("")
				for _, name := range []string{"b", "c", "d"} {
					b.engine.Create(dockersim.Spec{Name: name}).Start()
					want = append(want, name)
					time.Sleep(100 * time.Millisecond)
					check("")
					time.Sleep(10 * time.Minute)
				}
				const failed = "networks cannot be listed"
				if n := strings.Count(b.log.String(), failed); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, b.log)
				}

				b.engine.Intercept(nil)
				time.Sleep(time.Minute)
				check("local")
				if n := strings.Count(b.log.String(), "networks are listed again"); n != 1 {
					t.Errorf("the recovery is logged %d times, want once:\n%s", n, b.log)
				}
				b.engine.Intercept(fail) // the previous networks are kept
				time.Sleep(10 * time.Minute)
				check("local")
				if n := strings.Count(b.log.String(), failed); n != 2 {
					t.Errorf("logged %d times, want twice:\n%s", n, b.log)
				}
			})
		})
	}
}

// Nothing depends on the Engine's version, which is only shown.
func TestAnEngineThatDoesNotTellItsVersion(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	e.Create(dockersim.Spec{Name: "api"}).Start()
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/version") {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	})
	if got, err := docker.New(config(e.Host()), c, slog.New(slog.DiscardHandler)).List(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%v, %v; want the container", got, err)
	}
}
