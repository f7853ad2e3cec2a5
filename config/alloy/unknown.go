package alloy

import (
	"maps"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
)

// refusedBlock reports whether the agent does not support a block with a name, and adds an error if so.
func (m *module) refusedBlock(b *ast.BlockStmt, name string) bool {
	hint, ok := refusedBlocks[name]
	if ok {
		m.l.fail(headOf(b), hint, "lighter has no block %q", name)
	}
	return ok
}

var refusedBlocks = map[string]string{
	"remotecfg":     "lighter reads its configuration only from its own files: put the whole configuration there",
	"foreach":       "write a component for each element of the list; for a list of targets, array.concat and discovery.relabel work, too",
	"import.git":    "clone the repository next to this file, and write import.file",
	"import.http":   "save the file next to this one, and write import.file",
	"import.string": "write the declare blocks into this file, or into a separate file for import.file",
}

// unknownComponent reports that no component has the name of a block, and says what to do instead.
func (m *module) unknownComponent(b *ast.BlockStmt) {
	name := b.GetBlockName()
	if f := strings.TrimPrefix(name, "otelcol."); f != name {
		m.l.fail(headOf(b), insteadOf(name), "lighter has no component %q", name)
		return
	}
	if n := nearest(name, slices.Sorted(maps.Keys(components()))); n != "" && !slices.Contains(alloyComponents, name) && distance(name, n) <= 2 {
		m.l.fail(headOf(b), "did you mean "+quote(n)+"?", "there is no component %q", name)
		return
	}
	if slices.Contains(alloyComponents, name) || insteadOf(name) != "" {
		m.l.fail(headOf(b), insteadOf(name), "lighter has no component %q", name)
		return
	}
	known := slices.Concat(slices.Collect(maps.Keys(components())), slices.Collect(maps.Keys(configBlocks())), alloyComponents, m.registry.names(), []string{"declare", "import.file"})
	slices.Sort(known)
	hint := ""
	if n := nearest(name, known); n != "" {
		hint = "did you mean " + quote(n) + "?"
	}
	m.l.fail(headOf(b), hint, "there is no component %q", name)
}

// insteadOf returns what to do instead of a component that Alloy has and the agent lacks.
func insteadOf(name string) string {
	if image, ok := exporterImages[strings.TrimPrefix(name, "prometheus.exporter.")]; ok && strings.HasPrefix(name, "prometheus.exporter.") {
		return "run " + image + `, and scrape it: prometheus.scrape with targets = [{ __address__ = "…" }]`
	}
	for _, i := range instead {
		if name == i.prefix || strings.HasSuffix(i.prefix, ".") && strings.HasPrefix(name, i.prefix) {
			return i.hint
		}
	}
	return ""
}

// instead has what to do instead of components, by the beginning of their names. The first match counts.
var instead = []struct{ prefix, hint string }{
	{"otelcol.exporter.loki", "lighter ships logs and Prometheus metrics; send entries to loki.write directly"},
	{"otelcol.exporter.prometheus", "lighter ships logs and Prometheus metrics; send samples to prometheus.remote_write directly"},
	{"otelcol.receiver.prometheus", "lighter ships logs and Prometheus metrics; send samples to prometheus.remote_write directly"},
	{"otelcol.receiver.loki", "lighter ships logs and Prometheus metrics; send entries to loki.write directly"},
	{"otelcol.", "lighter ships logs and Prometheus metrics; let programs send OTLP directly to the backend, or keep Alloy for that part"},
	{"pyroscope.", "lighter ships logs and metrics, not profiles; keep Alloy for that part"},
	{"faro.", "lighter does not receive data from browsers; keep Alloy for that part"},
	{"beyla.", "lighter does not instrument programs; run Beyla itself"},
	{"mimir.", "lighter does not load rules; use mimirtool"},
	{"loki.rules.", "lighter does not load rules; use lokitool"},
	{"loki.source.podlogs", kubernetes},
	{"loki.source.kubernetes", kubernetes},
	{"loki.source.kubernetes_events", kubernetes},
	{"prometheus.operator.", kubernetes},
	{"remote.kubernetes.", kubernetes},
	{"discovery.kubernetes", kubernetes},
	{"discovery.kubelet", kubernetes},
	{"loki.source.windowsevent", "lighter runs on Linux; keep Alloy on Windows"},
	{"loki.source.", "lighter reads logs of containers, files, the journal, syslog and Loki's push API (loki.source.docker, .file, .journal, .syslog and .api)"},
	{"loki.enrich", "add labels with loki.relabel or stage.static_labels"},
	{"prometheus.enrich", "add labels with discovery.relabel or prometheus.relabel"},
	{"prometheus.receive_http", "let programs send their samples directly to the backend"},
	{"prometheus.exporter.node", "write prometheus.exporter.unix"},
	{"prometheus.exporter.", `run a separate exporter, and scrape it: prometheus.scrape with targets = [{ __address__ = "…" }]`},
	{"prometheus.echo", "the status page shows the targets, and /metrics of lighter counts what is sent"},
	{"prometheus.write.queue", "write prometheus.remote_write"},
	{"discovery.dockerswarm", "write discovery.docker: its targets have the labels of Swarm's services"},
	{"discovery.", `lighter finds containers (discovery.docker), files (local.file_match) and the targets of discovery.file, discovery.http and discovery.dns; list other targets: targets = [{ __address__ = "…" }]`},
	{"node_exporter", "write prometheus.exporter.unix"},
	{"loki.docker", "write loki.source.docker"},
	{"loki.file", "write loki.source.file"},
	{"remote.", "write the value to a file and read it with local.file, or read it from the environment with sys.env"},
	{"database_observability.", "lighter does not observe databases; keep Alloy for that part"},
}

const kubernetes = "lighter is for Docker hosts; keep Alloy in Kubernetes"

// exporterImages has the images to run instead of exporters that are part of Alloy.
var exporterImages = map[string]string{
	"apache":        "lusotycoon/apache-exporter (port 9117)",
	"blackbox":      "quay.io/prometheus/blackbox-exporter (port 9115)",
	"cloudwatch":    "quay.io/prometheuscommunity/yet-another-cloudwatch-exporter (port 5000)",
	"consul":        "quay.io/prometheus/consul-exporter (port 9107)",
	"dnsmasq":       "a dnsmasq exporter (port 9153)",
	"elasticsearch": "quay.io/prometheuscommunity/elasticsearch-exporter (port 9114)",
	"kafka":         "danielqsj/kafka-exporter (port 9308)",
	"memcached":     "quay.io/prometheus/memcached-exporter (port 9150)",
	"mongodb":       "percona/mongodb_exporter (port 9216)",
	"mssql":         "a sql_exporter (port 9399)",
	"mysql":         "quay.io/prometheus/mysqld-exporter (port 9104)",
	"postgres":      "quay.io/prometheuscommunity/postgres-exporter (port 9187)",
	"process":       "ncabatoff/process-exporter (port 9256)",
	"redis":         "oliver006/redis_exporter (port 9121)",
	"snmp":          "quay.io/prometheus/snmp-exporter (port 9116)",
	"squid":         "boynux/squid-exporter (port 9301)",
	"statsd":        "quay.io/prometheus/statsd-exporter (port 9102)",
}

// alloyComponents are components that Alloy has and the agent lacks, without the families that have a common
// prefix.
var alloyComponents = []string{
	"beyla.ebpf", "database_observability.mysql", "database_observability.postgres", "discovery.aws", "discovery.azure", "discovery.consul",
	"discovery.consulagent", "discovery.digitalocean", "discovery.dockerswarm", "discovery.ec2", "discovery.eureka",
	"discovery.gce", "discovery.hetzner", "discovery.ionos", "discovery.kubelet", "discovery.kubernetes",
	"discovery.kuma", "discovery.lightsail", "discovery.linode", "discovery.marathon", "discovery.nerve", "discovery.nomad",
	"discovery.openstack", "discovery.ovhcloud", "discovery.process", "discovery.puppetdb", "discovery.scaleway", "discovery.serverset",
	"discovery.triton", "discovery.uyuni", "faro.receiver", "loki.enrich", "loki.rules.kubernetes",
	"loki.source.awsfirehose", "loki.source.azure_event_hubs", "loki.source.cloudflare", "loki.source.gcplog", "loki.source.gelf",
	"loki.source.heroku", "loki.source.kafka", "loki.source.kubernetes", "loki.source.kubernetes_events", "loki.source.podlogs",
	"loki.source.windowsevent", "mimir.alerts.kubernetes", "mimir.rules.kubernetes", "prometheus.echo", "prometheus.enrich",
	"prometheus.exporter.azure", "prometheus.exporter.catchpoint", "prometheus.exporter.gcp", "prometheus.exporter.github",
	"prometheus.exporter.oracledb", "prometheus.exporter.snowflake", "prometheus.exporter.static", "prometheus.exporter.windows",
	"prometheus.operator.podmonitors", "prometheus.operator.probes", "prometheus.operator.scrapeconfigs",
	"prometheus.operator.servicemonitors", "prometheus.receive_http", "prometheus.write.queue", "pyroscope.ebpf", "pyroscope.enrich",
	"pyroscope.java", "pyroscope.receive_http", "pyroscope.relabel", "pyroscope.scrape", "pyroscope.write",
	"remote.kubernetes.configmap", "remote.kubernetes.secret", "remote.s3", "remote.vault",
}
