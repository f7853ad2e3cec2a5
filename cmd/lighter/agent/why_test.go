package agent

import (
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
)

// Why a rule drops a container is a sentence in words that its owner knows.
func TestWhyDropped(t *testing.T) {
	const logs, scrape, prom = "__meta_docker_container_label_lighter_logs", "__meta_docker_container_label_lighter_scrape", "__meta_docker_container_label_prometheus_io_scrape"
	of := func(l ...string) labels.Labels { return labels.FromStrings(l...) }
	for name, tc := range map[string]struct {
		action  relabel.Action
		sources model.LabelNames
		regex   string
		target  string
		origin  string
		labels  labels.Labels
		want    string
	}{
		"the container's own word":    {relabel.Drop, model.LabelNames{logs}, "false|no", "", "", of(logs, "no"), `its label lighter.logs is "no"`},
		"one of its own words":        {relabel.Keep, model.LabelNames{scrape, prom}, "true;.*|;true", "", "", of(prom, "no"), `its label prometheus.io/scrape is "no"`},
		"no word at all":              {relabel.Keep, model.LabelNames{scrape, prom}, "true;.*|;true", "", "", of("a", "b"), "it has no label lighter.scrape and no label prometheus.io/scrape"},
		"no address":                  {relabel.Keep, model.LabelNames{"__address__"}, ".+", "", "", of("a", "b"), "it has no network address"},
		"LIGHTER_EXCLUDE":             {relabel.Drop, model.LabelNames{"service", "container"}, "x", "", "LIGHTER_EXCLUDE=noi*", of("service", "a", "container", "noisy"), `its service is "a" and its container is "noisy", and LIGHTER_EXCLUDE=noi* leaves it out`},
		"LIGHTER_INCLUDE":             {relabel.Keep, model.LabelNames{"service", "container"}, "x", "", "LIGHTER_INCLUDE=api*", of("service", "a", "container", "noisy"), `its service is "a" and its container is "noisy", and LIGHTER_INCLUDE=api* does not name it`},
		"a rule of a file":            {relabel.Drop, model.LabelNames{"__meta_docker_container_name"}, "/noi.*", "", "", of("__meta_docker_container_name", "/noisy"), `its container name is "/noisy", and what matches "/noi.*" is left out`},
		"a rule of a file that keeps": {relabel.Keep, model.LabelNames{"__meta_docker_container_label_tier", "env"}, "1;.*", "", "", of("__meta_docker_container_label_tier", "2", "env", "test"), `its label tier is "2" and its env is "test", and only what matches "1;.*" is kept`},
		"equal labels":                {relabel.DropEqual, model.LabelNames{"__address__"}, "(.*)", "__meta_docker_container_label_self", "", of("__address__", "a:1"), `its network address is "a:1", and what equals its label self is left out`},
		"labels that are not equal":   {relabel.KeepEqual, model.LabelNames{"__address__"}, "(.*)", "__meta_docker_container_label_self", "", of("__address__", "a:1"), `its network address is "a:1", and only what equals its label self is kept`},
	} {
		t.Run(name, func(t *testing.T) {
			rule := &relabel.Config{Action: tc.action, SourceLabels: tc.sources, Separator: ";", Regex: relabel.MustNewRegexp(tc.regex), TargetLabel: tc.target}
			if got := whyDropped(droppedTarget{lighter.Target{Labels: tc.labels}, rule, tc.origin}); got != tc.want {
				t.Errorf("why = %s\nwant  %s", got, tc.want)
			}
		})
	}
}
