package docker_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/discovery/dockersim"
)

// interceptInfo makes f respond to GET /info. If f returns false, the Engine responds as usual.
func interceptInfo(e *dockersim.Engine, f func(w http.ResponseWriter, r *http.Request) bool) {
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/info") && f(w, r)
	})
}

func failInfo(w http.ResponseWriter, _ *http.Request) bool {
	http.Error(w, `{"message":"plugin is broken"}`, http.StatusInternalServerError)
	return true
}

func hangInfo(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

func cutInfo(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

// The containers of an Engine that does not report its host's name are followed nevertheless, and the
// reason is logged once.
func TestTargetsComeWithoutTheHostsName(t *testing.T) {
	for name, info := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"500":            failInfo,
		"hangs":          hangInfo,
		"cut connection": cutInfo,
		"403": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config("unix:///run/docker.sock")
				b := newBubble(t, cfg)
				defer b.close()
				b.network.up(b.engine)
				b.engine.Create(dockersim.Spec{Name: "api"}).Start()
				interceptInfo(b.engine, info)
				b.run(t, cfg)
				time.Sleep(4 * time.Second)
				if got := b.names(); len(got) != 1 {
					t.Fatalf("targets = %q after 4 s, want api; status: %+v; log:\n%s", got, b.client.Status(), b.log)
				}
				if host := b.host(); host != "" {
					t.Errorf("host = %q, want none", host)
				}
				if st := b.client.Status(); !st.Reachable {
					t.Errorf("status = %+v, want it reachable", st)
				}
				for range 3 {
					b.network.down(b.engine)
					time.Sleep(time.Minute)
					b.network.up(b.engine)
					time.Sleep(time.Minute)
				}
				if n := strings.Count(b.log.String(), "does not tell"); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, b.log)
				}
				interceptInfo(b.engine, failInfo)
				b.network.down(b.engine)
				time.Sleep(time.Minute)
				b.network.up(b.engine)
				time.Sleep(time.Minute)
				if n := strings.Count(b.log.String(), "does not tell"); name != "500" && n != 2 {
					t.Errorf("logged %d times, want once more for another reason:\n%s", n, b.log)
				}
			})
		})
	}
}

// A name is kept if the Engine no longer reports it.
func TestTheHostsNameStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		b.engine.Create(dockersim.Spec{Name: "api"}).Start()
		b.run(t, cfg)
		time.Sleep(time.Minute)
		interceptInfo(b.engine, failInfo)
		for range 3 {
			if host := b.host(); host != "dockersim" {
				t.Errorf("host = %q, want the name told first", host)
			}
			b.network.down(b.engine)
			time.Sleep(time.Minute)
			b.network.up(b.engine)
			time.Sleep(time.Minute)
		}
	})
}

// If the settings name the host, the Engine is not asked for its name, and nothing depends on GET /info.
func TestTheHostsNameIsNotAskedForIfItIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		cfg.HostNameSet = true
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		b.engine.Create(dockersim.Spec{Name: "api"}).Start()
		interceptInfo(b.engine, hangInfo)
		b.run(t, cfg)
		time.Sleep(time.Second)
		if got := b.names(); len(got) != 1 {
			t.Errorf("targets = %q after a second, want api", got)
		}
		for _, r := range b.engine.Requests() {
			if strings.HasSuffix(r.Path, "/info") {
				t.Error("GET /info was asked")
			}
		}
	})
}

// host returns the Engine's name of its host, from the labels of the first target in the newest set.
func (b *bubble) host() string {
	calls := b.calls()
	if len(calls) == 0 || len(calls[len(calls)-1].targets) == 0 {
		return "no target"
	}
	return calls[len(calls)-1].targets[0].Labels.Get(lighter.LabelDockerHost)
}
