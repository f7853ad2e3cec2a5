package docker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

func TestTargetsFollowEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		api := b.engine.Create(dockersim.Spec{Name: "api"})
		b.run(t, cfg)
		var web *dockersim.Container
		for _, step := range []struct {
			do   func()
			want []string
		}{
			{func() {}, []string{"(api)"}},
			{func() { api.Start() }, []string{"api"}},
			{func() { web = b.engine.Create(dockersim.Spec{Name: "web"}); web.Start() }, []string{"api", "web"}},
			{func() { web.Pause() }, []string{"api", "web"}},
			{func() { web.Unpause(); api.Rename("old") }, []string{"old", "web"}},
			{func() { api.Stop(1) }, []string{"(old)", "web"}},
			{func() { api.Remove() }, []string{"web"}},
			{func() { web.Remove() }, []string{}},
		} {
			time.Sleep(time.Second)
			before := len(b.calls())
			start := time.Since(b.start)
			step.do()
			time.Sleep(50 * time.Millisecond) // well below the second within which a container must be seen
			if diff := cmp.Diff(step.want, b.names()); diff != "" {
				t.Errorf("after 50 ms (-want +got):\n%s", diff)
			}
			if calls := b.calls()[before:]; len(calls) > 1 {
				t.Errorf("%d calls after %s for what came at once", len(calls), start)
			}
		}
		if st := b.client.Status(); !st.Reachable || st.APIVersion != "1.51" || st.EngineVersion != "28.5.2" || st.HostName != "dockersim" || st.Err != "" {
			t.Errorf("status = %+v", st)
		}
		before := len(b.calls())
		time.Sleep(time.Hour)
		if n := len(b.calls()) - before; n != 0 {
			t.Errorf("%d calls without a change", n)
		}
	})
}

func TestChangesOfAContainerAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		c := b.engine.Create(dockersim.Spec{Name: "api", TTY: true})
		c.Start()
		b.run(t, cfg)
		time.Sleep(time.Minute)
		last := func() lighter.Target {
			calls := b.calls()
			return calls[len(calls)-1].targets[0]
		}
		first := last()
		if !first.Container.TTY || first.Container.LogDriver != "json-file" || first.Container.LogPath == "" || !first.Container.Started.Equal(b.start) {
			t.Errorf("container = %+v", first.Container)
		}
		c.Restart()
		time.Sleep(time.Second)
		if second := last(); !second.Container.Started.Equal(b.start.Add(time.Minute)) || !first.Container.Started.Equal(b.start) {
			t.Errorf("started %s, want the restart; and the set handed on before unchanged", second.Container.Started)
		}
		c.Connect(dockersim.Endpoint{Network: "a-first"})
		time.Sleep(time.Second)
		if got := last().Labels.Get("__meta_docker_network_name"); got != "a-first" {
			t.Errorf("network = %q after it was connected", got)
		}
	})
}

func TestABurstIsOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		b.run(t, cfg)
		time.Sleep(time.Second)
		for i := range 200 {
			b.engine.Create(dockersim.Spec{Name: fmt.Sprint("c", i)}).Start()
		}
		time.Sleep(50 * time.Millisecond)
		if n := len(b.calls()); n != 2 || len(b.names()) != 200 {
			t.Errorf("%d calls, %d containers; want the first and one more, and 200", n, len(b.names()))
		}
		requests := len(b.engine.Requests())
		time.Sleep(10 * time.Minute)
		lists, inspections := 0, 0
		for _, r := range b.engine.Requests()[requests:] {
			switch {
			case strings.HasSuffix(r.Path, "/containers/json"):
				lists++
			case strings.Contains(r.Path, "/containers/"):
				inspections++
			}
		}
		if lists != 20 || inspections != 0 {
			t.Errorf("%d lists and %d inspections in 10 quiet minutes, want 20 and none", lists, inspections)
		}
	})
}

func TestAnEngineThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.run(t, cfg)
		time.Sleep(10 * time.Minute)
		if n := len(b.calls()); n != 0 {
			t.Fatalf("%d calls before the Engine is there", n)
		}
		if st := b.client.Status(); st.Reachable || !strings.Contains(st.Err, "nobody listens") || !st.Since.Equal(b.start) {
			t.Errorf("status = %+v", st)
		}
		api := b.engine.Create(dockersim.Spec{Name: "api"})
		api.Start()
		b.network.up(b.engine)
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]string{"api"}, b.names()); diff != "" {
			t.Errorf("3 s after the Engine came (-want +got):\n%s", diff)
		}

		b.network.down(b.engine)
		away := time.Now()
		time.Sleep(time.Second)
		if st := b.client.Status(); st.Reachable || !st.Since.Equal(away) {
			t.Errorf("status while away = %+v", st)
		}
		calls := len(b.calls())
		api.Restart() // the Discoverer gets no event of it
		b.engine.Create(dockersim.Spec{Name: "web"}).Start()
		time.Sleep(time.Minute)
		if n := len(b.calls()); n != calls {
			t.Errorf("%d calls while the Engine is away", n-calls)
		}
		b.network.up(b.engine)
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]string{"api", "web"}, b.names()); diff != "" {
			t.Errorf("3 s after it came back (-want +got):\n%s", diff)
		}
		all := b.calls()
		if got := all[len(all)-1].targets[0].Container.Started; !got.Equal(away.Add(time.Second)) {
			t.Errorf("started %s, want the start that was missed", got)
		}
		if n := strings.Count(b.log.String(), "cannot be reached"); n > 4 {
			t.Errorf("the same failure is logged again and again:\n%s", b.log)
		}
		if n := strings.Count(b.log.String(), "connected to the Docker Engine"); n != 2 {
			t.Errorf("connected is logged %d times, want 2:\n%s", n, b.log)
		}
	})
}

func TestBackoffIsQuickAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.run(t, cfg)
		time.Sleep(time.Minute) // the connection fails all the time, and then something else does
		b.network.up(b.engine)
		time.Sleep(time.Minute)
		b.network.down(b.engine)
		b.network.up(b.engine)
		b.engine.Create(dockersim.Spec{Name: "api"}).Start()
		time.Sleep(400 * time.Millisecond)
		if diff := cmp.Diff([]string{"api"}, b.names()); diff != "" {
			t.Errorf("400 ms after a blip (-want +got):\n%s", diff)
		}
	})
}

func TestAnAnswerThatFailsChangesNothing(t *testing.T) {
	for name, respond := range map[string]func(http.ResponseWriter, *http.Request){
		"500":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`[{"Id":"a","Names":["/a"]}`))
		},
		"hung": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config("unix:///run/docker.sock")
				b := newBubble(t, cfg)
				defer b.close()
				b.network.up(b.engine)
				b.engine.Create(dockersim.Spec{Name: "api"}).Start()
				b.run(t, cfg)
				time.Sleep(time.Second)
				b.engine.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
					if strings.HasSuffix(r.URL.Path, "/containers/json") {
						respond(w, r)
						return true
					}
					return false
				})
				time.Sleep(5 * time.Minute)
				if n := len(b.calls()); n != 1 {
					t.Errorf("%d calls, want the first one alone", n)
				}
				if st := b.client.Status(); st.Reachable || st.Err == "" {
					t.Errorf("status = %+v", st)
				}
				b.engine.Intercept(nil)
				b.engine.Create(dockersim.Spec{Name: "web"}).Start()
				time.Sleep(time.Minute)
				if diff := cmp.Diff([]string{"api", "web"}, b.names()); diff != "" {
					t.Errorf("after recovery (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAContainerThatCannotBeInspected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		hung := b.engine.Create(dockersim.Spec{Name: "hung", TTY: true})
		hung.Start()
		b.engine.Create(dockersim.Spec{Name: "api", TTY: true}).Start()
		b.engine.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, hung.ID()+"/json") {
				<-r.Context().Done()
				return true
			}
			return false
		})
		b.run(t, cfg)
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]string{"api", "hung"}, b.names()); diff != "" {
			t.Errorf("while one hangs (-want +got):\n%s", diff)
		}
		seen := []string{"api", "hung"}
		for i := range 60 { // long enough for the hung container to be inspected again
			name := fmt.Sprintf("web%02d", i)
			b.engine.Create(dockersim.Spec{Name: name}).Start()
			seen = append(seen, name)
			time.Sleep(time.Second)
			if diff := cmp.Diff(seen, b.names()); diff != "" {
				t.Errorf("another's start waits for it (-want +got):\n%s", diff)
			}
		}
		b.engine.Intercept(nil)
		time.Sleep(time.Minute)
		all := b.calls()
		if c := all[len(all)-1].targets[1].Container; c.Name != "hung" || !c.TTY {
			t.Errorf("it is not inspected again: %+v", c)
		}
		if n := strings.Count(b.log.String(), "cannot inspect"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, b.log)
		}
	})
}

func TestAnEngineThatDiesWhileItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		b.engine.Create(dockersim.Spec{Name: "api", TTY: true}).Start()
		b.engine.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/containers/") && !strings.HasSuffix(r.URL.Path, "/containers/json") {
				b.engine.KillConnections()
				return true
			}
			return false
		})
		b.run(t, cfg)
		time.Sleep(time.Minute)
		if n := len(b.calls()); n != 0 {
			t.Errorf("%d calls, want none before the Engine has described the container", n)
		}
		b.engine.Intercept(nil)
		time.Sleep(3 * time.Second)
		if all := b.calls(); len(all) != 1 || !all[0].targets[0].Container.TTY {
			t.Errorf("calls = %+v", all)
		}
	})
}

func TestEventsThatAreMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		api := b.engine.Create(dockersim.Spec{Name: "api"})
		api.Start()
		b.engine.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/events") {
				return false
			}
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		})
		b.run(t, cfg)
		time.Sleep(time.Second)
		api.Stop(0)
		time.Sleep(cfg.Refresh)
		if diff := cmp.Diff([]string{"(api)"}, b.names()); diff != "" {
			t.Errorf("after a full list (-want +got):\n%s", diff)
		}
	})
}

func TestEventsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("unix:///run/docker.sock")
		b := newBubble(t, cfg)
		defer b.close()
		b.network.up(b.engine)
		b.engine.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		})
		b.run(t, cfg)
		time.Sleep(time.Second)
		b.engine.Create(dockersim.Spec{Name: "api"}).Start()
		time.Sleep(cfg.Refresh)
		if diff := cmp.Diff([]string{"api"}, b.names()); diff != "" {
			t.Errorf("without events (-want +got):\n%s", diff)
		}
		if st := b.client.Status(); st.Reachable || !strings.Contains(st.Err, "GET /events") {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestARecreatedSocket(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	sets := make(chan []string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- docker.New(config(e.Host()), c, slog.New(slog.DiscardHandler)).Run(ctx, func(targets []lighter.Target) { sets <- show(targets) })
	}()
	wait := func(want ...string) {
		t.Helper()
		for got := range sets {
			if slices.Equal(got, want) {
				return
			}
		}
	}
	wait()
	e.Create(dockersim.Spec{Name: "a", NetworkMode: "none"}).Start()
	wait("a")
	e.Down()
	e.Create(dockersim.Spec{Name: "b", NetworkMode: "none"}).Start()
	if err := e.Up(); err != nil {
		t.Fatal(err)
	}
	wait("a", "b")
	e.KillConnections()
	e.Create(dockersim.Spec{Name: "c", NetworkMode: "none"}).Start()
	wait("a", "b", "c")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, r := range e.Requests() {
		if r.Method != "GET" && r.Method != "HEAD" {
			t.Errorf("sent %s %s", r.Method, r.Path)
		}
	}
}

func TestWhateverComesAsEvents(t *testing.T) {
	recorded, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string]string{
		"nothing": "", "recorded": string(recorded), "not JSON": "<html>", "cut": string(recorded[:100]), "null": "null null",
		"empty": "{}{}", "no attributes": `{"Type":"network","Actor":{"Attributes":null}}`, "strange times": `{"timeNano":-1}{"timeNano":9223372036854775807}`,
		"wrong kinds": `{"Type":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config("unix:///run/docker.sock")
				b := newBubble(t, cfg)
				defer b.close()
				b.network.up(b.engine)
				b.engine.Create(dockersim.Spec{Name: "api"}).Start()
				b.engine.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
					if strings.HasSuffix(r.URL.Path, "/events") {
						_, _ = w.Write([]byte(stream))
						return true
					}
					return false
				})
				b.run(t, cfg)
				time.Sleep(10 * time.Second)
				streams := 0
				for _, r := range b.engine.Requests() {
					if strings.HasSuffix(r.Path, "/events") {
						streams++
					}
				}
				if streams > 12 {
					t.Errorf("%d streams in 10 s that end at once, want fewer and fewer", streams)
				}
				b.engine.Intercept(nil)
				b.engine.Create(dockersim.Spec{Name: "web"}).Start()
				time.Sleep(10 * time.Second)
				b.engine.Create(dockersim.Spec{Name: "www"}).Start()
				time.Sleep(50 * time.Millisecond)
				if diff := cmp.Diff([]string{"api", "web", "www"}, b.names()); diff != "" || len(b.calls()) != 3 {
					t.Errorf("%d calls (-want +got):\n%s", len(b.calls()), diff)
				}
			})
		})
	}
}
