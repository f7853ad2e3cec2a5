package agent_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter/cmd/lighter/agent"
	"lighter/config"
	"lighter/exporters/remotewrite"
)

// onName returns a rule for series with names that a pattern matches.
func onName(action relabel.Action, pattern string) *relabel.Config {
	return &relabel.Config{Action: action, SourceLabels: model.LabelNames{"__name__"}, Separator: ";", Regex: relabel.MustNewRegexp(pattern), Replacement: "$1", NameValidationScheme: model.LegacyValidation}
}

func metricRelabel(name string, to []string, rules ...*relabel.Config) config.Node {
	return config.Node{Name: name, To: to, Args: config.MetricRelabel{Rules: rules}}
}

// pageOf serves a page that a test may change.
func pageOf(t *testing.T, text string) config.Node {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	t.Cleanup(s.Close)
	return config.Node{Name: "static", Args: config.Static{Targets: []labels.Labels{labels.FromStrings("__address__", strings.TrimPrefix(s.URL, "http://"), "job", "app", "instance", "one")}}}
}

// seriesOf returns a backend's series of the page, and up, as sorted texts.
func seriesOf(b *backend) (all []string) {
	for _, s := range b.Series() {
		if name := s.Labels.Get("__name__"); !strings.HasPrefix(name, "scrape_") {
			all = append(all, s.Labels.String())
		}
	}
	slices.Sort(all)
	return all
}

// Samples go along each way to each endpoint, through its rules in order.
func TestMetricRelabel(t *testing.T) {
	external := func(n config.Node) config.Node {
		c := n.Args.(remotewrite.Config)
		c.ExternalLabels = labels.FromStrings("env", "test")
		n.Args = c
		return n
	}
	scraped := func(to ...string) config.Node {
		n := scrapeNode("static", "")
		n.To = to
		return n
	}
	rename := onName(relabel.Replace, "(a|renamed)")
	rename.TargetLabel, rename.Replacement = "__name__", "renamed"
	for name, tc := range map[string]struct {
		nodes func(one, two *backend) []config.Node
		one   []string // what arrives at the first endpoint
		two   []string // at the second
	}{
		"a rule drops": {
			nodes: func(one, _ *backend) []config.Node {
				return []config.Node{scraped("keep"), metricRelabel("keep", []string{"prom"}, onName(relabel.Keep, "a")), promNode("prom", one)}
			},
			one: []string{`{__name__="a", instance="one", job="app"}`},
		},
		"the rules of two nodes in their order, then the external labels": {
			nodes: func(one, _ *backend) []config.Node {
				return []config.Node{scraped("first"), external(promNode("prom", one)),
					metricRelabel("first", []string{"second"}, set("way", "first"), onName(relabel.Drop, "b|up")),
					metricRelabel("second", []string{"prom"}, set("way", "second"), rename)}
			},
			one: []string{`{__name__="renamed", env="test", instance="one", job="app", way="second"}`},
		},
		"two ways to one endpoint, and one to another": {
			nodes: func(one, two *backend) []config.Node {
				return []config.Node{scraped("left", "right", "prom", "other"), promNode("prom", one), promNode("other", two),
					metricRelabel("left", []string{"prom"}, set("way", "left"), onName(relabel.Keep, "a")),
					metricRelabel("right", []string{"prom"}, set("way", "right"), onName(relabel.Keep, "b"))}
			},
			one: []string{
				`{__name__="a", instance="one", job="app", way="left"}`, `{__name__="a", instance="one", job="app"}`,
				`{__name__="b", instance="one", job="app", way="right"}`, `{__name__="b", instance="one", job="app"}`,
				`{__name__="up", instance="one", job="app"}`,
			},
			two: []string{`{__name__="a", instance="one", job="app"}`, `{__name__="b", instance="one", job="app"}`, `{__name__="up", instance="one", job="app"}`},
		},
		"a series without a name is not sent": {
			nodes: func(one, _ *backend) []config.Node {
				noName := onName(relabel.Replace, "b")
				noName.TargetLabel, noName.Replacement = "__name__", ""
				return []config.Node{scraped("bad"), promNode("prom", one), metricRelabel("bad", []string{"prom"}, noName)}
			},
			one: []string{`{__name__="a", instance="one", job="app"}`, `{__name__="up", instance="one", job="app"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, one, two := newHost(t), newBackend(t), newBackend(t)
			_, stop := h.start(h.plan(append(tc.nodes(one, two), pageOf(t, "a 1\nb 2\n"))))
			defer stop()
			await(t, "samples arrive", func() bool { return len(seriesOf(one)) >= len(tc.one) && len(seriesOf(two)) >= len(tc.two) })
			if diff := cmp.Diff(tc.one, seriesOf(one)); diff != "" {
				t.Errorf("the first endpoint (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.two, seriesOf(two)); diff != "" {
				t.Errorf("the second endpoint (-want +got):\n%s", diff)
			}
		})
	}
}

// A changed rule takes effect with a reload: new series begin, and those that it removes become stale.
func TestAChangedMetricRelabel(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	page := pageOf(t, "a 1\nb 2\n")
	plan := func(rules ...*relabel.Config) *config.Plan {
		return h.plan([]config.Node{page, promNode("prom", b), scrapeNode("static", "rules"), metricRelabel("rules", []string{"prom"}, rules...)})
	}
	a, stop := h.start(plan(onName(relabel.Drop, "b")))
	defer stop()
	await(t, "a sample arrives", func() bool { return len(samplesOf(b, "a")) > 0 })
	if n := len(samplesOf(b, "b")); n > 0 {
		t.Errorf("%d samples of b arrived, which a rule drops", n)
	}
	if err := a.Apply(plan(onName(relabel.Drop, "a"))); err != nil {
		t.Fatal(err)
	}
	await(t, "the other series arrives, and the first is stale", func() bool {
		all := samplesOf(b, "a")
		return len(samplesOf(b, "b")) > 0 && all[len(all)-1].Stale()
	})
	if targets := a.Status().Targets; len(targets) != 1 || targets[0].Labels["instance"] != "one" {
		t.Errorf("the status shows %v, want the one target", targets)
	}
}

// discover shows a target as changed by the rules on the way to its first endpoint.
func TestPreviewOfMetricRelabel(t *testing.T) {
	b := newBackend(t)
	page := config.Node{Name: "static", Args: config.Static{Targets: []labels.Labels{labels.FromStrings("__address__", "app:80", "job", "app")}}}
	n := scrapeNode("static", "rules")
	p := &config.Plan{Agent: config.Agent{DataDir: "/data", BufferMax: 1}, Nodes: []config.Node{page, n, promNode("one", b), promNode("two", b),
		metricRelabel("rules", []string{"one", "two"}, set("team", "shop"), onName(relabel.Drop, "secret_.*"))}}
	shown, err := agent.NewPreview(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	want := []agent.PreviewTarget{{
		URL: "http://app:80/metrics", Interval: "2s", Endpoints: []string{"one", "two"},
		Labels: map[string]string{"instance": "app:80", "job": "app", "team": "shop"},
	}}
	if diff := cmp.Diff(want, shown.Static); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}
