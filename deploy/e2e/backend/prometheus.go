package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"lighter/deploy/e2e/tool"
)

// Prometheus is a running Prometheus that scrapes nothing and accepts only remote writes, in order.
type Prometheus struct{ *process }

// StartPrometheus builds and starts Prometheus with its data in dir. It may not be ready yet.
func StartPrometheus(ctx context.Context, dir string) (*Prometheus, error) {
	binary, err := tool.Tool{
		Name: "prometheus", Module: "github.com/prometheus/prometheus",
		Package: "github.com/prometheus/prometheus/cmd/prometheus", Tags: "noasm,remove_all_sd",
	}.Build(ctx)
	if err != nil {
		return nil, fmt.Errorf("build Prometheus: %w", err)
	}
	addrs, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		return nil, err
	}
	p, err := start(dir, "http://"+addrs[0], binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addrs[0], "--web.enable-remote-write-receiver", "--log.level=warn")
	if err != nil {
		return nil, fmt.Errorf("start Prometheus: %w", err)
	}
	return &Prometheus{p}, nil
}

// Ready waits until Prometheus accepts writes and answers queries.
func (p *Prometheus) Ready(ctx context.Context) error { return p.ready(ctx, "/-/ready") }

// Sample is one series of an instant query's result.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Query evaluates a PromQL query at the present time.
func (p *Prometheus) Query(ctx context.Context, query string) ([]Sample, error) {
	v := url.Values{"query": {query}, "time": {strconv.FormatFloat(float64(time.Now().UnixMilli())/1000, 'f', 3, 64)}}
	body, err := get(ctx, p.URL+"/api/v1/query?"+v.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	var out []Sample
	for _, r := range answer.Data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("query %s: value %v: %w", query, r.Value, err)
		}
		out = append(out, Sample{r.Metric, value})
	}
	return out, nil
}
