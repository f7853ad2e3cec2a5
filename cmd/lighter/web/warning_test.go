package web_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/cmd/lighter/web"
)

// The page and the API show the warning of a target even if the target is up.
func TestTheWarningOfATarget(t *testing.T) {
	const warning = "samples are dropped: 2 of a series"
	st := working()
	st.Targets = []web.Target{{URL: "http://10.0.0.2:3000/metrics", Health: "up", Warning: warning}}
	url := serve(t, fixed{st, well}, prometheus.NewRegistry())
	for path, want := range map[string]string{"/": warning, "/api/v1/status": `"warning":"` + warning + `"`} {
		if _, body := request(t, "GET", url+path); !strings.Contains(body, want) {
			t.Errorf("%s does not say %s:\n%s", path, want, body)
		}
	}
}
