package docker_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files")

// recorded answers what a real Engine of an API version answered.
func recorded(t testing.TB, dir string) func(http.ResponseWriter, *http.Request) bool {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	containers, networks := read("containers.json"), read("networks.json")
	var list []container.Summary
	if err := json.Unmarshal(containers, &list); err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			_, _ = w.Write(containers)
			return true
		case strings.HasSuffix(r.URL.Path, "/networks"):
			_, _ = w.Write(networks)
			return true
		}
		for _, c := range list {
			if strings.HasSuffix(r.URL.Path, "/containers/"+c.ID+"/json") {
				_ = json.NewEncoder(w).Encode(map[string]any{"Id": c.ID, "Name": c.Names[0], "State": map[string]any{"Running": c.State == "running" || c.State == "paused"}})
				return true
			}
		}
		return false
	}
}

func TestLabelsOfRecordedAnswers(t *testing.T) {
	for _, version := range []string{"1.24", "1.41", "1.51"} {
		t.Run(version, func(t *testing.T) {
			e, c := socketEngine(t, dockersim.Options{APIVersion: version, Name: "box"})
			dir := "testdata/engine-" + version
			e.Intercept(recorded(t, dir))
			var got strings.Builder
			for _, choice := range []struct {
				name string
				docker.NetworkChoice
			}{
				{"the first network", docker.FirstNetwork},
				{"all networks", docker.AllNetworks},
			} {
				cfg := config(e.Host())
				cfg.Networks = choice.NetworkChoice
				targets, err := docker.New(cfg, c, slog.New(slog.DiscardHandler)).List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "# %s\n", choice.name)
				for _, target := range targets {
					fmt.Fprintln(&got, target.Labels)
				}
			}
			golden := dir + "/labels.golden"
			if *updateGolden {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

// show is every container and address of a set, as text.
func show(targets []lighter.Target) []string {
	all := []string{}
	for _, t := range targets {
		all = append(all, strings.TrimSpace(t.Container.Name+" "+t.Labels.Get("__address__")))
	}
	return all
}

func TestFilters(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	base := e.Create(dockersim.Spec{Name: "base", Ports: []dockersim.Port{{Private: 53, Type: "udp"}}})
	base.Start()
	rider := e.Create(dockersim.Spec{Name: "rider", NetworkMode: "container:" + base.ID(), Labels: map[string]string{"ship": "yes", "tier": "web"}})
	rider.Start()
	e.Create(dockersim.Spec{Name: "idle", Labels: map[string]string{"ship": "yes"}})
	for name, tc := range map[string]struct {
		change func(*docker.Config)
		want   []string
	}{
		"none":              {func(*docker.Config) {}, []string{"base 172.17.0.2:80", "idle", "rider 172.17.0.2:80"}},
		"running":           {func(c *docker.Config) { c.Stopped = false }, []string{"base 172.17.0.2:80", "rider 172.17.0.2:80"}},
		"label, parent out": {func(c *docker.Config) { c.Filters = map[string][]string{"label": {"ship=yes"}} }, []string{"idle", "rider 172.17.0.2:80"}},
		"two of a kind":     {func(c *docker.Config) { c.Filters = map[string][]string{"name": {"idle", "base"}} }, []string{"base 172.17.0.2:80", "idle"}},
		"two kinds": {func(c *docker.Config) {
			c.Filters = map[string][]string{"label": {"ship=yes", "tier=web"}, "name": {"r"}}
		},
			[]string{"rider 172.17.0.2:80"}},
		"state of stopped ones": {func(c *docker.Config) {
			c.Stopped, c.Filters = false, map[string][]string{"status": {"created"}}
		}, []string{"idle"}},
		"another port": {func(c *docker.Config) { c.Port, c.Stopped = 9, false }, []string{"base 172.17.0.2:9", "rider 172.17.0.2:9"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(e.Host())
			tc.change(&cfg)
			got, err := docker.New(cfg, c, slog.New(slog.DiscardHandler)).List(t.Context())
			if diff := cmp.Diff(tc.want, show(got)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestSharedNetwork(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	on := func(name string, networks ...string) *dockersim.Container {
		var endpoints []dockersim.Endpoint
		for _, n := range networks {
			endpoints = append(endpoints, dockersim.Endpoint{Network: n, IP: "ip-on-" + n})
		}
		c := e.Create(dockersim.Spec{Name: name, Networks: endpoints})
		c.Start()
		return c
	}
	on("1-none", "a")
	on("2-one", "a", "c", "d")
	on("3-two", "d", "c", "b")
	agent := on("agent", "b", "c", "d")
	rider := e.Create(dockersim.Spec{Name: "rider", NetworkMode: "container:" + agent.ID()})
	rider.Start()
	lone := on("lone", "z")
	for name, tc := range map[string]struct {
		own  []string
		want []string
	}{
		"an agent on three":     {[]string{agent.ID()[:12]}, []string{"1-none ip-on-a:80", "2-one ip-on-c:80", "3-two ip-on-b:80", "agent ip-on-b:80", "lone ip-on-z:80", "rider ip-on-b:80"}},
		"one that rides":        {[]string{rider.ID()}, []string{"1-none ip-on-a:80", "2-one ip-on-c:80", "3-two ip-on-b:80", "agent ip-on-b:80", "lone ip-on-z:80", "rider ip-on-b:80"}},
		"one with another":      {[]string{lone.ID()}, []string{"1-none ip-on-a:80", "2-one ip-on-a:80", "3-two ip-on-b:80", "agent ip-on-b:80", "lone ip-on-z:80", "rider ip-on-b:80"}},
		"one of another Engine": {[]string{strings.Repeat("f", 64)}, []string{"1-none ip-on-a:80", "2-one ip-on-a:80", "3-two ip-on-b:80", "agent ip-on-b:80", "lone ip-on-z:80", "rider ip-on-b:80"}},
		"one that is in none":   {nil, []string{"1-none ip-on-a:80", "2-one ip-on-a:80", "3-two ip-on-b:80", "agent ip-on-b:80", "lone ip-on-z:80", "rider ip-on-b:80"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(e.Host())
			cfg.Networks = docker.SharedNetwork
			c.SetOwn(tc.own...)
			got, err := docker.New(cfg, c, slog.New(slog.DiscardHandler)).List(t.Context())
			if diff := cmp.Diff(tc.want, show(got)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			for _, target := range got {
				self := slices.ContainsFunc(tc.own, func(id string) bool { return strings.HasPrefix(target.Container.ID, id) })
				if target.Container.Self != self {
					t.Errorf("%s: Self = %t", target.Container.Name, target.Container.Self)
				}
			}
		})
	}
}

func TestAProxyThatHidesNetworksAndInfo(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{Name: "box"})
	e.Create(dockersim.Spec{Name: "api"}).Start()
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/networks") || strings.HasSuffix(r.URL.Path, "/info") || strings.HasSuffix(r.URL.Path, "/version") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	got, err := docker.New(config(e.Host()), c, slog.New(slog.DiscardHandler)).List(t.Context())
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v; want the container", got, err)
	}
	l := got[0].Labels
	if l.Get("__address__") != "172.17.0.2:80" || l.Get("__meta_docker_network_name") != "bridge" || l.Has(lighter.LabelDockerHost) {
		t.Errorf("labels = %s", l)
	}
}

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
			time.Sleep(50 * time.Millisecond) // CONTRACT asks for a second
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
		api.Restart() // no event tells of it
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
		b.network.up(b.engine)
		b.run(t, cfg)
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
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
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
						answer(w, r)
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
		b.engine.Create(dockersim.Spec{Name: "web"}).Start()
		time.Sleep(50 * time.Millisecond)
		if diff := cmp.Diff([]string{"api", "hung", "web"}, b.names()); diff != "" {
			t.Errorf("another's start waits for it (-want +got):\n%s", diff)
		}
		b.engine.Intercept(nil)
		time.Sleep(time.Minute)
		all := b.calls()
		if c := all[len(all)-1].targets[1].Container; c.Name != "hung" || !c.TTY {
			t.Errorf("it is not inspected again: %+v", c)
		}
		if n := strings.Count(b.log.String(), "does not describe"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, b.log)
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

// FuzzLabels: whatever an Engine answers, it becomes targets or an error.
func FuzzLabels(f *testing.F) {
	for _, version := range []string{"1.24", "1.51"} {
		containers, err := os.ReadFile("testdata/engine-" + version + "/containers.json")
		if err != nil {
			f.Fatal(err)
		}
		networks, err := os.ReadFile("testdata/engine-" + version + "/networks.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(containers, networks, []byte("{}"))
	}
	f.Add([]byte(`[{"Id":"a","HostConfig":{"NetworkMode":"container:b"}},{"Id":"b","HostConfig":{"NetworkMode":"container:a"}},{}]`), []byte("[{}]"), []byte(`{"Id":"a"}`))
	f.Add([]byte(`[{"Id":"a","State":"running","NetworkSettings":{"Networks":{"n":null,"m":{"IPAddress":"x"}}},"Ports":[{"Type":"tcp"}]}]`), []byte("[]"), []byte(`{"Id":"a","State":{"StartedAt":"x"}}`))
	engine := dockersim.New(dockersim.Options{})
	network := &memory{}
	network.up(engine)
	f.Cleanup(func() { _ = engine.Close() })
	f.Fuzz(func(t *testing.T, containers, networks, inspect []byte) {
		engine.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case strings.HasSuffix(r.URL.Path, "/containers/json"):
				_, _ = w.Write(containers)
			case strings.HasSuffix(r.URL.Path, "/networks"):
				_, _ = w.Write(networks)
			case strings.Contains(r.URL.Path, "/containers/"):
				_, _ = w.Write(inspect)
			default:
				return false
			}
			return true
		})
		cfg := config("unix:///run/docker.sock")
		cfg.Networks = docker.AllNetworks
		c := newClient(t, cfg)
		c.SetDial(network.dial)
		targets, err := docker.New(cfg, c, slog.New(slog.DiscardHandler)).List(t.Context())
		if err != nil {
			return
		}
		for _, target := range targets {
			if target.Container == nil {
				t.Errorf("no container with %s", target.Labels)
			}
			for name := range target.Labels.Map() {
				if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
					t.Errorf("label name %q", name)
				}
			}
		}
	})
}

// FuzzEvents: whatever comes over the stream of events, the set is that of the list.
func FuzzEvents(f *testing.F) {
	recorded, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(recorded)) {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"Type":"network","Actor":{"Attributes":null}}{"timeNano":-1}{`))
	engine := dockersim.New(dockersim.Options{})
	engine.Create(dockersim.Spec{Name: "api"}).Start()
	network := &memory{}
	network.up(engine)
	f.Cleanup(func() { _ = engine.Close() })
	f.Fuzz(func(t *testing.T, stream []byte) {
		engine.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				_, _ = w.Write(stream)
				return true
			}
			return false
		})
		cfg := config("unix:///run/docker.sock")
		c := newClient(t, cfg)
		c.SetDial(network.dial)
		ctx, cancel := context.WithCancel(t.Context())
		err := docker.New(cfg, c, slog.New(slog.DiscardHandler)).Run(ctx, func(targets []lighter.Target) {
			if got := show(targets); !slices.Equal(got, []string{"api 172.17.0.2:80"}) {
				t.Errorf("targets = %v", got)
			}
			cancel()
		})
		if err != nil {
			t.Error(err)
		}
	})
}
