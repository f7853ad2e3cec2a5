package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"

	"lighter/deploy/e2e/backend"
	"lighter/deploy/e2e/tool"
)

// alertsDir contains the rule files and their tests.
const alertsDir = "../alerts"

// TestAlerts lets promtool check the rule files and test each alert on series that make it fire and end,
// and on others that must not.
func TestAlerts(t *testing.T) {
	promtool, err := tool.Tool{
		Name: "promtool", Module: "github.com/prometheus/prometheus",
		Package: "github.com/prometheus/prometheus/cmd/promtool", Tags: "noasm,remove_all_sd",
	}.Build(t.Context())
	must(t, err)
	rules, err := filepath.Glob(filepath.Join(alertsDir, "*.rules.yml"))
	must(t, err)
	rules = slices.DeleteFunc(rules, func(path string) bool { return filepath.Base(path) == "loki.rules.yml" })
	tests, err := filepath.Glob(filepath.Join(alertsDir, "tests", "*.test.yml"))
	must(t, err)
	if len(rules) == 0 || len(tests) == 0 {
		t.Fatalf("there are %d rule files and %d tests of them", len(rules), len(tests))
	}
	for _, args := range [][]string{
		append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, rules...),
		append([]string{"test", "rules"}, tests...),
	} {
		out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// loudLines contains, for each rule about log lines, a line that must make it fire and some that must not.
var loudLines = map[string]struct {
	loud  string
	quiet []string
}{
	"EmailsNotSent": {
		"WARNING luonvuitoi_cert_cli.server.app: RESEND_API_KEY not set; OTP e-mails are dropped",
		[]string{"RESEND_API_KEY is set", `{"level":"info","msg":"settings read","missing":"none"}`},
	},
	"UnsafeKeyValueStore": {
		"WARNING luonvuitoi_cert.storage.kv.factory: KV_BACKEND=local with 4 workers is unsafe",
		[]string{"KV_BACKEND=local with one worker", "KV_BACKEND=upstash with 4 workers"},
	},
	"ActivityLogForwardingOff": {
		"WARNING luonvuitoi_cert.auth.activity_log: GSHEET_WEBHOOK_URL must be https://; forwarding is off",
		[]string{"GET https://example.test/ 200", "forwarding to https://sheets.example.test/"},
	},
	"ActivityLogWebhookFailing": {
		"WARNING luonvuitoi_cert.auth.activity_log: activity log webhook POST failed: timeout",
		[]string{"activity log webhook POST took 80 ms", "other webhook POST failed"},
	},
}

// TestAlertsLoki lets a real Loki's ruler read the rule file and fire each alert, and evaluates the rules'
// expressions before, at and after lines of half an hour ago.
func TestAlertsLoki(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(alertsDir, "loki.rules.yml"))
	must(t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	must(t, yaml.Unmarshal(content, &file))

	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "rules", "fake"), 0o755)) // the tenant of a Loki without tenants
	often := bytes.ReplaceAll(content, []byte("interval: 1m"), []byte("interval: 2s"))
	must(t, os.WriteFile(filepath.Join(dir, "rules", "fake", "loki.rules.yml"), often, 0o644))
	loki, err := backend.StartLoki(t.Context(), dir, backend.WithoutShards)
	must(t, err)
	t.Cleanup(func() { loki.Close() })
	must(t, loki.Ready(t.Context()))

	quiet := streamOf("innocent")
	now := time.Now()
	ago := now.Add(-30 * time.Minute)
	var want []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			lines, ok := loudLines[r.Alert]
			if !ok {
				t.Errorf("no line makes %s fire", r.Alert)
			}
			want = append(want, r.Alert)
			must(t, loki.Push(t.Context(), quiet, ago, lines.quiet...))
			must(t, loki.Push(t.Context(), quiet, now, lines.quiet...))
			must(t, loki.Push(t.Context(), streamOf("loud"), ago, lines.loud))
			for at, fires := range map[time.Duration]bool{-time.Second: false, time.Minute: true, 15 * time.Minute: false} {
				got := lokiValues(t, loki, r.Expr, ago.Add(at))
				if fired := len(got) == 1 && got[0]["service"] == "loud" && got[0]["environment"] == "production"; fired != fires || !fires && len(got) > 0 {
					t.Errorf("%s at %s after its line: %v", r.Alert, at, got)
				}
			}
		}
	}
	for _, lines := range loudLines {
		must(t, loki.Push(t.Context(), streamOf("loud"), now, lines.loud))
	}
	slices.Sort(want)
	eventually(t, time.Minute, func(ctx context.Context) error {
		firing, err := lokiFiring(ctx, loki)
		if err == nil && !slices.Equal(firing, want) {
			err = fmt.Errorf("Loki's ruler fires %v, want %v", firing, want)
		}
		return err
	})
}

// streamOf returns the labels of a container's stream in production.
func streamOf(service string) map[string]string {
	return map[string]string{
		"job": "integrations/docker", "environment": "production", "host": "web-1", "instance": "web-1",
		"service": service, "project": "shop", "container": service + "-1", "stream": "stdout",
	}
}

// lokiFiring returns the names of the alerts that fire in Loki's ruler, one for each firing instance.
func lokiFiring(ctx context.Context, loki *backend.Loki) ([]string, error) {
	body, err := loki.Get(ctx, "/prometheus/api/v1/alerts")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	var names []string
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return names, nil
}

// lokiValues returns the labels of the results of an instant query.
func lokiValues(t *testing.T, loki *backend.Loki, query string, at time.Time) []map[string]string {
	t.Helper()
	v := url.Values{"query": {query}, "time": {strconv.FormatInt(at.UnixNano(), 10)}}
	body, err := loki.Get(t.Context(), "/loki/api/v1/query?"+v.Encode())
	must(t, err)
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Stream map[string]string
			}
		}
	}
	must(t, json.Unmarshal(body, &answer))
	var out []map[string]string
	for _, r := range answer.Data.Result {
		labels := maps.Clone(r.Metric)
		if labels == nil {
			labels = r.Stream
		}
		out = append(out, labels)
	}
	return out
}
