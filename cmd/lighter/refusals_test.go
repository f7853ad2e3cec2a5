package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"lighter/discovery/dockersim"
	"lighter/exporters/receiver"
)

// If there are so many external labels that Loki refuses every stream, no line counts as delivered, neither
// for the endpoint nor for the container.
func TestTooManyExternalLabels(t *testing.T) {
	for _, source := range sources {
		t.Run(source, func(t *testing.T) {
			h := newDockerHost(t)
			h.backend.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
				req, err := receiver.DecodePush(body)
				if err != nil {
					t.Error(err)
				}
				var all []string
				for _, s := range req.Streams {
					if n := strings.Count(s.Labels, `="`); n > 15 {
						all = append(all, fmt.Sprintf("1 errors like: entry for stream '%s' has %d label names; limit 15", s.Labels, n))
					}
				}
				return 400, nil, strings.Join(all, "; "), len(all) > 0
			})
			var many []string
			for i := range 12 {
				many = append(many, fmt.Sprintf("label_%d=x", i))
			}
			// Without container metrics there are no events, which would be refused and counted in addition
			// to the lines.
			url, stop := h.start(source, "LIGHTER_EXTERNAL_LABELS="+strings.Join(many, ","), "LIGHTER_CONTAINER_METRICS=off")
			defer stop()
			h.count(h.create(dockersim.Spec{Name: "talker"}), 149)
			await(t, "149 lines refused", func() bool {
				for _, e := range h.status(url).Endpoints {
					if e.Dropped["too_many_labels"] == 149 {
						return true
					}
				}
				return false
			})
			st := h.status(url)
			for _, e := range st.Endpoints {
				if e.Delivered != 0 || !strings.Contains(e.LastError, "label names; limit 15") {
					t.Errorf("endpoint %+v, want none delivered and Loki's words", e)
				}
			}
			if c := st.Containers[0]; c.Read != 149 || c.Delivered != 0 {
				t.Errorf("container: %d lines read, %d delivered; want 149 and none", c.Read, c.Delivered)
			}
		})
	}
}
