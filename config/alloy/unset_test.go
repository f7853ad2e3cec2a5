package alloy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config/alloy"
	"lighter/exporters/loki"
)

const unsetEverywhere = `discovery.docker "d" {
	host = sys.env("NO_HOST")
}

loki.source.docker "d" {
	host             = sys.env("NO_HOST")
	targets          = discovery.docker.d.targets
	forward_to       = [loki.process.p.receiver]
	refresh_interval = env("NO_INTERVAL")
}

loki.process "p" {
	forward_to = [loki.write.w.receiver, loki.write.o.receiver]
}

loki.write "w" {
	endpoint {
		url = sys.env("NO_URL")
	}
}

loki.write "o" {
	endpoint {
		url = "http://loki/push"

		oauth2 {
			client_id = sys.env("NO_ID")
		}
	}
}

local.file "f" {
	filename = "testdata/none"
}

remote.http "u" {
	url = sys.env("NO_URL")
}

prometheus.remote_write "r" {
	endpoint {
		url = json_path(local.file.f.content, ".url")[0]
	}
}

prometheus.scrape "s" {
	targets    = [{__address__ = "a:1"}]
	forward_to = [prometheus.remote_write.r.receiver]
}
`

// TestUnsetArgument passes a variable that is not set to a custom component.
func TestUnsetArgument(t *testing.T) {
	o := from(`declare "sink" {
	argument "url" { }

	loki.write "w" {
		endpoint {
			url = argument.url.value
		}
	}
}

sink "s" {
	url = sys.env("NO_URL")
}
`)
	o.Unset = true
	f, err := alloy.Load("-", o)
	if err != nil || len(f.Warnings) != 1 || !strings.HasPrefix(f.Warnings[0].Message, "the environment variable NO_URL is not set, and url needs it: ") {
		t.Errorf("the file is %+v, the error is %v", f, err)
	}
}

// TestUnsetImport imports a file whose name is in a variable that is not set: the blocks that use it are not reported.
func TestUnsetImport(t *testing.T) {
	o := from(`import.file "lib" {
	filename = sys.env("NO_FILE")
}

lib.app "a" {
	x = 1
}
`)
	o.Unset = true
	f, err := alloy.Load("-", o)
	if err != nil || len(f.Warnings) != 1 || !strings.HasPrefix(f.Warnings[0].Message, "the environment variable NO_FILE is not set, and filename needs it: ") {
		t.Errorf("the file is %+v, the error is %v", f, err)
	}
}

// setIt is the hint for a variable that is not set.
func setIt(name string) string {
	return `set it where lighter runs, or write a default: coalesce(sys.env("` + name + `"), "…")`
}

// TestUnset loads a file for which variables are not set, to examine it and to run it.
func TestUnset(t *testing.T) {
	o := from(unsetEverywhere)
	o.Unset = true
	f, err := alloy.Load("-", o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`-:2:2: the environment variable NO_HOST is not set, and host needs it: it is empty; the usual value is "unix:///var/run/docker.sock"; ` + setIt("NO_HOST"),
		`-:9:21: the function "env" is deprecated; write sys.env instead`,
		`-:9:21: the environment variable NO_INTERVAL is not set, and refresh_interval needs it: env("NO_INTERVAL") is not a valid duration; write a number with its unit in quotes, such as "30s" or "1h30m"; ` + setIt("NO_INTERVAL"),
		`-:18:3: the environment variable NO_URL is not set, and url needs it: want an address that begins with http:// or https:// and has a host, such as "http://loki:3100/loki/api/v1/push"; ` + setIt("NO_URL") + `; it is also needed at line 37`,
		`-:26:3: the environment variable NO_ID is not set, and client_id needs it: oauth2 needs a client_id; ` + setIt("NO_ID"),
		`-:33:2: testdata/none cannot be read here: no such file or directory`,
	}
	var got []string
	for _, d := range f.Warnings {
		got = append(got, d.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	n, ok := f.Plan.Node("loki.write.w")
	if c, isEndpoint := n.Args.(loki.Config); !ok || !isEndpoint || c.URL != "http://unset.invalid/" {
		t.Errorf("the endpoint is %+v", n)
	}
	o.Unset = false
	if f, err := alloy.Load("-", o); err == nil {
		t.Errorf("the file runs: %+v", f.Plan)
	}
}

// TestNoURL loads files with endpoints that have no address.
func TestNoURL(t *testing.T) {
	const logs = `loki.source.api "in" {
	http {
		listen_port = 3100
	}
	forward_to = [loki.write.logs.receiver]
}

loki.write "logs" {
	endpoint {
		url = %s
	}
}
`
	const metrics = `prometheus.scrape "app" {
	targets    = [{__address__ = "app:8080"}]
	forward_to = [prometheus.relabel.all.receiver]
}

prometheus.relabel "all" {
	forward_to = [prometheus.remote_write.optional.receiver]
}

prometheus.remote_write "optional" {
	endpoint {
		url = %s
	}
}
`
	for name, tc := range map[string]struct {
		logs, metrics string
		want          []string // nodes
		said          string
	}{
		"one of two, set to nothing": {
			`"http://loki/push"`, `sys.env("EMPTY")`,
			[]string{"loki.write.logs", "loki.source.api.in"},
			`-:15:2: prometheus.scrape.app sends to nothing, so it does not run
-:24:3: the url is empty, so nothing is sent to this endpoint; the environment variable EMPTY is empty`,
		},
		"one of two, not set": {
			`sys.env("NOT_SET")`, `"http://prometheus/write"`,
			[]string{"prometheus.remote_write.optional", "prometheus.relabel.all", "prometheus.scrape.app.static", "prometheus.scrape.app"},
			`-:5:2: loki.source.api.in sends to nothing, so it does not run
-:10:3: the url is empty, so nothing is sent to this endpoint; the environment variable NOT_SET is not set`,
		},
		"both": {
			`sys.env("EMPTY")`, `""`, nil,
			`-:10:3: url: want an address that begins with http:// or https:// and has a host, such as "http://loki:3100/loki/api/v1/push"; the environment variable EMPTY is empty
-:24:3: url: want an address that begins with http:// or https:// and has a host, such as "http://prometheus:9090/api/v1/write"`,
		},
		"a path is no address": {
			`"http://loki/push"`, `sys.env("NOT_SET") + "/write"`, nil,
			`-:24:3: the environment variable NOT_SET is not set, and url needs it: want an address that begins with http:// or https:// and has a host, such as "http://prometheus:9090/api/v1/write"; set it where lighter runs, or write a default: coalesce(sys.env("NOT_SET"), "…")`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := alloy.Load("-", from(fmt.Sprintf(logs, tc.logs)+fmt.Sprintf(metrics, tc.metrics)))
			var nodes []string
			var ds alloy.Diagnostics
			if err == nil {
				ds = f.Warnings
				for _, n := range f.Plan.Nodes {
					nodes = append(nodes, n.Name)
				}
			} else {
				errors.As(err, &ds)
				ds = slices.DeleteFunc(ds, func(d alloy.Diagnostic) bool { return d.Severity != alloy.Error })
			}
			var said []string
			for _, d := range ds {
				said = append(said, d.Error())
			}
			if diff := cmp.Diff(tc.said, strings.Join(said, "\n")); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
			slices.Sort(tc.want)
			slices.Sort(nodes)
			if diff := cmp.Diff(tc.want, nodes); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}
