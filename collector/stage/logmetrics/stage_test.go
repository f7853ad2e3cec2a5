package logmetrics_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"

	"lighter/collector/stage"
	"lighter/collector/stage/logmetrics"
)

// The log lines of a service, the declarations, and the resulting page.
func TestPage(t *testing.T) {
	set := newSet(500)
	l := newLog(t, set, "1", `
# What the operations guide of the service watches.
http_requests_total{path,status} = count(msg="http_request")
http_request_duration_seconds{path} = histogram(latencyMs/1000, buckets=[.5, .8], msg="http_request")
http_errors_total = count(msg="http_request", status>=500)
rate_limited_total{tenant=tenantId} = count(error="RATE_LIMITED")
webhook_deliveries_total{result} = count(msg=~"webhook_.*", result)
webhook_pending = gauge(pending, msg="webhook_queue")
latency_ms = sum(latencyMs, path="/v1/apple/verify")

# Loud messages of a service that logs text.
mail_dropped_total = count("RESEND_API_KEY not set")
unsafe_kv_total = count(|~"KV_BACKEND=local with [0-9]+ workers is unsafe")
insecure_webhook_total = count("must be https://")
webhook_post_failed_total = count("activity log webhook POST failed", !="retrying")
`, nil)
	l.read(
		`{"ts":"2026-04-25T03:01:53.428Z","level":"info","msg":"http_request","reqId":"1","method":"POST","path":"/v1/apple/verify","status":200,"latencyMs":143,"tenantId":"t1"}`,
		`{"ts":"2026-04-25T03:01:53.428Z","level":"info","msg":"http_request","reqId":"2","method":"POST","path":"/v1/apple/verify","status":502,"latencyMs":700.5,"tenantId":"t1"}`,
		`{"ts":"2026-04-25T03:01:53.428Z","level":"info","msg":"http\u005frequest","path":"\/v1\/google\/verify","status":"200","latencyMs":900}`,
		`{"level":"info","msg":"http_request","path":"/no/latency","status":404}`,
		`{"level":"warn","msg":"denied","error":"RATE_LIMITED","tenantId":"t\"2"}`,
		`{"level":"info","msg":"webhook_delivery","result":"ok"}`,
		`{"level":"info","msg":"webhook_delivery","result":"failed"}`,
		`{"level":"info","msg":"webhook_delivery","result":null}`,
		`level=info msg=webhook_queue pending=7`,
		`{"level":"info","msg":"webhook_queue","pending":3}`,
		`WARNING luonvuitoi_cert_cli.server.app RESEND_API_KEY not set`,
		`WARNING luonvuitoi_cert.storage.kv.factory KV_BACKEND=local with 4 workers is unsafe`,
		`WARNING luonvuitoi_cert.auth.activity_log GSHEET_WEBHOOK_URL must be https://`,
		`WARNING luonvuitoi_cert.auth.activity_log activity log webhook POST failed`,
		`WARNING luonvuitoi_cert.auth.activity_log activity log webhook POST failed, retrying`,
		``,
	)
	l.acknowledge()
	families, err := set.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "lighter_") { // package level tests the levels
			f.Help = nil
			if _, err := expfmt.MetricFamilyToOpenMetrics(&got, f); err != nil {
				t.Fatal(err)
			}
		}
	}
	const want = `# TYPE http_errors counter
http_errors_total{container="web",service="api"} 1.0
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{container="web",path="/v1/apple/verify",service="api",le="0.5"} 1
http_request_duration_seconds_bucket{container="web",path="/v1/apple/verify",service="api",le="0.8"} 2
http_request_duration_seconds_bucket{container="web",path="/v1/apple/verify",service="api",le="+Inf"} 2
http_request_duration_seconds_sum{container="web",path="/v1/apple/verify",service="api"} 0.8435
http_request_duration_seconds_count{container="web",path="/v1/apple/verify",service="api"} 2
http_request_duration_seconds_bucket{container="web",path="/v1/google/verify",service="api",le="0.5"} 0
http_request_duration_seconds_bucket{container="web",path="/v1/google/verify",service="api",le="0.8"} 0
http_request_duration_seconds_bucket{container="web",path="/v1/google/verify",service="api",le="+Inf"} 1
http_request_duration_seconds_sum{container="web",path="/v1/google/verify",service="api"} 0.9
http_request_duration_seconds_count{container="web",path="/v1/google/verify",service="api"} 1
# TYPE http_requests counter
http_requests_total{container="web",path="/no/latency",service="api",status="404"} 1.0
http_requests_total{container="web",path="/v1/apple/verify",service="api",status="200"} 1.0
http_requests_total{container="web",path="/v1/apple/verify",service="api",status="502"} 1.0
http_requests_total{container="web",path="/v1/google/verify",service="api",status="200"} 1.0
# TYPE insecure_webhook counter
insecure_webhook_total{container="web",service="api"} 1.0
# TYPE latency_ms unknown
latency_ms{container="web",service="api"} 843.5
# TYPE mail_dropped counter
mail_dropped_total{container="web",service="api"} 1.0
# TYPE rate_limited counter
rate_limited_total{container="web",service="api",tenant="t\"2"} 1.0
# TYPE unsafe_kv counter
unsafe_kv_total{container="web",service="api"} 1.0
# TYPE webhook_deliveries counter
webhook_deliveries_total{container="web",result="failed",service="api"} 1.0
webhook_deliveries_total{container="web",result="ok",service="api"} 1.0
# TYPE webhook_pending gauge
webhook_pending{container="web",service="api"} 3.0
# TYPE webhook_post_failed counter
webhook_post_failed_total{container="web",service="api"} 1.0
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

// Every condition, on a line that meets it and one that does not.
func TestConditions(t *testing.T) {
	for condition, lines := range map[string][2]string{
		`a="1"`:        {`{"a":1}`, `{"a":11}`},
		`a="x y"`:      {`a="x y"`, `a=x`},
		`a=""`:         {`{"b":1}`, `{"a":"1"}`},
		`a!="1"`:       {`{"b":1}`, `a=1`},
		`a=~"1|2"`:     {`{"a":"2"}`, `{"a":"21"}`},
		`a=~"x.y"`:     {`{"a":"x\ny"}`, `{"a":"xy"}`},
		`a!~"1.*"`:     {`{"a":"21"}`, `{"a":"12"}`},
		`a>1`:          {`{"a":1.5}`, `{"a":1}`},
		`a>=1`:         {`a=1`, `a=x`},
		`a<1`:          {`{"a":"-1"}`, `{"b":0}`},
		`a<=1`:         {`a=1`, `a=1.01`},
		`a==1`:         {`{"a":1.0}`, `{"a":true}`},
		`a!=1`:         {`{"a":2}`, `{"b":2}`},
		`a`:            {`{"a":false}`, `{"a":null}`},
		`a.b`:          {`{"a":{"b":""}}`, `{"b":1}`},
		`"{"`:          {`{`, `}`},
		`!="{"`:        {`}`, `{`},
		`|~"^x"`:       {`xy`, `yx`},
		`!~"^x"`:       {`yx`, `xy`},
		`a="1", b="2"`: {`a=1 b=2`, `a=1 b=1`},
		``:             {``, "never"},
	} {
		set := newSet(500)
		l := newLog(t, set, "1", "m = count("+condition+")", nil)
		l.read(lines[0])
		l.acknowledge()
		want(t, set, map[string]float64{`m{container="web",service="api"}`: 1})
		if condition != "" {
			l.read(lines[1])
			l.acknowledge()
		}
		got := page(t, set.Gatherer())[`m{container="web",service="api"}`]
		if got != 1 {
			t.Errorf("count(%s) counts %s", condition, lines[1])
		}
	}
}

// Lines are not counted if their value is not a number, or would decrease a counter.
func TestNumbers(t *testing.T) {
	set := newSet(500)
	l := newLog(t, set, "1", "s = sum(a*2)\ng = gauge(a-1)\nh = histogram(a/2)\nbig = sum(a*1e308)", nil)
	l.read(`a=1`, `{"a":"2"}`, `a=-5`, `a=x`, `{"a":[1]}`, `none`, `{"a":1e400}`)
	l.acknowledge()
	want(t, set, map[string]float64{
		`s{container="web",service="api"}`: 6, `g{container="web",service="api"}`: -6,
		`h_count{container="web",service="api"}`: 3, `h_sum{container="web",service="api"}`: -1,
		`big{container="web",service="api"}`: 1e308,
	})
}

// The limit of a metric's series applies to all logs together, and the lines beyond it are reported.
func TestLimit(t *testing.T) {
	set := newSet(3)
	one, two := newLog(t, set, "1", "m{a} = count(a)\nn = count()", nil), newLog(t, set, "2", "m{a} = count(a)", nil)
	one.read("a=1", "a=2", "a=1")
	two.read("a=3", "a=4", "a=4", "a=1", "a=3")
	one.read("a=3", "a=2")
	one.acknowledge()
	two.acknowledge()
	want(t, set, map[string]float64{
		`m{a="1",container="web",service="api"}`: 2, `m{a="2",container="web",service="api"}`: 2,
		`m{a="3",container="web",service="api"}`:        2,
		`m{a="4",container="web",service="api"}`:        none,
		`lighter_log_metrics_refused_total{metric="m"}`: 4,
		`lighter_log_metrics_refused_total{metric="n"}`: 0,
	})
	set.Forget("2") // frees its series; the other log continues with them
	one.read("a=4")
	one.acknowledge()
	want(t, set, map[string]float64{`m{a="3",container="web",service="api"}`: 2, `m{a="4",container="web",service="api"}`: none})
}

// Label values are cut, and invalid UTF-8 is replaced.
func TestLabelValues(t *testing.T) {
	set := newSet(500)
	l := newLog(t, set, "1", "m{a} = count(a)", nil)
	l.read("a="+strings.Repeat("x", 129), "a="+strings.Repeat("x", 128), "a="+strings.Repeat("ä", 63)+"x"+"€€", "a=\xff\xfe", `{"a":{"b":1}}`)
	l.acknowledge()
	want(t, set, map[string]float64{
		`m{a="` + strings.Repeat("x", 128) + `",container="web",service="api"}`:      2,
		`m{a="` + strings.Repeat("ä", 63) + "x" + `",container="web",service="api"}`: 1,
		`m{a="?",container="web",service="api"}`:                                     1,
		`m{a="{\"b\":1}",container="web",service="api"}`:                             1,
	})
}

// A stage that does not count still sets levels, and has no state.
func TestNotCounted(t *testing.T) {
	set := newSet(500)
	maker := set.Maker(logmetrics.Log{ID: "1", Declarations: parse(t, declared)})
	var kept []byte
	chain := stage.NewChain(nowhere{}, stage.Log{Service: "api", Container: "web"}, nil, maker)
	b := batchOf(`2026-01-02 03:04:05.678 UTC [27] LOG:  database system is ready`, `plain`)
	b.Origin = note{&kept}
	b.Begin(nil)
	if err := chain.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := b.Fields(&b.Entries[0]); len(got) != 1 || got[0].Name != "detected_level" || string(got[0].Value) != "info" {
		t.Errorf("fields = %v", got)
	}
	if got := b.Fields(&b.Entries[1]); len(got) != 0 || kept != nil {
		t.Errorf("fields = %v, state = %q", got, kept)
	}
	if got := page(t, set.Gatherer()); len(got) > 0 {
		t.Errorf("page = %v", got)
	}
	b.Done()
}

// Entries and bytes are counted without any declaration. A Set counts nothing that it is not asked to
// count.
func TestLines(t *testing.T) {
	set := newSet(500)
	l := newLog(t, set, "1", "", nil)
	l.read(`LOG: x`, "LOG:\tyz")
	want(t, set, map[string]float64{`lighter_container_log_bytes_total{container="web",service="api"}`: 0})
	l.acknowledge()
	want(t, set, map[string]float64{
		`lighter_container_log_bytes_total{container="web",service="api"}`: 13,
	})
	total := 0.0
	for name, v := range page(t, set.Gatherer()) {
		if strings.HasPrefix(name, "lighter_container_log_lines_total{") {
			total += v
		}
	}
	if total != 2 {
		t.Errorf("%v lines, want 2", total)
	}
	off := logmetrics.New(logmetrics.Options{Limit: 1})
	chain := stage.NewChain(nowhere{}, stage.Log{}, nil, off.Maker(logmetrics.Log{ID: "1", Count: true}))
	var kept []byte
	b := batchOf(`LOG: x`)
	b.Origin = note{&kept}
	b.Begin(nil)
	if err := chain.Append(t.Context(), b); err != nil || kept != nil || b.Fields(&b.Entries[0]) != nil || len(page(t, off.Gatherer())) > 0 {
		t.Errorf("%v, state %q, fields %v", err, kept, b.Fields(&b.Entries[0]))
	}
	b.Done()
}

// Two containers declare a metric differently: the page stays readable, and contains one of them.
func TestConflict(t *testing.T) {
	set := newSet(500)
	one, two := newLog(t, set, "1", "m{a} = count()", nil), newLog(t, set, "2", "m = gauge(a)", nil)
	one.read("a=1")
	two.read("a=7")
	one.acknowledge()
	two.acknowledge()
	want(t, set, map[string]float64{`m{a="1",container="web",service="api"}`: 1, `m{container="web",service="api"}`: none})
	set.Forget("1")
	want(t, set, map[string]float64{`m{a="1",container="web",service="api"}`: none, `m{container="web",service="api"}`: 7})
}

// The stage returns the error of the next one.
func TestError(t *testing.T) {
	full := errors.New("full")
	l := newLogOf(t, newSet(500), "1", declared, nil, nowhere{full})
	b := batchOf("x")
	b.Begin(nil)
	if err := l.chain.Append(t.Context(), b); err != full {
		t.Errorf("err = %v, want %v", err, full)
	}
	b.Done()
}
