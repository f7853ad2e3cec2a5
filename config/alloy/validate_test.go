package alloy_test

import (
	"strings"
	"testing"

	"lighter/config/alloy"
)

// TestValidation loads components each with one error that Alloy reports, too.
func TestValidation(t *testing.T) {
	const targets = "targets = [{__address__ = \"x\"}]\nforward_to = [prometheus.remote_write.sink.receiver]\n"
	endpoint := func(body string) string {
		return "loki.write \"x\" {\nendpoint {\nurl = \"http://loki/push\"\n" + body + "\n}\n}\n"
	}
	remote := func(body string) string {
		return "prometheus.remote_write \"x\" {\nendpoint {\nurl = \"http://prometheus/write\"\n" + body + "\n}\n}\n"
	}
	scrape := func(body string) string { return "prometheus.scrape \"x\" {\n" + targets + body + "\n}\n" }
	relabel := func(body string) string {
		return "prometheus.relabel \"x\" {\nforward_to = []\n" + body + "\n}\n"
	}
	rule := func(body string) string { return relabel("rule {\n" + body + "\n}") }
	listener := func(body string) string {
		return "loki.source.syslog \"x\" {\nforward_to = []\nlistener {\naddress = \":514\"\n" + body + "\n}\n}\n"
	}
	server := func(body string) string { return "http {\ntls {\n" + body + "\n}\n}\n" }

	for text, want := range map[string]string{
		endpoint("authorization {\ncredentials = \"a\"\ncredentials_file = \"b\"\n}"): "credentials and credentials_file cannot both be set",
		endpoint("oauth2 { }"):                                            "oauth2 needs a client_id",
		endpoint("oauth2 {\nclient_id = \"a\"\n}"):                        "oauth2 needs a client_secret or a client_secret_file",
		endpoint("oauth2 {\nclient_id = \"a\"\nclient_secret = \"b\"\n}"): "oauth2 needs a token_url",
		endpoint("oauth2 {\nclient_id = \"a\"\nclient_secret = \"b\"\nclient_secret_file = \"c\"\ntoken_url = \"http://d\"\n}"): "client_secret and client_secret_file cannot both be set",
		endpoint("tls_config {\nca_pem = \"a\"\nca_file = \"b\"\n}"):                                                            "ca_pem and ca_file cannot both be set",
		endpoint("tls_config {\ncert_file = \"b\"\n}"):                                                                          "a certificate needs key_pem or key_file",
		endpoint("tls_config {\nkey_file = \"b\"\n}"):                                                                           "a key needs cert_pem or cert_file",
		endpoint("no_proxy = \"a\""):                                                                                            "no_proxy needs proxy_url",
		endpoint("proxy_from_environment = true\nproxy_url = \"http://a\""):                                                     "proxy_url and proxy_from_environment cannot both be set",
		endpoint("proxy_from_environment = true\nno_proxy = \"a\""):                                                             "no_proxy and proxy_from_environment cannot both be set",
		endpoint("proxy_connect_header = {\"a\" = [\"b\"]}"):                                                                    "proxy_connect_header needs proxy_url",
		endpoint("proxy_url = \"http://a:b:c\""):                                                                                "it is not a valid URL",
		endpoint("http_headers = {\"Authorization\" = [\"b\"]}"):                                                                "Authorization",
		endpoint("batch_size = \"many\""):                                                                                       "batch_size",
		remote("queue_config {\nmax_shards = 0\n}"):                                                                             "max_shards must be above 0",
		remote("queue_config {\nmax_samples_per_send = 0\n}"):                                                                   "max_samples_per_send must be above 0",
		"prometheus.remote_write \"x\" {\nwal {\ntruncate_frequency = \"0s\"\n}\n}\n":                                           "truncate_frequency must not be 0",
		"prometheus.remote_write \"x\" {\nwal {\nmax_keepalive_time = \"1m\"\n}\n}\n":                                           "min_keepalive_time must be below max_keepalive_time",
		scrape("scrape_interval = \"0s\""):                                                                                      "must be above 0",
		scrape("scrape_protocols = [\"PrometheusText0.0.4\", \"PrometheusText0.0.4\"]"):                                         "twice",
		scrape("scrape_protocols = [\"PrometheusText0.0.4\"]\nenable_protobuf_negotiation = true"):                              "enable_protobuf_negotiation and scrape_protocols cannot both be set",
		scrape("scrape_protocols = [\"PrometheusText0.0.4\"]\nscrape_native_histograms = true"):                                 "scrape_native_histograms needs",
		scrape("scrape_fallback_protocol = \"html\""):                                                                           "there is no \"html\"",
		scrape("metric_name_validation_scheme = \"x\""):                                                                         "there is no metric_name_validation_scheme",
		scrape("metric_name_escaping_scheme = \"x\""):                                                                           "there is no metric_name_escaping_scheme",
		scrape("metric_name_escaping_scheme = \"allow-utf-8\""):                                                                 "needs metric_name_validation_scheme",
		scrape("metric_name_escaping_scheme = \"dots\""):                                                                        "only underscores in place of other letters",
		scrape("start_timestamp_zero_ingestion = true"):                                                                         "zero samples",
		relabel("max_cache_size = -1"):                                                                                          "max_cache_size must be 0 or more",
		relabel("cache_ttl = \"-1s\""):                                                                                          "cache_ttl must be 0 or more",
		relabel("cache_ttl = \"1h\""):                                                                                           "max_cache_size and cache_ttl cannot both be set",
		relabel("max_cache_size = 0"):                                                                                           "must be above 0",
		relabel("max_cache_size = 0\ncache_ttl = \"1s\""):                                                                       "cache_ttl must be 1m or more",
		rule("action = \"labelmap\"\nreplacement = \"a-b\""):                                                                    "the replacement",
		rule("action = \"lowercase\"\ntarget_label = \"a\"\nreplacement = \"b\""):                                               "takes no replacement",
		rule("action = \"keepequal\"\ntarget_label = \"a\"\nregex = \"b\""):                                                     "takes source_labels and a target_label",
		rule("target_label = \"$1-x\""):                                                                                         "is not a valid label name",
		rule("action = \"hashmod\"\nmodulus = 2"):                                                                               "needs a target_label",
		listener("syslog_format = \"x\""):                                                                                       "there is no syslog_format",
		listener("rfc3164_default_to_current_year = true\nsyslog_format = \"raw\""):                                             "has no effect if syslog_format",
		listener("use_rfc5424_message = true\nsyslog_format = \"raw\""):                                                         "has no effect if syslog_format",
		listener("raw_format_options { }"):                                                                                      "has no effect if syslog_format",
		listener("max_message_length = -1"):                                                                                     "0 or more",
		listener("rfc5424_allow_empty_msg = true\nsyslog_format = \"raw\""):                                                     "has no effect if syslog_format",
		listener("rfc3164_cisco_components { }"):                                                                                "has no effect if syslog_format",
		server("key_file = \"a\""):                                                                                              "a server needs cert_pem or cert_file",
		server("cert_file = \"a\""):                                                                                             "a server needs key_pem or key_file",
		server("cert_file = \"a\"\nkey_file = \"b\"\nclient_ca_file = \"c\""):                                                   "a client CA needs a client_auth_type",
		server("cert_file = \"a\"\ncert_pem = \"b\""):                                                                           "cert_pem and cert_file cannot both be set",
		server("windows_certificate_filter { }"):                                                                                "does not support",
		"logging {\nformat = \"xml\"\n}\n":                                                                                      "there is no format",
		"logging {\ndestination = \"windows_event_log\"\n}\n":                                                                   "no destination",
		"local.file \"x\" {\nfilename = \"testdata/token\"\ndetector = \"x\"\n}\n":                                              "there is no detector",
		"import.file \"x\" {\nfilename = \"testdata/token\"\ndetector = \"x\"\n}\n":                                             "there is no detector",
		"import.file {\nfilename = \"testdata/token\"\n}\n":                                                                     "has no label",
		"declare { }\n": "has no label",
		"declare \"a\" { }\n\ndeclare \"a\" { }\n":                                                                         "declared twice",
		"declare \"a\" {\nargument { }\n}\n\na \"x\" { }\n":                                                                "has no label",
		"local.file_match \"x\" {\npath_targets = []\nsync_period = \"0s\"\n}\n":                                           "sync_period must be above 0",
		"discovery.docker \"x\" {\nhost = \"unix:///a\"\nrefresh_interval = \"0s\"\n}\n":                                   "refresh_interval must be above 0",
		"loki.source.docker \"x\" {\nhost = \"unix:///a\"\ntargets = []\nforward_to = []\nrefresh_interval = \"-1s\"\n}\n": "refresh_interval must be above 0",
		"loki.secretfilter \"x\" {\nforward_to = []\nrate = 2\n}\n":                                                        "rate must be from 0 to 1",
		"loki.secretfilter \"x\" {\nforward_to = []\ngitleaks_config = \"x\"\n}\n":                                         "stage.replace",
		"discovery.dns \"x\" {\nnames = [\"a\"]\ntype = \"A\"\n}\n":                                                        "needs a port",
		"discovery.dns \"x\" {\nnames = [\"a\"]\ntype = \"PTR\"\n}\n":                                                      "is not one of the types",
		"discovery.file \"x\" {\nfiles = [\"a.txt\"]\n}\n":                                                                 "does not end with .json",
		"discovery.file \"x\" {\nfiles = [\"a.yml\"]\nrefresh_interval = \"0s\"\n}\n":                                      "refresh_interval must be above 0",
		"discovery.http \"x\" {\nurl = \"targets\"\n}\n":                                                                   "url: want an address",
		"remote.http \"x\" {\nurl = \"http://a\"\npoll_timeout = \"2m\"\n}\n":                                              "must be below poll_frequency",
		"remote.http \"x\" {\nurl = \"http://a\"\nmethod = \"a b\"\n}\n":                                                   "is not an HTTP method",
		"discovery.relabel \"x\" {\ntargets = [{a = null}]\n}\n":                                                           "null cannot be a label's value",
	} {
		_, err := alloy.Load("-", from(text+"\nprometheus.remote_write \"sink\" {\nendpoint {\nurl = \"http://prometheus/write\"\n}\n}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q in it, of\n%s", err, want, text)
		}
	}
}
