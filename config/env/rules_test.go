package env_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/config"
	"lighter/config/env"
	"lighter/discovery/docker"
)

// relabelled applies the named relabelling, and all before it, to the labels of one target. It returns
// "dropped", or the remaining labels without __meta_ labels.
func relabelled(t *testing.T, p *config.Plan, name string, target map[string]string) string {
	t.Helper()
	var chain [][]*relabel.Config
	for from := name; ; {
		n, _ := p.Node(from)
		r, ok := n.Args.(config.Relabel)
		if !ok {
			break
		}
		chain = append([][]*relabel.Config{r.Rules}, chain...)
		from = n.From[0]
	}
	return apply(target, chain...)
}

func apply(target map[string]string, chain ...[]*relabel.Config) string {
	b := labels.NewBuilder(labels.FromMap(target))
	for _, rules := range chain {
		if !relabel.ProcessBuilder(b, rules...) {
			return "dropped"
		}
	}
	b.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.MetaLabelPrefix) {
			b.Del(l.Name)
		}
	})
	return b.Labels().String()
}

// first returns the arguments of the first node of a kind.
func first[Args any](p *config.Plan) (found Args) {
	for _, args := range config.All[Args](p) {
		return args
	}
	return found
}

func plan(t *testing.T, environ ...string) *config.Plan {
	t.Helper()
	p, _, err := env.FromEnv(environ, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// container returns discovery's labels of a container, whose own labels are given as k=v.
func container(own ...string) map[string]string {
	m := map[string]string{
		"__meta_docker_container_name": "/shop-api-1",
		"__address__":                  "172.18.0.3:80",
		lighter.LabelDockerHost:        "moby",
	}
	for _, kv := range own {
		k, v, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(k, "__") {
			k = "__meta_docker_container_label_" + strings.NewReplacer(".", "_", "/", "_").Replace(k)
		}
		m[k] = v
	}
	return m
}

func TestEveryRuleIsValid(t *testing.T) {
	p := plan(t, "HOSTNAME=h", "LIGHTER_INCLUDE=a*", "LIGHTER_EXCLUDE=b*")
	rules := first[config.LogSource](p).Rules
	for _, r := range config.All[config.Relabel](p) {
		rules = append(rules, r.Rules...)
	}
	for _, r := range rules {
		if err := r.Validate(model.LegacyValidation); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestLogLabels(t *testing.T) {
	const address = `__address__="172.18.0.3:80", `
	for name, tc := range map[string]struct {
		env    []string
		target map[string]string
		want   string
	}{
		"name alone":                  {nil, container(), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="shop-api-1"}`},
		"swarm service":               {nil, container("com.docker.swarm.service.name=shop_api"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="shop_api"}`},
		"compose before swarm":        {nil, container("com.docker.swarm.service.name=shop_api", "com.docker.compose.service=api"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="api"}`},
		"its own word first":          {nil, container("com.docker.compose.service=api", "lighter.service=checkout"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="checkout"}`},
		"an empty word is none":       {nil, container("com.docker.compose.service=api", "lighter.service="), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="api"}`},
		"not shipped":                 {nil, container("lighter.logs=false"), `dropped`},
		"not shipped, in words":       {nil, container("lighter.logs= No "), `dropped`},
		"not shipped, as a number":    {nil, container("lighter.logs=0"), `dropped`},
		"any other word is shipped":   {nil, container("lighter.logs=true"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="shop-api-1"}`},
		"no network":                  {nil, container("__address__="), `{container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="shop-api-1"}`},
		"Engine before HOSTNAME":      {[]string{"HOSTNAME=c0ffee"}, container(), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="shop-api-1"}`},
		"a blank service":             {nil, container("lighter.service=  ", "com.docker.compose.service=api"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="api"}`},
		"HOSTNAME where Engine hides": {[]string{"HOSTNAME=a$1b"}, container(lighter.LabelDockerHost + "="), `{` + address + `container="shop-api-1", host="a$1b", instance="a$1b", job="integrations/docker", service="shop-api-1"}`},
		"LIGHTER_HOST is external":    {[]string{"LIGHTER_HOST=edge"}, container(), `{` + address + `container="shop-api-1", instance="edge", job="integrations/docker", service="shop-api-1"}`},
		"included by service":         {[]string{"LIGHTER_INCLUDE=web, ap?"}, container("lighter.service=api"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="api"}`},
		"included by container":       {[]string{"LIGHTER_INCLUDE=shop-*"}, container("lighter.service=api"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="api"}`},
		"a glob is the whole name":    {[]string{"LIGHTER_INCLUDE=shop,api-1,hop*,*-api"}, container(), `dropped`},
		"excluded by service":         {[]string{"LIGHTER_EXCLUDE=api"}, container("lighter.service=api"), `dropped`},
		"excluded wins":               {[]string{"LIGHTER_INCLUDE=*", "LIGHTER_EXCLUDE=shop-[!w]*"}, container(), `dropped`},
		"two names are not one":       {[]string{"LIGHTER_EXCLUDE=api;shop-*"}, container("lighter.service=api"), `{` + address + `container="shop-api-1", host="moby", instance="moby", job="integrations/docker", service="api"}`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, relabelled(t, plan(t, tc.env...), "log_labels", tc.target)); diff != "" {
				t.Errorf("labels (-want +have):\n%s", diff)
			}
		})
	}
}

func TestStreamLabel(t *testing.T) {
	have := apply(map[string]string{lighter.LabelLogStream: "stderr", "service": "api"}, first[config.LogSource](plan(t)).Rules)
	if want := `{service="api", stream="stderr"}`; have != want {
		t.Errorf("labels = %s, want %s", have, want)
	}
}

func TestMetricLabels(t *testing.T) {
	const rest = `container="shop-api-1", job="shop-api-1", service="shop-api-1"}`
	for name, tc := range map[string]struct {
		env    []string
		target map[string]string
		want   string
	}{
		"does not ask":             {nil, container(), `dropped`},
		"asks":                     {nil, container("lighter.scrape=true"), `{__address__="172.18.0.3:80", ` + rest},
		"asks in the other way":    {nil, container("prometheus.io/scrape=true"), `{__address__="172.18.0.3:80", ` + rest},
		"True":                     {nil, container("lighter.scrape=True"), `{__address__="172.18.0.3:80", ` + rest},
		"false wins":               {nil, container("lighter.scrape=false", "prometheus.io/scrape=true"), `dropped`},
		"logs off, metrics on":     {nil, container("lighter.scrape=true", "lighter.logs=false"), `{__address__="172.18.0.3:80", ` + rest},
		"excluded":                 {[]string{"LIGHTER_EXCLUDE=shop*"}, container("lighter.scrape=true"), `dropped`},
		"no network, no address":   {nil, container("lighter.scrape=true", "lighter.port=80", "__address__="), `dropped`},
		"port":                     {nil, container("prometheus.io/scrape=true", "prometheus.io/port=9090"), `{__address__="172.18.0.3:9090", ` + rest},
		"its own port first":       {nil, container("lighter.scrape=true", "lighter.port=3000", "prometheus.io/port=9090"), `{__address__="172.18.0.3:3000", ` + rest},
		"port on the host":         {nil, container("lighter.scrape=true", "lighter.port=3000", "__address__=localhost"), `{__address__="localhost:3000", ` + rest},
		"port on IPv6":             {nil, container("lighter.scrape=true", "lighter.port=3000", "__address__=[fd00::3]:80"), `{__address__="[fd00::3]:3000", ` + rest},
		"port that is none":        {nil, container("lighter.scrape=true", "lighter.port=http"), `{__address__="172.18.0.3:http", ` + rest},
		"path":                     {nil, container("lighter.scrape=true", "prometheus.io/path=/stats/prometheus"), `{__address__="172.18.0.3:80", __metrics_path__="/stats/prometheus", ` + rest},
		"its own path first":       {nil, container("lighter.scrape=true", "lighter.path=m/x", "prometheus.io/path=/y"), `{__address__="172.18.0.3:80", __metrics_path__="m/x", ` + rest},
		"a query":                  {nil, container("lighter.scrape=true", "prometheus.io/path=metrics?format=prometheus"), `{__address__="172.18.0.3:80", __metrics_path__="metrics?format=prometheus", ` + rest},
		"blanks around the path":   {nil, container("lighter.scrape=true", "lighter.path= /m?a=1 "), `{__address__="172.18.0.3:80", __metrics_path__="/m?a=1", ` + rest},
		"the root":                 {nil, container("lighter.scrape=true", "lighter.path=/"), `{__address__="172.18.0.3:80", __metrics_path__="/", ` + rest},
		"scheme":                   {nil, container("prometheus.io/scrape=true", "prometheus.io/scheme=https"), `{__address__="172.18.0.3:80", __scheme__="https", ` + rest},
		"scheme that is none":      {nil, container("prometheus.io/scrape=true", "prometheus.io/scheme=ftp"), `{__address__="172.18.0.3:80", ` + rest},
		"interval":                 {nil, container("lighter.scrape=true", "lighter.interval=1m30s"), `{__address__="172.18.0.3:80", __scrape_interval__="1m30s", ` + rest},
		"interval that is none":    {nil, container("lighter.scrape=true", "lighter.interval= often "), `{__address__="172.18.0.3:80", __scrape_interval__="often", ` + rest},
		"said in another way":      {nil, container("lighter.scrape= Yes "), `{__address__="172.18.0.3:80", ` + rest},
		"blanks around the port":   {nil, container("lighter.scrape=1", "lighter.port= 3000 "), `{__address__="172.18.0.3:3000", ` + rest},
		"job is the service":       {nil, container("lighter.scrape=true", "lighter.service=api"), `{__address__="172.18.0.3:80", container="shop-api-1", job="api", service="api"}`},
		"the fallback is for logs": {[]string{"HOSTNAME=h"}, container("lighter.scrape=true"), `{__address__="172.18.0.3:80", ` + rest},
		"so is LIGHTER_HOST":       {[]string{"LIGHTER_HOST=h"}, container("lighter.scrape=true"), `{__address__="172.18.0.3:80", ` + rest},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, relabelled(t, plan(t, tc.env...), "metrics", tc.target)); diff != "" {
				t.Errorf("labels (-want +have):\n%s", diff)
			}
		})
	}
}

// TestPortMakesOneTarget: the addresses of a container's ports become the same target.
func TestPortMakesOneTarget(t *testing.T) {
	p := plan(t)
	one := relabelled(t, p, "metrics", container("lighter.scrape=true", "lighter.port=9100", "__address__=172.18.0.3:80", "__meta_docker_port_private=80"))
	two := relabelled(t, p, "metrics", container("lighter.scrape=true", "lighter.port=9100", "__address__=172.18.0.3:443", "__meta_docker_port_private=443"))
	if one != two {
		t.Errorf("targets differ: %s and %s", one, two)
	}
}

// TestTheEngineIsNotAskedForANameThatIsSet: with LIGHTER_HOST nothing depends on the response to GET /info.
func TestTheEngineIsNotAskedForANameThatIsSet(t *testing.T) {
	if !first[docker.Config](plan(t, "LIGHTER_HOST=box")).HostNameSet || first[docker.Config](plan(t)).HostNameSet {
		t.Error("want HostNameSet with LIGHTER_HOST, and only then")
	}
}
