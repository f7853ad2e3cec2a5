package agent_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter/cmd/lighter/web"
	"lighter/config"
	"lighter/discovery/dockersim"
)

// The status shows which streams a backend refuses for now, and why.
func TestStatusShowsStreamsThatAreHeld(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	noisy, api := h.container("noisy"), h.container("api")
	b.Limit(func(l labels.Labels) bool { return l.Get("container") == "noisy" })
	a, stop := h.start(h.plan(logs("logs", "logs", "loki"), []config.Node{lokiNode("loki", b)}))
	defer stop()
	h.write(noisy, 10)
	await(t, "a stream is held", func() bool { return a.Status().Endpoints[0].HeldStreams == 1 })
	h.write(api, 10)
	h.arrived(b, "api", "source", "logs")
	st := a.Status()
	e := st.Endpoints[0]
	if !e.Up || len(e.Held) != 1 {
		t.Fatalf("endpoint = %+v, want one that is well and describes the stream", e)
	}
	held := e.Held[0]
	if !strings.Contains(held.Labels, `container="noisy"`) || held.Waiting == 0 || held.Since.IsZero() || held.NextAttempt.IsZero() || !strings.Contains(held.Reason, "rate limit exceeded") {
		t.Errorf("held = %+v", held)
	}
	b.Limit(nil)
	h.arrived(b, "noisy", "source", "logs")
	await(t, "no stream is held", func() bool { return a.Status().Endpoints[0].HeldStreams == 0 })
}

// The status shows which containers' logs are not shipped, and says in a sentence why.
func TestStatusSaysWhyALogIsNotShipped(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	noisy, api := h.container("noisy"), h.container("api")
	h.engine.Create(dockersim.Spec{Name: "new"})
	gone := h.container("gone")
	h.write(api, 10)
	h.write(noisy, 10)
	gone.Stop(0)

	nodes := logs("logs", "logs", "loki")
	source := nodes[1].Args.(config.LogSource)
	source.Since = time.Nanosecond
	nodes[1].Args = source
	left := named()
	left.Action, left.TargetLabel, left.Replacement, left.Regex = relabel.Drop, "", "", relabel.MustNewRegexp("noi.*")
	left.SourceLabels = model.LabelNames{"container"}
	rules := nodes[0].Args.(config.Relabel)
	rules.Rules = append(rules.Rules, left)
	dropping := nodes[0]
	dropping.Args = rules
	with := h.plan([]config.Node{dropping, nodes[1], lokiNode("loki", b)})
	without := h.plan(nodes, []config.Node{lokiNode("loki", b)})

	a, stop := h.start(with)
	defer stop()
	await(t, "the containers are found", func() bool { return len(a.Status().Containers) == 3 })
	want := []web.Skipped{{ID: noisy.ID(), Name: "noisy", Reason: `its container is "noisy", and what matches "noi.*" is left out`}}
	if diff := cmp.Diff(want, a.Status().Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	for _, c := range a.Status().Containers {
		switch {
		case c.Name == "new" && c.State == "created" && c.Reason == "it was never started, so it has no log":
		case c.Name == "gone" && c.State == "old" && strings.HasSuffix(c.Reason, " ago, and LIGHTER_LOGS_SINCE is 0s"):
		case c.Name == "api" && c.Reason == "":
		default:
			t.Errorf("%s: state %q, reason %q", c.Name, c.State, c.Reason)
		}
	}
	if err := a.Apply(without); err != nil {
		t.Fatal(err)
	}
	if st := a.Status(); len(st.Containers) != 4 || st.Skipped != nil {
		t.Errorf("containers %+v, skipped %+v; want that nothing is skipped any more", st.Containers, st.Skipped)
	}
}

// The status of an endpoint that refuses the agent says why in a sentence, and what to do.
func TestStatusSaysWhyAnEndpointRefuses(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	b.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) {
		return http.StatusUnauthorized, nil, "no credentials", true
	})
	api := h.container("api")
	h.write(api, 10)
	a, stop := h.start(h.plan(logs("logs", "logs", "loki"), []config.Node{lokiNode("loki", b)}))
	await(t, "the endpoint is not ready", func() bool { return a.Status().Endpoints[0].NotReady != "" })
	const want = "loki refuses the data: status 401: no credentials (check the user and the token)"
	if e := a.Status().Endpoints[0]; e.NotReady != want || e.Up {
		t.Errorf("up = %v, not ready = %q; want %q", e.Up, e.NotReady, want)
	}
	b.Respond(nil)
	h.arrived(b, "api", "source", "logs")
	if e := a.Status().Endpoints[0]; e.NotReady != "" || !e.Up {
		t.Errorf("up = %v, not ready = %q; want that it is well again", e.Up, e.NotReady)
	}
	stop()
}
