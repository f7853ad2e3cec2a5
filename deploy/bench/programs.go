package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// baseEnv is the part of this process's environment that every program gets. It includes lighter's
// settings, so that the effect of a setting can be measured.
func baseEnv() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "LIGHTER_") {
			env = append(env, kv)
		}
	}
	if host, ok := os.LookupEnv("DOCKER_HOST"); ok {
		env = append(env, "DOCKER_HOST="+host)
	}
	return env
}

// lighterEnv is lighter's configuration: only what a user must set, and otherwise the defaults.
func lighterEnv(dir string, more ...string) []string {
	return append(append(baseEnv(),
		"LIGHTER_DATA_DIR="+filepath.Join(dir, "lighter"),
		"LIGHTER_LISTEN=127.0.0.1:0",
		"LIGHTER_LOG_FORMAT=logfmt",
	), more...)
}

// logEnv makes lighter ship the logs of the bench's containers.
func logEnv(e *engine, b *backend, source string) []string {
	return []string{"GRAFANA_LOKI_URL=" + b.url, "LIGHTER_LOG_SOURCE=" + source, "LIGHTER_DOCKER_ROOT=" + e.root, "LIGHTER_INCLUDE=" + containerPrefix + "*"}
}

// scrapeEnv makes lighter scrape pages.
func scrapeEnv(b *backend, targets []string, every time.Duration) []string {
	return []string{"GRAFANA_PROM_URL=" + b.url + "/api/v1/write", "LIGHTER_SCRAPE_TARGETS=" + strings.Join(targets, ","), "LIGHTER_SCRAPE_INTERVAL=" + every.String()}
}

// scraper is a program that scrapes targets and writes to a backend.
type scraper struct {
	name  string
	start func(dir string, b *backend, targets []string, every time.Duration) (*process, error)
}

// scrapers are lighter and those whose binaries were given.
func scrapers(o options) []scraper {
	all := []scraper{{"lighter", func(dir string, b *backend, targets []string, every time.Duration) (*process, error) {
		// The containers of this machine do not belong to the workload.
		env := append(scrapeEnv(b, targets, every), "LIGHTER_INCLUDE="+containerPrefix+"*")
		return start("lighter", lighterEnv(dir, env...), o.lighter, "run")
	}}}
	if o.vmagent != "" {
		all = append(all, scraper{"vmagent", func(dir string, b *backend, targets []string, every time.Duration) (*process, error) {
			config, err := writeScrapeConfig(dir, targets, every, "")
			if err != nil {
				return nil, err
			}
			return start("vmagent", baseEnv(), o.vmagent, "-promscrape.config="+config, "-remoteWrite.url="+b.url+"/api/v1/write",
				"-remoteWrite.forcePromProto", "-remoteWrite.tmpDataPath="+filepath.Join(dir, "vmagent"), "-httpListenAddr=127.0.0.1:0", "-loggerLevel=WARN")
		}})
	}
	if o.prometheus != "" {
		all = append(all, scraper{"Prometheus agent", func(dir string, b *backend, targets []string, every time.Duration) (*process, error) {
			config, err := writeScrapeConfig(dir, targets, every, "remote_write:\n- url: "+b.url+"/api/v1/write\n")
			if err != nil {
				return nil, err
			}
			return start("Prometheus agent", baseEnv(), o.prometheus, "--agent", "--config.file="+config,
				"--storage.agent.path="+filepath.Join(dir, "prometheus"), "--web.listen-address=127.0.0.1:0", "--log.level=warn")
		}})
	}
	return all
}

// writeScrapeConfig writes the file that Prometheus and vmagent read.
func writeScrapeConfig(dir string, targets []string, every time.Duration, more string) (string, error) {
	timeout := min(every, 10*time.Second)
	list, err := json.Marshal(targets) // JSON is also YAML
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "scrape.yml")
	text := fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %s}\nscrape_configs:\n- job_name: bench\n  static_configs:\n  - targets: %s\n%s", every, timeout, list, more)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
