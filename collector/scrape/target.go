package scrape

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// target is what a scrape needs of a relabelled lighter.Target.
type target struct {
	labels   labels.Labels // the labels of every sample: job, instance and the labels from discovery, without those that begin with __
	url      *url.URL
	shown    string // url without its query, which may hold a token
	interval time.Duration
	timeout  time.Duration
	onHost   bool   // its container is on the network of its host
	hash     uint64 // of labels and URL; the same in every run and build, because blocks on disk are sorted by it
}

// Labels of a discovered container from which a target's address and interval are made. Errors contain
// their original names.
const labelInterval = "__meta_docker_container_label_lighter_interval"

var portLabels = []struct{ meta, label string }{ // the first one counts
	{"__meta_docker_container_label_lighter_port", "lighter.port"},
	{"__meta_docker_container_label_prometheus_io_port", "prometheus.io/port"},
}

// ReadsMeta reports whether New reads a label that begins with __meta_. Such labels are used only in
// errors.
func ReadsMeta(name string) bool {
	return name == labelNetworkName || name == labelInterval || name == portLabels[0].meta || name == portLabels[1].meta
}

// labelNetworkName is Prometheus's label with the network of a discovered container.
const labelNetworkName = "__meta_docker_network_name"

// newTarget evaluates the labels for the scraper (__address__, __scheme__, __metrics_path__, __param_*,
// __scrape_interval__, __scrape_timeout__), sets job and instance if they are missing, and removes all
// labels that begin with __. Unlike in Prometheus, a question mark in __metrics_path__ begins a query,
// because that is what a user who writes one means.
func newTarget(l labels.Labels, cfg Config) (*target, error) {
	or := func(name, otherwise string) string {
		if v := l.Get(name); v != "" {
			return v
		}
		return otherwise
	}
	address := l.Get(model.AddressLabel)
	if err := checkAddress(address); err != nil {
		for _, from := range portLabels {
			if port := strings.TrimSpace(l.Get(from.meta)); port != "" && strings.HasSuffix(address, ":"+port) {
				err = fmt.Errorf("the container's label %s is %q, a port from 1 to 65535 is expected", from.label, port)
				break
			}
		}
		return nil, fmt.Errorf("target of scrape %s: %w", cfg.Name, err)
	}
	scheme := or(model.SchemeLabel, cfg.Scheme)
	if scheme != "http" && scheme != "https" {
		return nil, fmt.Errorf("target %s: scheme %q, use http or https", address, scheme)
	}
	interval, timeout, err := timing(l, cfg)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", address, err)
	}
	own := labels.NewBuilder(labels.EmptyLabels())
	own.Set(model.JobLabel, cmp.Or(cfg.Job, cfg.Name))
	own.Set(model.InstanceLabel, address)
	params := make(url.Values, len(cfg.Params))
	for name, values := range cfg.Params {
		params[name] = slices.Clone(values)
	}
	var bad error
	l.Range(func(one labels.Label) {
		if name, ok := strings.CutPrefix(one.Name, model.ParamLabelPrefix); ok {
			if len(params[name]) > 0 { // if there are several values, the first is the label's, as in Prometheus
				params[name][0] = one.Value
			} else {
				params.Set(name, one.Value)
			}
		}
		switch {
		case strings.HasPrefix(one.Name, model.ReservedLabelPrefix) || one.Value == "":
		case !model.LegacyValidation.IsValidLabelName(one.Name):
			bad = fmt.Errorf("target %s: label name %q is not valid", address, one.Name)
		case !model.LabelValue(one.Value).IsValid():
			bad = fmt.Errorf("target %s: value of label %s is not UTF-8", address, one.Name)
		default:
			own.Set(one.Name, one.Value)
		}
	})
	if bad != nil {
		return nil, bad
	}
	asked := &url.URL{Scheme: scheme, Host: address}
	setPath(asked, l.Get(model.MetricsPathLabel), cfg.Path)
	shown := *asked
	shown.RawQuery = ""
	asked.RawQuery = joinQueries(asked.RawQuery, params.Encode())
	t := &target{
		labels:   own.Labels(),
		url:      asked,
		shown:    shown.String(),
		interval: interval,
		timeout:  timeout,
		onHost:   l.Get(labelNetworkName) == "host",
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%016x%s", labels.StableHash(t.labels), t.url)
	t.hash = h.Sum64()
	return t, nil
}

// setPath sets the path and query of u from a target's __metrics_path__, or to the common ones if the
// target has none. A query alone is added to the common path. The first slash may be missing.
func setPath(u *url.URL, own, common string) {
	if own == "" {
		own = common
	}
	path, query, _ := strings.Cut(own, "?")
	if path == "" {
		path, _, _ = strings.Cut(common, "?")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	u.Path, u.RawQuery = path, escapeQuery(query)
	if unescaped, err := url.PathUnescape(path); err == nil { // existing escapes are kept
		u.Path, u.RawPath = unescaped, path
	}
}

// escapeQuery escapes characters that a request line cannot contain, and leaves all others as written.
func escapeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		switch c := query[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`"#<>`, c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func joinQueries(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

// checkAddress returns an error for an address that is not a host and port. The error does not contain an
// address that may hold a password.
func checkAddress(address string) error {
	switch {
	case address == "":
		return fmt.Errorf("it has no %s", model.AddressLabel)
	case strings.Contains(address, "@"):
		return fmt.Errorf("%s holds an @: user and password belong in the scrape's authentication", model.AddressLabel)
	case strings.ContainsAny(address, "/?# "):
		address, _, _ = strings.Cut(address, "?") // a query may hold a token
		return fmt.Errorf("%s is %q, host:port is expected", model.AddressLabel, address)
	}
	u, err := url.Parse("http://" + address)
	if err != nil {
		return fmt.Errorf("%s is %q, host:port is expected", model.AddressLabel, address)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("%s is %q, a port from 1 to 65535 is expected", model.AddressLabel, address)
		}
	}
	return nil
}

// MinInterval is the shortest scrape interval: a shorter one is a mistake in the unit.
const MinInterval = 100 * time.Millisecond

// timing returns the interval and the timeout. If a target sets only an interval, which is below the common
// timeout, that becomes the timeout, too.
func timing(l labels.Labels, cfg Config) (interval, timeout time.Duration, err error) {
	read := func(name string, otherwise time.Duration) (time.Duration, error) {
		v := l.Get(name)
		if v == "" {
			return otherwise, nil
		}
		d, err := model.ParseDuration(v)
		if err != nil || time.Duration(d) < MinInterval {
			if name == model.ScrapeIntervalLabel && strings.TrimSpace(l.Get(labelInterval)) == v {
				name = "the container's label lighter.interval"
			}
			return 0, fmt.Errorf("%s is %q, a duration such as 30s is expected, and at least %s", name, v, MinInterval)
		}
		return time.Duration(d), nil
	}
	if interval, err = read(model.ScrapeIntervalLabel, cfg.Interval); err != nil {
		return 0, 0, err
	}
	if timeout, err = read(model.ScrapeTimeoutLabel, min(cfg.Timeout, interval)); err != nil {
		return 0, 0, err
	}
	if interval <= 0 || timeout <= 0 || timeout > interval {
		return 0, 0, fmt.Errorf("timeout %s must be above zero and not above the interval %s", timeout, interval)
	}
	return interval, timeout, nil
}
