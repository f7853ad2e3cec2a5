package alloy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config"
	"lighter/config/alloy"
	"lighter/exporters/remotewrite"
)

// TestRemoteWrite checks what is sent to an endpoint, and by how many senders.
func TestRemoteWrite(t *testing.T) {
	const v2 = "protobuf_message = \"io.prometheus.write.v2.Request\"\n"
	type sent struct {
		Version               int
		NoExemplars, NoNative bool
		Shards                int
	}
	for body, want := range map[string]sent{
		"": {Version: 1, NoNative: true, Shards: 4},
		"send_exemplars = false\nsend_native_histograms = true": {Version: 1, NoExemplars: true, Shards: 4},
		v2: {Version: 2, Shards: 4},
		v2 + "send_exemplars = false\nsend_native_histograms = false": {Version: 2, Shards: 4},
		"queue_config { }":                                  {Version: 1, NoNative: true, Shards: 4},
		"queue_config {\nmax_shards = 2\n}":                 {Version: 1, NoNative: true, Shards: 2},
		"queue_config {\nmin_shards = 8\n}":                 {Version: 1, NoNative: true, Shards: 8},
		"queue_config {\nmin_shards = 8\nmax_shards = 6\n}": {Version: 1, NoNative: true, Shards: 6},
	} {
		f, err := alloy.Load("-", from("prometheus.remote_write \"x\" {\nendpoint {\nurl = \"http://prometheus/write\"\n"+body+"\n}\n}\n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range config.All[remotewrite.Config](f.Plan) {
			if got := (sent{c.Version, c.NoExemplars, c.NoNative, c.Shards}); got != want {
				t.Errorf("%s: got %+v, want %+v", body, got, want)
			}
		}
	}
}

// TestExporterWarnings loads exporters with collectors and metrics that the agent lacks.
func TestExporterWarnings(t *testing.T) {
	f, err := alloy.Load("-", from(`prometheus.exporter.unix "x" {
	enable_collectors  = ["cpu", "weather"]
	disable_collectors = ["tides"]

	sysctl {
		include = ["vm.swappiness"]
	}
}

prometheus.exporter.cadvisor "x" {
	enabled_metrics             = ["cpu", "percpu", "tcp"]
	raw_cgroup_prefix_allowlist = ["/system.slice"]
}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`-:2:2: lighter has no collector "weather", which is left out`,
		`-:3:2: lighter has no collector "tides", which is left out`,
		`-:11:2: lighter has no metrics of "percpu" and "tcp"`,
		`-:12:2: "raw_cgroup_prefix_allowlist" has no effect in lighter: only the Engine's containers are measured, not other cgroups`,
	}
	var got []string
	for _, d := range f.Warnings {
		got = append(got, d.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	for _, c := range config.All[config.HostMetrics](f.Plan) {
		if diff := cmp.Diff([]string{"vm.swappiness"}, c.Unix.Sysctl.Include); diff != "" {
			t.Errorf("sysctl (-want +got):\n%s", diff)
		}
	}
}

// TestMatches checks the places of conditions on the journal that cannot be parsed.
func TestMatches(t *testing.T) {
	_, err := alloy.Load("-", from("loki.source.journal \"x\" {\n\tforward_to = [loki.echo.x.receiver]\n\tmatches = \"a b\"\n}\n\nloki.echo \"x\" { }\n"))
	if want := `-:3:2: matches: journal matches "a b": "a" is not of the form FIELD=value`; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}
