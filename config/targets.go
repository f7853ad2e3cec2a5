package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// parseTargets parses what LIGHTER_SCRAPE_TARGETS lists: host, host:port or a URL each. The
// labels of a target are those that a scrape reads, and job, which is its host.
func parseTargets(v string) ([]labels.Labels, error) {
	var targets []labels.Labels
	seen := map[uint64]bool{}
	for _, part := range list(v) {
		target, err := parseTarget(part)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown(part), err)
		}
		if hash := target.Hash(); !seen[hash] { // said twice is scraped once
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
	if u.Path != "" && u.Path != "/" {
		b.Set(model.MetricsPathLabel, u.EscapedPath())
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return labels.EmptyLabels(), wrong
	}
	for name, values := range query {
		if len(values) != 1 || !model.LegacyValidation.IsValidLabelName(name) {
			return labels.EmptyLabels(), errors.New("want each parameter of the query once, its name of letters, digits and _")
		}
		b.Set(model.ParamLabelPrefix+name, values[0])
	}
	return b.Labels(), nil
}
