package docker

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// readOnly is a transport that passes on the requests that lighter needs to read, and refuses all others.
// Every request to an Engine goes through it.
type readOnly struct {
	target endpoint
	next   http.RoundTripper
}

// readable matches the paths that are passed on, without the base path of the host. In place of a
// container's ID or name, it matches neither . nor .. nor an encoded character.
var readable = regexp.MustCompile(`^(/v[0-9]+\.[0-9]+)?/(_ping|version|info|events|networks|containers/json|containers/[a-zA-Z0-9][a-zA-Z0-9_.-]*/(json|logs|stats))$`)

// statsQuery is the only query for a container's statistics that is passed on, in the form of Docker's
// client. Any other would be a stream that does not end, or a response that takes seconds.
const statsQuery = "one-shot=1&stream=0"

// RoundTrip implements http.RoundTripper.
func (t *readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.check(r); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil && r.Context().Err() == nil {
		return nil, &unreachable{t.target, err}
	}
	return resp, err
}

func (t *readOnly) check(r *http.Request) error {
	refuse := func(why string) error {
		return fmt.Errorf("refused to send %s %s to the Engine: %s", r.Method, r.URL.EscapedPath(), why)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuse("lighter only reads")
	}
	if r.Body != nil && r.Body != http.NoBody || r.ContentLength != 0 {
		return refuse("a request that reads has no body")
	}
	if r.Header.Get("Upgrade") != "" {
		return refuse("lighter upgrades no connection")
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), t.target.base)
	if !ok || r.URL.Opaque != "" || !readable.MatchString(path) {
		return refuse("lighter does not need that path")
	}
	if strings.HasSuffix(path, "/stats") && r.URL.RawQuery != statsQuery {
		return refuse("lighter asks for one sample of statistics")
	}
	return nil
}
