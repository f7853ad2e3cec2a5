package process

import (
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax"
)

// decode decodes stages written as in a loki.process block.
func decode(text string) (Arguments, error) {
	var a Arguments
	err := syntax.Unmarshal([]byte(text), &a)
	return a, err
}

func TestDecodeEveryStage(t *testing.T) {
	a, err := decode(`
stage.cri { }
stage.decolorize { }
stage.docker { }
stage.drop { longer_than = "8KB" }
stage.geoip {
	db      = "x.mmdb"
	source  = "ip"
	db_type = "city"
}
stage.json { expressions = {a = "", b = "c.d[0]"} }
stage.label_drop { values = ["a"] }
stage.label_keep { values = ["a"] }
stage.labels { values = {a = "", b = null, c = "d"} }
stage.limit {
	rate  = 1.5
	burst = 2
}
stage.logfmt { mapping = {a = ""} }
stage.luhn { }
stage.match {
	selector = "{a=\"b\"}"
	stage.output { source = "a" }
}
stage.metrics {
	metric.counter {
		name   = "a"
		action = "inc"
	}
	metric.gauge {
		name   = "b"
		action = "set"
	}
	metric.histogram {
		name    = "c"
		buckets = [1, 2.5]
	}
}
stage.multiline { firstline = "^x" }
stage.output { source = "a" }
stage.pack { labels = ["a"] }
stage.pattern { pattern = "<a> b" }
stage.regex { expression = "(?P<a>x)" }
stage.replace { expression = "(x)" }
stage.sampling { rate = 0.5 }
stage.split_json { }
stage.static_labels { values = {a = "b"} }
stage.structured_metadata { values = {a = ""} }
stage.structured_metadata_drop { values = ["a"] }
stage.template {
	source   = "a"
	template = "{{ .Value }}"
}
stage.tenant { value = "a" }
stage.timestamp {
	source = "a"
	format = "RFC3339"
}
stage.truncate {
	rule { limit = "1KiB" }
}
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Stages) != 29 {
		t.Errorf("%d stages, want 29", len(a.Stages))
	}
	if m := a.Stages[14].Multiline; m == nil || m.MaxLines != 128 || m.MaxWaitTime.String() != "3s" || !m.TrimNewlines {
		t.Errorf("multiline = %+v, want Alloy's defaults", m)
	}
	if d := a.Stages[3].Drop; d == nil || d.LongerThan != 8192 {
		t.Errorf("drop = %+v, want 8192 bytes", d)
	}
}

func TestValidate(t *testing.T) {
	for text, want := range map[string]string{
		`stage.json { }`: "needs expressions or regex",
		`stage.json { expressions = {a = "b["} }`:                      "is no JMESPath expression",
		`stage.json { expressions = {a = "a-1"} }`:                     "a key with a hyphen",
		`stage.json { regex = "(" }`:                                   "regex does not parse",
		"stage.json {\n\texpressions = {a = \"\"}\n\tsource = \"\"\n}": "source must not be empty",
		`stage.drop { }`:                   "at least one of",
		"stage.drop {\n\tvalue = \"a\"\n}": "needs a source",
		"stage.drop {\n\tsource = \"s\"\n\tvalue = \"a\"\n\texpression = \"b\"\n}": "exclude each other",
		`stage.labels { values = null }`:                                           "null",
		"stage.labels {\n\tvalues = {a = \"\"}\n\tsource_type = \"line\"\n}":       "source_type",
		`stage.label_drop { values = [] }`:                                         "must not be empty",
		"stage.limit {\n\trate = 0\n\tburst = 1\n}":                                "greater than 0",
		"stage.limit {\n\trate = 1\n\tburst = 1\n\tby_label_name = \"a\"\n}":       "drop = true",
		`stage.logfmt { }`:                                                                           "mapping or regex",
		`stage.match { selector = "{a=\"b\"}" }`:                                                     "at least one stage",
		"stage.match {\n\tselector = \"{a}\"\n\taction = \"drop\"\n}":                                "after the label a",
		"stage.match {\n\tselector = \"{a=\\\"b\\\"} | json\"\n\taction = \"drop\"\n}":               "no parsers",
		"stage.match {\n\tselector = \"{a=\\\"b\\\"}\"\n\taction = \"x\"\n}":                         "want \"keep\" or \"drop\"",
		`stage.multiline { firstline = "" }`:                                                         "firstline",
		"stage.multiline {\n\tfirstline = \"a\"\n\tmax_wait_time = \"0s\"\n}":                        "max_wait_time",
		`stage.output { source = "" }`:                                                               "source",
		`stage.pattern { pattern = "<a><b>" }`:                                                       "right behind",
		`stage.pattern { pattern = "<_> x" }`:                                                        "no named capture",
		`stage.pattern { pattern = "<a> <a>" }`:                                                      "twice",
		`stage.regex { expression = "" }`:                                                            "expression",
		`stage.replace { expression = "" }`:                                                          "expression",
		`stage.sampling { rate = 2 }`:                                                                "from 0 to 1",
		"stage.template {\n\tsource = \"a\"\n\ttemplate = \"{{ .x\"\n}":                              "template does not parse",
		`stage.tenant { }`:                                                                           "exactly one",
		"stage.tenant {\n\tlabel = \"a\"\n\tvalue = \"b\"\n}":                                        "exactly one",
		"stage.timestamp {\n\tsource = \"a\"\n\tformat = \"\"\n}":                                    "format",
		"stage.timestamp {\n\tsource = \"a\"\n\tformat = \"Unix\"\n\tlocation = \"Nowhere/Town\"\n}": "location",
		"stage.timestamp {\n\tsource = \"a\"\n\tformat = \"Unix\"\n\taction_on_failure = \"x\"\n}":   "action_on_failure",
		`stage.truncate { }`:                                                                         "rule",
		"stage.truncate {\n\trule { limit = 0 }\n}":                                                  "greater than 0",
		"stage.truncate {\n\trule {\n\t\tlimit = \"2B\"\n\t\tsuffix = \"...\"\n\t}\n}":               "shorter",
		`stage.cri { max_partial_lines = 0 }`:                                                        "max_partial_lines",
		`stage.windowsevent { }`:                                                                     "stage.windowsevent is not supported",
		`stage.eventlogmessage { source = "m" }`:                                                     "stage.eventlogmessage is not supported",
		"stage.geoip {\n\tdb = \"x\"\n\tsource = \"ip\"\n}":                                          "db_type or custom_lookups",
		"stage.geoip {\n\tdb = \"x\"\n\tsource = \"ip\"\n\tdb_type = \"isp\"\n}":                     "db_type",
		"stage.metrics {\n\tmetric.counter {\n\t\tname = \"a\"\n\t\taction = \"set\"\n\t}\n}":        "action",
		"stage.metrics {\n\tmetric.counter {\n\t\tname = \"a\"\n\t\taction = \"inc\"\n\t\tcount_entry_bytes = true\n\t}\n}":   "count_entry_bytes",
		"stage.metrics {\n\tmetric.gauge {\n\t\tname = \"a\"\n\t\taction = \"set\"\n\t\tmax_idle_duration = \"10ms\"\n\t}\n}": "at least 1s",
	} {
		if _, err := decode(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want one with %q", text, err, want)
		}
	}
}
