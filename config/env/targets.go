package env

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// parseTargets parses LIGHTER_SCRAPE_TARGETS, a list of hosts, host:port pairs or URLs. A target has the
// labels that a scrape reads, and job, which is its host.
func parseTargets(v string) ([]labels.Labels, error) {
	var targets []labels.Labels
	seen := map[uint64]bool{}
	for i, part := range list(v) {
		target, err := parseTarget(part)
		if err != nil && strings.ContainsAny(v, "@?") { // a password or a query may contain a comma, so part may be a piece of one
			return nil, fmt.Errorf("target %d: %w", i+1, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		if hash := target.Hash(); !seen[hash] { // a repeated target is scraped once
			seen[hash] = true
			targets = append(targets, target)
		}
	}
	return targets, nil
}

func parseTarget(v string) (labels.Labels, error) {
	wrong := errors.New("want host:port or a URL such as https://host:port/path")
	if !strings.Contains(v, "://") {
		v = "http://" + v
	}
	u, err := parseHTTP(v)
	if err != nil {
		return labels.EmptyLabels(), wrong
	}
	if u.User != nil {
		return labels.EmptyLabels(), errors.New("want it without user and password, scrapes send none")
	}
	defaultPort := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	b := labels.NewBuilder(labels.FromStrings(
		model.AddressLabel, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultPort)),
		model.JobLabel, u.Hostname(),
	))
	if u.Scheme != "http" {
		b.Set(model.SchemeLabel, u.Scheme)
	}
	path := u.EscapedPath()
	if path == "/" { // the same as the common path
		path = ""
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	b.Set(model.MetricsPathLabel, path) // an empty label is not set
	return b.Labels(), nil
}
