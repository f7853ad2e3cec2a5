package docker_test

import (
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

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files")

// recorded returns a function for Intercept that responds like a real Engine, from the files in dir.
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

func TestLabelsOfRecordedResponses(t *testing.T) {
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

// show formats every container and address of a set.
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
		"an agent on three":     {[]string{agent.ID()}, []string{"1-none ip-on-a:80", "2-one ip-on-c:80", "3-two ip-on-b:80", "agent ip-on-b:80", "lone ip-on-z:80", "rider ip-on-b:80"}},
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
				self := slices.Contains(tc.own, target.Container.ID)
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

func TestPortsAndNames(t *testing.T) {
	const row = `[{"Id":"a","Names":["/other/alias","/api"],"State":"running","NetworkSettings":{"Networks":{"n":{"IPAddress":"10.0.0.1"}}},"Labels":{"a.b":"1","a/b":"2","ä":"3","c":""},"Ports":[%s]}]`
	for name, tc := range map[string]struct {
		ports string
		want  []string // each is an address, a public port and the public port's address
	}{
		"none":              {``, []string{"10.0.0.1:80  "}},
		"udp":               {`{"PrivatePort":53,"Type":"udp"}`, []string{"10.0.0.1:80  "}},
		"exposed":           {`{"PrivatePort":9090,"Type":"tcp"},{"PrivatePort":8080,"Type":"tcp"}`, []string{"10.0.0.1:8080  ", "10.0.0.1:9090  "}},
		"v4 and v6":         {`{"IP":"2001:db8::1","PrivatePort":1,"PublicPort":2,"Type":"tcp"},{"IP":"203.0.113.1","PrivatePort":1,"PublicPort":2,"Type":"tcp"}`, []string{"10.0.0.1:1 2 203.0.113.1"}},
		"published twice":   {`{"IP":"::","PrivatePort":1,"PublicPort":3,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":1,"PublicPort":2,"Type":"tcp"}`, []string{"10.0.0.1:1 2 0.0.0.0", "10.0.0.1:1 3 ::"}},
		"published and not": {`{"IP":"::","PrivatePort":1,"PublicPort":3,"Type":"tcp"},{"PrivatePort":2,"Type":"tcp"}`, []string{"10.0.0.1:1 3 ::", "10.0.0.1:2  "}},
	} {
		t.Run(name, func(t *testing.T) {
			sets, err := docker.Labels(config("unix:///x"), []byte(fmt.Sprintf(row, tc.ports)), []byte("[]"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range sets[0] {
				got = append(got, l.Get("__address__")+" "+l.Get("__meta_docker_port_public")+" "+l.Get("__meta_docker_port_public_ip"))
				if l.Get("__meta_docker_container_name") != "/api" || l.Get("__meta_docker_container_label_a_b") != "2" || l.Get("__meta_docker_container_label__") != "3" || l.Has("__meta_docker_container_label_c") {
					t.Errorf("labels = %s", l)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzLabels checks that any response of an Engine yields targets or an error.
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
		f.Add(containers, networks)
	}
	f.Add([]byte(`[{"Id":"a","HostConfig":{"NetworkMode":"container:b"}},{"Id":"b","HostConfig":{"NetworkMode":"container:a"}},{}]`), []byte("[{}]"))
	f.Add([]byte(`[{"Id":"a","State":"running","NetworkSettings":{"Networks":{"n":null,"m":{"IPAddress":"x"}}},"Ports":[{"Type":"tcp"}]}]`), []byte("null"))
	cfg := config("unix:///run/docker.sock")
	cfg.Networks = docker.AllNetworks
	f.Fuzz(func(t *testing.T, containers, networks []byte) {
		sets, err := docker.Labels(cfg, containers, networks)
		if err != nil {
			return
		}
		for _, set := range sets {
			if len(set) == 0 {
				t.Error("a container without a target")
			}
			for _, l := range set {
				for name := range l.Map() {
					if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
						t.Errorf("label name %q", name)
					}
				}
			}
		}
	})
}

// A container on the host's network is scraped at the address at which the agent reaches the host.
func TestHostNetwork(t *testing.T) {
	const networks = `[{"Id":"b1","Name":"front","Driver":"bridge"},{"Id":"m1","Name":"lan","Driver":"macvlan"},{"Id":"o1","Name":"swarm","Driver":"overlay"}]`
	const onHost = `{"Id":"a","Names":["/exporter"],"State":"running","HostConfig":{"NetworkMode":"host"},"NetworkSettings":{"Networks":{"host":{}}}}`
	const rider = `{"Id":"b","Names":["/rider"],"State":"running","HostConfig":{"NetworkMode":"container:a"},"NetworkSettings":{"Networks":{}}}`
	own := func(mode, attached string) string {
		return `{"Id":"self","Names":["/lighter"],"State":"running","HostConfig":{"NetworkMode":"` + mode + `"},"NetworkSettings":{"Networks":{` + attached + `}}}`
	}
	for name, tc := range map[string]struct {
		agent    string // name of the agent's container; empty if the agent is not in one
		networks string
		hostAddr string // in the configuration
		want     string
	}{
		"an agent in no container":            {"", networks, "", "localhost"},
		"one on the host's network":           {own("host", `"host":{}`), networks, "", "localhost"},
		"one with another on it":              {own("container:a", ``), networks, "", "localhost"},
		"one on a bridge":                     {own("front", `"front":{"NetworkID":"b1","IPAddress":"172.18.0.3","Gateway":"172.18.0.1"}`), networks, "", "172.18.0.1"},
		"one on a bridge, networks hidden":    {own("front", `"front":{"NetworkID":"b1","IPAddress":"172.18.0.3","Gateway":"172.18.0.1"}`), `[]`, "", "172.18.0.1"},
		"one on a bridge of IPv6":             {own("front", `"front":{"NetworkID":"b1","GlobalIPv6Address":"fd00::3","IPv6Gateway":"fd00::1"}`), networks, "", "[fd00::1]"},
		"one on a bridge and another":         {own("lan", `"lan":{"NetworkID":"m1","Gateway":"192.168.1.1"},"front":{"NetworkID":"b1","Gateway":"172.18.0.1"}`), networks, "", "172.18.0.1"},
		"one whose gateway is a router":       {own("lan", `"lan":{"NetworkID":"m1","IPAddress":"192.168.1.7","Gateway":"192.168.1.1"}`), networks, "", "host.docker.internal"},
		"one on an overlay":                   {own("swarm", `"swarm":{"NetworkID":"o1","IPAddress":"10.0.1.3","Gateway":""}`), networks, "", "host.docker.internal"},
		"one on a bridge that is internal":    {own("front", `"front":{"NetworkID":"b1","IPAddress":"172.18.0.3","Gateway":""}`), networks, "", "host.docker.internal"},
		"one whose settings have the address": {own("front", `"front":{"NetworkID":"b1","Gateway":"172.18.0.1"}`), networks, "192.0.2.1", "192.0.2.1"},
		"one whose settings have localhost":   {own("front", `"front":{"NetworkID":"b1","Gateway":"172.18.0.1"}`), networks, "localhost", "localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			list := "[" + onHost + "," + rider
			if tc.agent != "" {
				list += "," + tc.agent
			}
			cfg := config("unix:///x")
			cfg.HostAddr = tc.hostAddr
			sets, err := docker.Labels(cfg, []byte(list+"]"), []byte(tc.networks), "self")
			if err != nil {
				t.Fatal(err)
			}
			for i, who := range []string{"the container", "one that shares its network"} {
				if got := sets[i][0].Get("__address__"); got != tc.want || len(sets[i]) != 1 {
					t.Errorf("%s is asked at %q, want %q", who, got, tc.want)
				}
			}
		})
	}
	ports := strings.Replace(onHost, `"State"`, `"Ports":[{"PrivatePort":9100,"Type":"tcp"}],"State"`, 1)
	sets, err := docker.Labels(config("unix:///x"), []byte("["+ports+"]"), []byte("[]"))
	if err != nil {
		t.Fatal(err)
	}
	if got := sets[0][0].Get("__address__"); got != "localhost:9100" {
		t.Errorf("with a port it is asked at %q", got)
	}
}
